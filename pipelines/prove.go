package pipelines

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// SmokeError says that images failed their smoke tests.
type SmokeError struct {
	Failures []SmokeFailure
}

// SmokeFailure is a case of one platform that did not pass.
type SmokeFailure struct {
	Image, Platform string
	Verdict         smoke.Verdict
}

func (e *SmokeError) Error() string {
	var b strings.Builder
	b.WriteString("the image does not pass its smoke tests:")
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n  %s %s: %s: %s: %s", f.Image, f.Platform, f.Verdict.Name, f.Verdict.Status, f.Verdict.Detail)
		if text := f.Verdict.Output.String(); text != "" {
			b.WriteString("\n    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    "))
		}
	}
	return b.String()
}

// UnprovedError says that an image was to be published of which no platform
// could be run here.
type UnprovedError struct {
	Image  string
	Reason string // why it could not be run, and what would help
}

func (e *UnprovedError) Error() string {
	return fmt.Sprintf("%s: nothing unproved is published, and this machine could not run it: %s; to publish it all the same, use --no-smoke", e.Image, e.Reason)
}

func usesHost(cases []smoke.Case) bool {
	return slices.ContainsFunc(cases, func(c smoke.Case) bool { return c.HostNetwork })
}

// proveVariant runs one platform's image.
func (b *Built) proveVariant(ctx context.Context, img *Image, v *Variant) (verdicts []smoke.Verdict, err error) {
	step := b.opts.Progress.Start("smoke", label(b.plan, img.Plan), platform.String(v.Platform))
	container, err := b.opts.Engine.Load(ctx, v.Image)
	if err != nil {
		var not *smoke.NotRunnableError
		if !errors.As(err, &not) {
			step.End("", err)
			return nil, err
		}
		step.Skip(not.Error())
		return notRun(img.Plan.Smoke, not), nil
	}
	defer func() { err = errors.Join(err, container.Close()) }()
	verdicts, err = smoke.Run(ctx, container, img.Plan.Smoke, smoke.Options{})
	if err != nil {
		step.End("", err)
		return verdicts, err
	}
	passed, details := 0, []string{}
	var failed error
	for _, verdict := range verdicts {
		details = append(details, verdict.Name+": "+verdict.Detail)
		switch verdict.Status {
		case smoke.Passed:
			passed++
		case smoke.Failed:
			failed = errors.Join(failed, fmt.Errorf("%s: %s", verdict.Name, verdict.Detail))
		}
	}
	switch {
	case failed != nil:
		step.End("", failed)
	case passed == 0:
		step.Skip(verdicts[0].Detail)
	case len(verdicts) == 1:
		step.End(details[0], nil)
	default:
		step.End(fmt.Sprintf("%d cases passed", passed), nil)
	}
	return verdicts, nil
}

func notRun(cases []smoke.Case, why *smoke.NotRunnableError) []smoke.Verdict {
	verdicts := []smoke.Verdict{{Name: "starts", Status: smoke.NotRun, Detail: why.Error()}}
	for i, c := range cases {
		if i == 0 {
			verdicts = nil
		}
		verdicts = append(verdicts, smoke.Verdict{Name: c.Title(), Status: smoke.NotRun, Detail: why.Error()})
	}
	return verdicts
}

// judge makes an error of the verdicts that are not good enough.
func (b *Built) judge() error {
	e := &SmokeError{}
	for _, img := range b.Images {
		for _, v := range img.Variants {
			for _, verdict := range v.Verdicts {
				if verdict.Status == smoke.Failed || verdict.Status == smoke.NotRun && b.opts.RequireSmoke {
					e.Failures = append(e.Failures, SmokeFailure{img.Plan.Name, platform.String(v.Platform), verdict})
				}
			}
		}
	}
	if len(e.Failures) > 0 {
		return e
	}
	for _, img := range b.Images {
		img.proved = true
	}
	for _, img := range b.Images {
		if ran, reason := img.ran(); !ran {
			b.opts.Progress.Warn("smoke", label(b.plan, img.Plan), "", "nothing was proved, since no platform can be run here: "+reason)
		}
	}
	return nil
}

// ran tells whether a platform of the image was run, and otherwise why none was.
func (img *Image) ran() (ran bool, reason string) {
	for _, v := range img.Variants {
		for _, verdict := range v.Verdicts {
			if verdict.Status == smoke.Passed {
				return true, ""
			}
			reason = verdict.Detail
		}
	}
	return false, reason
}

// ensureProved proves what is not proved, and wants a platform of each image to
// have been run.
func (b *Built) ensureProved(ctx context.Context) error {
	if b.opts.SkipSmoke {
		b.opts.Progress.Warn("smoke", "", "", "published without a smoke test, as asked for")
		return nil
	}
	for _, img := range b.Images {
		if img.proved {
			continue
		}
		if err := b.Prove(ctx); err != nil {
			return err
		}
		break
	}
	for _, img := range b.Images {
		if ran, reason := img.ran(); !ran {
			return &UnprovedError{img.Plan.Name, reason}
		}
	}
	return nil
}
