package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// printResult writes the result to standard output: a line for each image, or
// the document.
func (s *session) printResult(e *edge, built *pipelines.Built, asJSON bool, line func(*pipelines.Image) string) error {
	if asJSON {
		if err := s.printDocument(e.stdout, built); err != nil {
			return err
		}
	} else {
		for _, img := range built.Images {
			if _, err := fmt.Fprintln(e.stdout, line(img)); err != nil {
				return err
			}
		}
	}
	if s.workflow == nil {
		return nil
	}
	return s.workflow.tell(e, s, built)
}

func (s *session) printDocument(w io.Writer, built *pipelines.Built) error {
	doc, err := s.document(built)
	if err != nil {
		return err
	}
	return doc.WriteJSON(w)
}

// document is the result document of what was built so far.
func (s *session) document(built *pipelines.Built) (*report.Result, error) {
	doc, err := built.Report()
	if err != nil {
		return nil, err
	}
	doc.Engine.Reason = s.reason
	doc.Timings, doc.Warnings = s.recorder.Timings(), s.recorder.Warnings()
	return doc, nil
}

// withVerdicts prints the document after a smoke test that failed, where one is
// asked for: the verdicts are what it is about. The error stays what it is.
func (s *session) withVerdicts(w io.Writer, built *pipelines.Built, asJSON bool, err error) error {
	s.finish()
	if !is[*pipelines.SmokeError](err) {
		return err
	}
	if s.workflow != nil {
		doc, unknown := s.document(built)
		s.workflow.failed, err = doc, errors.Join(err, unknown)
	}
	if asJSON {
		return errors.Join(err, s.printDocument(w, built))
	}
	return err
}

func digestLine(img *pipelines.Image) string { return img.Digest.String() }
