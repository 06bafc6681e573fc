package plan_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

// A plan says what would be built of a source, and runs nothing.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, text := range map[string]string{
		"go.mod":       "module github.com/acme/hello\n\ngo 1.26\n",
		"main.go":      "package main\n\nfunc main() { println(\"Hello!\") }\n",
		"slipway.yaml": "image: {user: nonroot, ports: [8080]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	p, err := plan.New(context.Background(), plan.Options{
		Source: dir,
		// A flag comes before the configuration.
		Overrides: []plan.Override{plan.Set("--platform", []string{"linux/arm64", "linux/arm/v6"}, "platforms")},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, img := range p.Images {
		fmt.Println(img.Name, img.Config.User, img.Config.Entrypoint)
		for _, target := range img.Targets {
			fmt.Println(target.Package, platform.String(target.Platform), target.GoEnv())
		}
	}
	// Output:
	// hello 65532:65532 [/usr/local/bin/hello]
	// . linux/arm/v6 [CGO_ENABLED=0 GOOS=linux GOARCH=arm GOARM=6]
	// . linux/arm64 [CGO_ENABLED=0 GOOS=linux GOARCH=arm64 GOARM64=v8.0]
}
