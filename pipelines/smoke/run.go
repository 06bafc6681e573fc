package smoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Options says what is the same for all cases.
type Options struct {
	// Moment is how long the default proof watches a program before it calls it
	// running. Zero means two seconds.
	Moment time.Duration
	// Observe, where it is set, gets each verdict as soon as there is one.
	Observe func(Verdict)
}

// Run proves each case in its order and returns a verdict on each; a case that
// fails does not stop the others. Without cases it proves that the program
// starts: it exits cleanly, or still runs after a moment, or prints its help.
//
// What a Runner cannot do at all is a verdict too: not run for a
// *NotRunnableError, failed for every other error. Run itself fails only where
// ctx ends, with ctx's error and the verdicts until then.
func Run(ctx context.Context, r Runner, cases []Case, o Options) ([]Verdict, error) {
	type proof struct {
		name  string
		prove func(context.Context, Runner) (proved string, exit Exit, err error)
	}
	var proofs []proof
	for _, c := range cases {
		if c.Serve != nil {
			proofs = append(proofs, proof{c.Title(), c.serve})
		} else {
			proofs = append(proofs, proof{c.Title(), c.run})
		}
	}
	if len(cases) == 0 {
		proofs = []proof{{"starts", starting{orDefault(o.Moment, 2*time.Second)}.prove}}
	}

	verdicts := make([]Verdict, 0, len(proofs))
	for _, p := range proofs {
		if err := ctx.Err(); err != nil {
			return verdicts, err
		}
		begin := time.Now()
		proved, exit, err := p.prove(ctx, r)
		if ctx.Err() != nil && err != nil {
			return verdicts, ctx.Err()
		}
		v := verdict(p.name, proved, exit, err)
		v.Elapsed = time.Since(begin)
		verdicts = append(verdicts, v)
		if o.Observe != nil {
			o.Observe(v)
		}
	}
	return verdicts, nil
}

// run proves a case that runs to its end.
func (c Case) run(ctx context.Context, r Runner) (string, Exit, error) {
	exit, err := runWithin(ctx, r, c.Process, c.timeout())
	if err == nil {
		err = c.check(exit)
	}
	if err != nil {
		return "", exit, err
	}
	proved := []string{fmt.Sprintf("exit code %d", exit.Code)}
	if c.Stdout != nil {
		proved = append(proved, "stdout as expected")
	}
	if c.Stderr != nil {
		proved = append(proved, "stderr as expected")
	}
	return strings.Join(proved, ", "), exit, nil
}

// runWithin runs a program that has to end in time.
func runWithin(ctx context.Context, r Runner, p Process, timeout time.Duration) (Exit, error) {
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	exit, err := r.Run(limit, p)
	if errors.Is(err, context.DeadlineExceeded) && limit.Err() != nil {
		err = fmt.Errorf("still running after %s; killed", timeout)
	}
	return exit, err
}
