package process

import "regexp"

// StartError says that an image's program cannot be started because of what is
// in the image or its config: a verdict on the image.
type StartError struct {
	Program string // as the image's config names it: "/app"
	Reason  string // "the image has no such file"
	Help    string // what would do, or empty
	Err     error  // the system's own error, or nil
}

func (e *StartError) Error() string {
	text := "cannot start " + e.Program + ": " + e.Reason
	if e.Help != "" {
		text += "; " + e.Help
	}
	return text
}

func (e *StartError) Unwrap() error { return e.Err }

// wrongProcessor is what Go's runtime says where a program needs more than the
// processor has (runtime/asm_amd64.s, runtime/os_linux_arm.go).
var wrongProcessor = regexp.MustCompile(`^(This program can only be run on .+ support\.|runtime: this CPU has no .+ hardware, so it cannot run)`)

// WrongProcessor returns what a program that failed says of a processor that is
// too old for it, or "". It is no verdict on the image.
func WrongProcessor(stderr []byte) string { return string(wrongProcessor.Find(stderr)) }
