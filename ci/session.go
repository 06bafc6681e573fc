package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
	"github.com/slipway-dev/slipway/pipelines"
	builder "github.com/slipway-dev/slipway/pipelines/engine/dagger"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// session is one run of the pipeline inside a function. The pipeline is written
// against dagger.io/dagger, whose types are others than those of a module: it
// joins the function's session with a client of its own, and objects cross by
// their ids.
type session struct {
	client   *sdk.Client
	engine   *builder.Engine
	plan     *plan.Plan
	options  pipelines.Options
	recorder *report.Recorder
	// home is the function's working folder, where results are taken from.
	home string
	// scratch holds the copy of the source, binaries and layers.
	scratch string
}

// open copies the source into the function's container, plans, and makes the
// engine ready.
func (m *Slipway) open(ctx context.Context, p *Program) (_ *session, err error) {
	s := &session{recorder: &report.Recorder{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.checkout(ctx, p); err != nil {
		return nil, err
	}
	if s.plan, err = p.plan(ctx); err != nil {
		return nil, err
	}
	if s.client, err = sdk.Connect(ctx); err != nil {
		return nil, fmt.Errorf("joining the session: %w", err)
	}
	o, err := m.engineOptions(ctx, s.client)
	if err != nil {
		return nil, err
	}
	tree, err := cross[*sdk.Directory](ctx, s.client, p.Source)
	if err != nil {
		return nil, err
	}
	o.Tree = &builder.Tree{Directory: tree, At: s.source()}
	// The plan sees the whole source: git may ignore the image's files, and no
	// program needs its licence to compile.
	o.Exclude, o.Gitignore = p.Exclude, p.Gitignore
	o.TempDir = s.scratch
	s.engine = builder.New(s.client, o)
	store, err := image.NewStore(filepath.Join(s.scratch, "layers"))
	if err != nil {
		return nil, err
	}
	s.options = pipelines.Options{
		Engine:   s.engine,
		Store:    store,
		Registry: registry.Options{UserAgent: "slipway"},
		Progress: report.Tee(s.recorder.Sink(), report.Plain(os.Stderr, report.Options{Images: len(s.plan.Images) > 1})),
	}
	return s, nil
}

// checkout copies the source and makes the copy the working folder, so that
// messages name files as the user does. A function is a process of its own.
func (s *session) checkout(ctx context.Context, p *Program) (err error) {
	if s.home, err = os.Getwd(); err != nil {
		return err
	}
	if s.scratch, err = os.MkdirTemp("", "slipway-"); err != nil {
		return err
	}
	if _, err := p.Source.Export(ctx, s.source()); err != nil {
		return fmt.Errorf("copying the source: %w", err)
	}
	return os.Chdir(s.source())
}

func (s *session) source() string { return filepath.Join(s.scratch, "source") }

func (s *session) close() error {
	var err error
	if s.client != nil {
		err = s.client.Close()
	}
	if s.home != "" {
		err = errors.Join(err, os.Chdir(s.home))
	}
	return errors.Join(err, os.RemoveAll(s.scratch))
}

// engineOptions are the module's own arguments, as the engine takes them.
func (m *Slipway) engineOptions(ctx context.Context, c *sdk.Client) (o builder.Options, err error) {
	o = builder.Options{Builder: m.BuilderImage, Username: m.BuilderUsername, Settings: m.Settings}
	for _, a := range []struct {
		from *dagger.Secret
		to   **sdk.Secret
	}{{m.BuilderPassword, &o.Password}, {m.Netrc, &o.Netrc}, {m.Token, &o.Token}} {
		if a.from == nil {
			continue
		}
		if *a.to, err = cross[*sdk.Secret](ctx, c, a.from); err != nil {
			return o, err
		}
	}
	if m.SSH != nil {
		if o.SSH, err = cross[*sdk.Socket](ctx, c, m.SSH); err != nil {
			return o, err
		}
	}
	if m.Certificates != nil {
		pem, err := m.Certificates.Contents(ctx)
		if err != nil {
			return o, fmt.Errorf("--certificates: %w", err)
		}
		o.CA = []byte(pem)
	}
	return o, nil
}

// cross makes an object of the module one of the client.
func cross[T sdk.Loadable[T]](ctx context.Context, c *sdk.Client, object interface {
	ID(context.Context) (dagger.ID, error)
}) (T, error) {
	id, err := object.ID(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return sdk.Ref[T](c, sdk.ID(id)), nil
}
