package text

import (
	"strings"
	"testing"
	"time"

	"defib/engine"
)

var spans = []struct {
	d          time.Duration
	past, wait string
}{
	{-3 * time.Second, "0 s", "0 s"},
	{0, "0 s", "0 s"},
	{999 * time.Millisecond, "0 s", "0 s"},
	{59*time.Second + 999*time.Millisecond, "59 s", "59 s"},
	{time.Minute, "1 min", "1 min 0 s"},
	{9*time.Minute + 59*time.Second, "9 min", "9 min 59 s"},
	{10 * time.Minute, "10 min", "10 min"},
	{time.Hour - time.Second, "59 min", "59 min"},
	{time.Hour + 59*time.Second, "1 h", "1 h"},
	{3*time.Hour + 12*time.Minute, "3 h 12 min", "3 h 12 min"},
	{48*time.Hour - time.Second, "47 h 59 min", "47 h 59 min"},
	{48 * time.Hour, "2 days", "2 days"},
	{1000 * 24 * time.Hour, "1000 days", "1000 days"},
}

func TestSpans(t *testing.T) {
	for _, row := range spans {
		if got := Span(row.d); got != row.past {
			t.Errorf("%s has lasted %q, want %q", row.d, got, row.past)
		}
		if got := Wait(row.d); got != row.wait {
			t.Errorf("%s will take %q, want %q", row.d, got, row.wait)
		}
	}
}

func TestExitCodesInWords(t *testing.T) {
	for want, exit := range map[string]engine.Exit{
		"exit code 0 (no error)": {Code: 0},
		"exit code 1":            {Code: 1},
		"exit code 2":            {Code: 2},
		"exit code 126 (the command cannot be executed)":  {Code: 126},
		"exit code 127 (command not found)":               {Code: 127},
		"exit code 128 (failed to start)":                 {Code: 128},
		"exit code 129 (killed by signal SIGHUP)":         {Code: 129},
		"exit code 130 (interrupted)":                     {Code: 130},
		"exit code 134 (aborted)":                         {Code: 134},
		"exit code 137 (killed)":                          {Code: 137},
		"exit code 137 (out of memory)":                   {Code: 137, OOMKilled: true},
		"exit code 1 (out of memory)":                     {Code: 1, OOMKilled: true}, // a process of it
		"exit code 139 (segmentation fault)":              {Code: 139},
		"exit code 143 (terminated)":                      {Code: 143},
		"exit code 200":                                   {Code: 200},
		"exit code 255 (an error, or the host went down)": {Code: 255},
		"exit code -1":                                    {Code: -1},
	} {
		if got := ExitPhrase(exit); got != want {
			t.Errorf("%+v: %q, want %q", exit, got, want)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Number(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

func TestNothingUnseenIsPrinted(t *testing.T) {
	for given, want := range map[string]string{
		"plain":             "plain",
		"gr\u00fc\u00dfe":   "gr\u00fc\u00dfe",
		"a\x00b\x1b[31mc\n": "a\uFFFDb\uFFFD[31mc\uFFFD",
		"\u202egnp.exe":     "\uFFFDgnp.exe", // turns the direction of writing
		"a\u2066b\u200bc":   "a\uFFFDb\uFFFDc",
		"x\u2028y":          "x\uFFFDy",
		"not\xffUTF-8":      "not\uFFFDUTF-8",
	} {
		if got := Printable(given); got != want {
			t.Errorf("%q is printed as %q, want %q", given, got, want)
		}
	}
	if got, want := Line(" two\r\n  lines\x07 "), "two lines\uFFFD"; got != want {
		t.Errorf("%q as one line, want %q", got, want)
	}
	if got := Brief(strings.Repeat("ü", 5000)); len([]rune(got)) != 301 || !strings.HasSuffix(got, "ü…") {
		t.Errorf("a long text is cut to %d characters", len([]rune(got)))
	}
}
