module github.com/slipway-dev/slipway/examples/timezone

go 1.26.0
