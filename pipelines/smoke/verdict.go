package smoke

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// Status tells how a case went.
type Status string

// What a verdict can say.
const (
	// Passed means that the case is proved.
	Passed Status = "passed"
	// Failed means that the image does not do what the case expects.
	Failed Status = "failed"
	// NotRun means that the image could not be run here (NotRunnableError), which
	// says nothing about the image.
	NotRun Status = "not run"
)

// Verdict is the result of one case.
type Verdict struct {
	// Name is the case's.
	Name string `json:"name"`
	// Status is "passed", "failed" or "not run".
	Status Status `json:"status"`
	// Detail is one line: what was proved, or why it was not.
	Detail string `json:"detail"`
	// Output is what a failed program wrote; empty where the case passed.
	Output Output `json:"output,omitzero"`
	// Elapsed is how long the case took. In JSON it is "milliseconds", a whole
	// number.
	Elapsed time.Duration `json:"-"`
}

type verdictFields Verdict // Verdict without its methods

type verdictJSON struct {
	verdictFields
	Milliseconds int64 `json:"milliseconds"`
}

// MarshalJSON writes Elapsed as "milliseconds". It leaves it to the encoder
// around it whether <, > and & are escaped.
func (v Verdict) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(verdictJSON{verdictFields(v), v.Elapsed.Milliseconds()})
	return b.Bytes(), err
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Verdict) UnmarshalJSON(data []byte) error {
	var j verdictJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*v = Verdict(j.verdictFields)
	v.Elapsed = time.Duration(j.Milliseconds) * time.Millisecond
	return nil
}

// verdict says what became of a proof: err is why there is none.
func verdict(name, proved string, exit Exit, err error) Verdict {
	if err == nil {
		return Verdict{Name: name, Status: Passed, Detail: proved}
	}
	v := Verdict{Name: name, Status: Failed, Detail: oneLine(err.Error()), Output: outputOf(exit)}
	if _, ok := errors.AsType[*NotRunnableError](err); ok {
		v.Status = NotRun
	}
	return v
}
