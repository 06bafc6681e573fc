package report

import (
	"math"
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1049: "1.05 kB", 9994: "9.99 kB", 9995: "10 kB", 9999: "10 kB", 12345: "12.3 kB",
		99_949: "99.9 kB", 99_950: "100 kB", 830_000: "830 kB", 999_499: "999 kB", 999_500: "1 MB", 999_999: "1 MB",
		1_050_000: "1.05 MB", 1_500_000: "1.5 MB", 200_000_000: "200 MB", 2_480_000_000: "2.48 GB",
		1_000_000_000_000: "1 TB", math.MaxInt64: "9.22 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 340 * time.Microsecond: "0ms", 12 * time.Millisecond: "12ms", 999_400 * time.Microsecond: "999ms",
		999_600 * time.Microsecond: "1.0s", 2140 * time.Millisecond: "2.1s", 59_940 * time.Millisecond: "59.9s",
		59_960 * time.Millisecond: "1m00s", 62 * time.Second: "1m02s", 3_599_600 * time.Millisecond: "1h00m", 90 * time.Minute: "1h30m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\tétage ✓\n":             "plain\tétage ✓\n",
		"\x1b[31;1mred\x1b[0m\r\n":     "red\n",
		"\x1b[2J\x1b[Hgone\x07\x1b[12": "gone",
		"\x1b[3\x1b[0mx":               "x",
		"\x1b]0;title\x07bad\xff":      "]0;titlebad\uFFFD",
		"a\u202eb":                     "ab",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
