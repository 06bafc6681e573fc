package lib

import "testing"

func TestID(t *testing.T) {
	// The example of RFC 9562, appendix A.4.
	if got, want := ID("www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
