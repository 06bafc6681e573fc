package smoke

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// starting is the default proof: that the program starts.
type starting struct {
	moment time.Duration
}

// usage is what a help text has and an error message has not.
var usage = regexp.MustCompile(`(?i)\b(usage|flags|options|commands)\b`)

// prove runs the program as the image's config says, and where it refuses that
// without having crashed, asks it for its help.
func (s starting) prove(ctx context.Context, r Runner) (string, Exit, error) {
	return serving(ctx, r, Process{}, DefaultTimeout, func(_ context.Context, svc Service) (string, Exit, error) {
		moment := time.NewTimer(s.moment)
		defer moment.Stop()
		select {
		case <-svc.Done():
		case <-ctx.Done():
			return "", kill(svc), ctx.Err()
		case <-moment.C:
			return fmt.Sprintf("still running after %s", s.moment), kill(svc), nil
		}
		exit, err := svc.Stop(ctx)
		switch {
		case err != nil:
			return "", exit, err
		case exit.Code == 0:
			return "exits cleanly (code 0)", exit, nil
		case crash(exit) != "" || exit.Signal != "":
			return "", exit, fmt.Errorf("%s%s", ending(exit), crashNote(exit))
		}
		if proved := help(ctx, r); proved != "" {
			return proved, exit, nil
		}
		return "", exit, fmt.Errorf("%s, and does not answer --help either; a smoke case can say which arguments and variables it needs", ending(exit))
	})
}

// help asks a program for its help, and says what that proves: nothing where it
// does not answer.
func help(ctx context.Context, r Runner) string {
	exit, err := runWithin(ctx, r, Process{Args: []string{"--help"}}, DefaultTimeout)
	if err != nil {
		return ""
	}
	said := slices.Concat(exit.Stdout, exit.Stderr)
	switch {
	case exit.Code == 0 && len(said) > 0:
		return "prints its help (--help, code 0)"
	case exit.Code == 0:
		return "exits cleanly with --help (code 0)"
	case exit.Code == 2 && crash(exit) == "" && usage.Match(said):
		return "prints its help (--help, code 2)"
	}
	return ""
}
