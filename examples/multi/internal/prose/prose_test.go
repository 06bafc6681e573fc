package prose

import "testing"

func TestList(t *testing.T) {
	for want, items := range map[string][]string{
		"":           nil,
		"a":          {"a"},
		"a and b":    {"a", "b"},
		"a, b and c": {"a", "b", "c"},
	} {
		if got := List(items...); got != want {
			t.Errorf("List(%q) is %q, want %q", items, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 lines", "1 line", "2 lines"} {
		if got := Count(n, "line"); got != want {
			t.Errorf("Count(%d) is %q, want %q", n, got, want)
		}
	}
}
