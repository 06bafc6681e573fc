package runnertest_test

import (
	"os"
	"testing"

	"github.com/slipway-dev/slipway/internal/runnertest"
)

func TestZZ(t *testing.T) {
	cache := os.Getenv("ZZ_CACHE")
	r := runnertest.Run(t, runnertest.Options{
		Workflow: toy("- uses: actions/checkout@v7\n- {id: s, uses: slipway-dev/slipway@v1, with: {bad: x}}"),
		Files:    os.DirFS("../../examples/hello"),
		Actions:  map[string]string{"slipway-dev/slipway@v1": "../.."},
		Cache:    cache,
		Env:      map[string]string{"GOPROXY": "file:///root/go/pkg/mod/cache/download", "GONOSUMDB": "*", "GONOSUMCHECK": "1", "GOFLAGS": "-mod=mod"},
	})
	t.Log(r.Log)
	t.Logf("%+v", r.Calls)
	t.Logf("%+v", r.Outputs)
	t.Log(r.Failed)
}
