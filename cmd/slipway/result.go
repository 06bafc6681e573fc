package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/slipway-dev/slipway/pipelines"
)

// printResult writes the result to standard output: a line for each image, or
// the document.
func (s *session) printResult(w io.Writer, built *pipelines.Built, asJSON bool, line func(*pipelines.Image) string) error {
	if asJSON {
		doc, err := built.Report()
		if err != nil {
			return err
		}
		doc.Engine.Reason = s.reason
		doc.Timings, doc.Warnings = s.recorder.Timings(), s.recorder.Warnings()
		return doc.WriteJSON(w)
	}
	for _, img := range built.Images {
		if _, err := fmt.Fprintln(w, line(img)); err != nil {
			return err
		}
	}
	return nil
}

// withVerdicts prints the document after a smoke test that failed, where one is
// asked for: the verdicts are what it is about. The error stays what it is.
func (s *session) withVerdicts(w io.Writer, built *pipelines.Built, asJSON bool, err error) error {
	s.finish()
	if asJSON && is[*pipelines.SmokeError](err) {
		return errors.Join(err, s.printResult(w, built, true, nil))
	}
	return err
}

func digestLine(img *pipelines.Image) string { return img.Digest.String() }
