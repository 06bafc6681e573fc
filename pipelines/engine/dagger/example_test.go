package dagger_test

import (
	"context"
	"fmt"
	"log"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
)

// The whole pipeline with a Dagger engine: compile there, assemble here, prove
// there.
func Example() {
	ctx := context.Background()
	client, err := sdk.Connect(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	p, err := plan.New(ctx, plan.Options{Source: "."})
	if err != nil {
		log.Fatal(err)
	}
	store, err := image.NewStore("/var/cache/layers")
	if err != nil {
		log.Fatal(err)
	}
	built, err := pipelines.Build(ctx, p, pipelines.Options{Engine: dagger.New(client, dagger.Options{}), Store: store})
	if err != nil {
		log.Fatal(err)
	}
	if err := built.Prove(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(built.Images[0].Digest)
}

// A builder image of one's own, and private modules that git gets with a token.
func ExampleOptions() {
	client, err := sdk.Connect(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	engine := dagger.New(client, dagger.Options{
		Builder:   "registry.example.com/team/golang",
		Settings:  []string{"GOPRIVATE=github.com/acme/*"},
		Token:     client.Secret("env://GH_TOKEN"),
		Gitignore: true,
	})
	fmt.Println(engine.Name())
}
