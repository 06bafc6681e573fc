module github.com/slipway-dev/slipway/examples/vendored

go 1.26.0

require rsc.io/qr v0.2.0
