package registry

import (
	"context"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Tags lists the tags of a repository, HOST/PATH, in the registry's order. A
// repository that is not there, or that we may not see, has none. Errors are
// Fetch's.
func Tags(ctx context.Context, repository string, o Options) ([]string, error) {
	t, err := newTarget(repository, nil, Options{PlainHTTP: o.PlainHTTP})
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, t, transport.PullScope, fetchFailure, o)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tags, err := c.puller.List(ctx, t.repo)
	if err != nil && !absent(err) {
		return nil, c.explain(ctx, "list the tags", err)
	}
	return tags, nil
}
