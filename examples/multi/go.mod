module github.com/slipway-dev/slipway/examples/multi

go 1.26.0
