module github.com/slipway-dev/slipway/examples/workspace/app

go 1.26.0

// The library beside it is not required by version, since no release of it
// exists: ../go.work brings it in.
