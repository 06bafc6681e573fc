package registry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

func ExamplePush() {
	reg, stop := exampleRegistry()
	defer stop()

	ctx := context.Background()
	index := empty.Index // what the assembly gave
	result, err := registry.Push(ctx, index, reg.Host+"/acme/hello", []string{"latest"}, registry.Options{
		Keychain: registry.Keychain(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(result.Reference, reg.Host, "HOST"))
	fmt.Println(strings.ReplaceAll(result.Tags[0], reg.Host, "HOST"))
	// Output:
	// HOST/acme/hello@sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2
	// HOST/acme/hello:latest
}

func ExampleDryRun() {
	reg, stop := exampleRegistry()
	defer stop()

	preview, err := registry.DryRun(context.Background(), empty.Index, reg.Host+"/acme/hello", []string{"v1"}, registry.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	blobs, bytes := preview.ToSend()
	fmt.Printf("%d blobs of %d bytes to send\n", blobs, bytes)
	for _, tag := range preview.Tags {
		fmt.Println(strings.ReplaceAll(tag.Reference, reg.Host, "HOST"), "moves:", tag.Moves)
	}
	// Output:
	// 0 blobs of 0 bytes to send
	// HOST/acme/hello:v1 moves: true
}

func ExampleReferenceError() {
	_, err := registry.Push(context.Background(), empty.Index, "ghcr.io/acme/hello:v1", nil, registry.Options{})
	if bad := new(registry.ReferenceError); errors.As(err, &bad) {
		fmt.Println(bad)
	}
	// Output:
	// reference "ghcr.io/acme/hello:v1": found the tag "v1" in the repository; want ghcr.io/acme/hello, and the tag among the tags
}

// exampleRegistry starts a registry for an example, which has no *testing.T.
func exampleRegistry() (*registrytest.Registry, func()) {
	e := &example{}
	return registrytest.Start(e, registrytest.Options{}), e.stop
}

// example does for an example what *testing.T does for a test.
type example struct{ cleanup []func() }

func (e *example) Helper()                        {}
func (e *example) Cleanup(f func())               { e.cleanup = append(e.cleanup, f) }
func (e *example) Logf(string, ...any)            {}
func (e *example) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func (e *example) TempDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	e.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (e *example) stop() {
	for i := len(e.cleanup) - 1; i >= 0; i-- {
		e.cleanup[i]()
	}
}
