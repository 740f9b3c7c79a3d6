package logs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

var began = time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)

func at(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }

// stamped is a message as an engine writes it.
func stamped(second int, text string) string {
	return at(second).Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text
}

// frame is a message of a stream that has several.
func frame(kind byte, text string) string {
	head := make([]byte, frameHead)
	head[0] = kind
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head) + text
}

func out(second int, text string) string { return frame(1, stamped(second, text)) }
func err(second int, text string) string { return frame(2, stamped(second, text)) }

// tell writes lines so that a difference can be read.
func tell(lines []engine.LogLine) []string {
	var told []string
	for _, l := range lines {
		stream, when := "out", "?"
		if l.Stderr {
			stream = "err"
		}
		if !l.At.IsZero() {
			when = fmt.Sprint(int(l.At.Sub(began).Seconds()))
		}
		told = append(told, when+" "+stream+" "+l.Text)
	}
	return told
}

func TestLogsAreReadAsEnginesSendThem(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	for _, tc := range []struct {
		name string
		sent string
		want []string
	}{
		{name: "nothing was written", sent: ""},
		{name: "both streams keep their order", sent: out(1, "a\n") + err(1, "b\n") + out(2, "c\n"), want: []string{"1 out a", "1 err b", "2 out c"}},
		{name: "a terminal has one stream", sent: stamped(1, "a\r\n") + stamped(2, "b\r\n"), want: []string{"1 out a", "2 out b"}},
		{name: "an empty line is a line", sent: out(1, "\n") + out(2, "a\n"), want: []string{"1 out ", "2 out a"}},
		{name: "of more lines than are wanted the last are kept", sent: out(1, "a\n") + out(2, "b\n") + out(3, "c\n") + out(4, "d\n") + out(5, "e\n"), want: []string{"3 out c", "4 out d", "5 out e"}},
		{name: "what is later than the end belongs to another run", sent: out(9, "a\n") + err(10, "b\n") + out(11, "new\n") + err(12, "new\n"), want: []string{"9 out a", "10 err b"}},
		{name: "the parts of a long line are one", sent: out(1, long) + out(1, long) + out(1, "end\n") + out(2, "a\n"), want: []string{"1 out " + long[:maxLine-3] + "…", "2 out a"}},
		{name: "the other stream may come between the parts of a line", sent: out(1, "a ") + err(2, "b\n") + out(3, "c\n"), want: []string{"2 err b", "1 out a c"}},
		{name: "a last line without an end counts", sent: out(1, "a\n") + out(2, "b"), want: []string{"1 out a", "2 out b"}},
		{name: "a line that begins with a time of its own keeps it", sent: out(1, "2020-01-01T00:00:00Z a\n"), want: []string{"1 out 2020-01-01T00:00:00Z a"}},
		{name: "a log that breaks off in a frame is read up to there", sent: out(1, "a\n") + out(2, "bcdef\n")[:frameHead+34], want: []string{"1 out a", "2 out bcd"}},
		{name: "a log that breaks off before a frame is read up to there", sent: out(1, "a\n") + out(2, "b\n")[:5], want: []string{"1 out a"}},
		{name: "a line without a time is as old as the one before", sent: "what\n" + stamped(3, "a\n") + "b\n", want: []string{"? out what", "3 out a", "3 out b"}},
		{name: "what is no text is made visible", sent: out(1, "a\xffb\x00c\x07\n"), want: []string{"1 out a\uFFFDb\uFFFDc\uFFFD"}},
		{name: "colours are left out", sent: out(1, "\x1b[31;1mred\x1b[0m \x1b]0;title\x07rest\x1b(B\x1b7\n"), want: []string{"1 out red rest"}},
		{name: "of a progress bar the last state is kept", sent: out(1, "10 %\r50 %\r100 %\r\n"), want: []string{"1 out 100 %"}},
		{name: "a tab is some blanks", sent: err(1, "\tat main.go:1\n"), want: []string{"1 err     at main.go:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Before(t.Context(), sends(tc.sent), at(10), 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, tell(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// sends is an engine that always sends the same.
func sends(text string) Source {
	return func(context.Context, int, time.Time) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

// A new run that writes much at once displaces what the last one wrote: only then is more
// asked for, without what is later.
func TestMoreIsAskedForOnlyIfANewRunHasDisplacedTheLines(t *testing.T) {
	for _, tc := range []struct {
		name     string
		old, new int // lines of each run
		asked    int
		want     int // lines that are kept
	}{
		{name: "there is no new run", old: 500, asked: 1, want: 3},
		{name: "the new run has written a little", old: 500, new: 20, asked: 1, want: 3},
		{name: "the new run has written as much as is asked for", old: 500, new: 3 + slack, asked: 2, want: 3},
		{name: "some lines are displaced", old: 500, new: 1 + slack, asked: 2, want: 3},
		{name: "the whole log is short", old: 2, new: 20, asked: 1, want: 2},
		{name: "the old run wrote nothing, and the new one little", new: 20, asked: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log []string
			for i := range tc.old {
				log = append(log, out(1, fmt.Sprintln("old", i)))
			}
			for i := range tc.new {
				log = append(log, out(20, fmt.Sprintln("new", i)))
			}
			asked := 0
			ask := func(_ context.Context, tail int, until time.Time) (io.ReadCloser, error) {
				asked++
				sent := log[max(0, len(log)-tail):]
				if !until.IsZero() {
					sent = sent[:min(len(sent), max(0, len(sent)-tc.new))]
				}
				return io.NopCloser(strings.NewReader(strings.Join(sent, ""))), nil
			}
			got, err := Before(t.Context(), ask, at(10), 3)
			if err != nil {
				t.Fatal(err)
			}
			if asked != tc.asked {
				t.Errorf("asked %d times, want %d", asked, tc.asked)
			}
			if len(got) != tc.want || tc.want > 0 && got[len(got)-1].Text != fmt.Sprint("old ", tc.old-1) {
				t.Errorf("%q", tell(got))
			}
		})
	}
}

func TestWhyALogCannotBeReadIsSaid(t *testing.T) {
	endless := func(context.Context, int, time.Time) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(stamped(1, "")), zeros{})), nil
	}
	for name, tc := range map[string]struct {
		ask  Source
		want string
	}{
		"the engine refuses":              {func(context.Context, int, time.Time) (io.ReadCloser, error) { return nil, errors.New("no way") }, "no way"},
		"the engine gives up in between":  {sends(out(1, "a\n") + frame(errorFrame, "file is broken")), "file is broken"},
		"the engine sends without an end": {endless, errTooLong.Error()},
		"the connection breaks": {func(context.Context, int, time.Time) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(out(1, "a\n")), broken{})), nil
		}, "connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			if lines, err := Before(t.Context(), tc.ask, at(10), 3); err == nil || !strings.Contains(err.Error(), tc.want) || lines != nil {
				t.Errorf("%q, %v", tell(lines), err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// Whatever a container writes and however it is sent, what is kept is short, valid and
// harmless.
func FuzzLogsAreHarmless(f *testing.F) {
	f.Add([]byte(out(1, "a\n")+err(2, "b")), 7)
	f.Add([]byte(stamped(1, "\x1b[31mred\x1b[\r\n")), 1)
	f.Add([]byte(frame(3, "x")+"\xff\xfe"), 3)
	f.Add(append([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte("\u202e\t"), 4000)...), 100)
	f.Fuzz(func(t *testing.T, sent []byte, size int) {
		// In pieces of any size, as they come from a network.
		ask := func(context.Context, int, time.Time) (io.ReadCloser, error) {
			return io.NopCloser(&pieces{sent, max(1, size)}), nil
		}
		lines, _ := Before(t.Context(), ask, at(10), 5)
		whole, _ := Before(t.Context(), sends(string(sent)), at(10), 5)
		if diff := cmp.Diff(whole, lines); diff != "" {
			t.Errorf("in pieces of %d it is read otherwise:\n%s", size, diff)
		}
		if len(lines) > 5 {
			t.Errorf("%d lines", len(lines))
		}
		for _, l := range lines {
			if len(l.Text) > maxLine || !utf8.ValidString(l.Text) || strings.ContainsFunc(l.Text, unicode.IsControl) || l.At.After(at(10)) {
				t.Errorf("%v %q", l.At, l.Text)
			}
		}
	})
}

type pieces struct {
	left []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(len(p.left), p.size)])
	p.left = p.left[n:]
	return n, nil
}
