module github.com/slipway-dev/slipway/examples/https

go 1.26.0
