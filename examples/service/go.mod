module github.com/slipway-dev/slipway/examples/service

go 1.26.0
