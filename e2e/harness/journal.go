package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Journal is what Defib writes to stderr: one JSON object a line.
type Journal struct {
	mu      sync.Mutex
	partial []byte
	lines   []Line
}

// Line is one log line; fields is nil where it was not JSON.
type Line struct {
	Text   string
	fields map[string]any
}

func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.partial = append(j.partial, b...)
	for {
		text, rest, whole := bytes.Cut(j.partial, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l := Line{Text: string(text)}
		// What is no JSON stays without fields; Strays lists it.
		_ = json.Unmarshal(text, &l.fields)
		j.lines = append(j.lines, l)
		j.partial = rest
	}
}

// Find returns the lines with this message and these key, value pairs.
func (j *Journal) Find(msg string, pairs ...any) []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []Line
	for _, l := range j.lines {
		if l.Has("msg", msg) && l.hasAll(pairs) {
			found = append(found, l)
		}
	}
	return found
}

// About returns the lines about the container with this ID: they have 12 digits of it.
func (j *Journal) About(id string) []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []Line
	for _, l := range j.lines {
		if l.Has("id", id[:min(len(id), 12)]) {
			found = append(found, l)
		}
	}
	return found
}

// Strays are the lines that are no JSON: a panic, a data race, a stray print.
func (j *Journal) Strays() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []string
	for _, l := range j.lines {
		if l.fields == nil {
			found = append(found, l.Text)
		}
	}
	return found
}

// Tail returns the last n lines as text.
func (j *Journal) Tail(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out strings.Builder
	for _, l := range j.lines[max(0, len(j.lines)-n):] {
		out.WriteString(l.Text + "\n")
	}
	out.Write(j.partial)
	return out.String()
}

// Has reports whether the line has this value under a key.
func (l Line) Has(key string, want any) bool {
	v, there := l.fields[key]
	return there && fmt.Sprint(v) == fmt.Sprint(want)
}

func (l Line) hasAll(pairs []any) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !l.Has(pairs[i].(string), pairs[i+1]) {
			return false
		}
	}
	return true
}

// Str is the value of a key as text, "" if there is none.
func (l Line) Str(key string) string {
	if v, there := l.fields[key]; there {
		return fmt.Sprint(v)
	}
	return ""
}

// Time is when the line was written; zero if it does not say.
func (l Line) Time() time.Time {
	at, _ := time.Parse(time.RFC3339Nano, l.Str("time"))
	return at
}

// Duration is the value of a key as a duration, -1 if it is none.
func (l Line) Duration(key string) time.Duration {
	d, err := time.ParseDuration(l.Str(key))
	if err != nil {
		return -1
	}
	return d
}

// AwaitLine waits for the nth line with this message and these pairs.
func (d *Defib) AwaitLine(n int, msg string, pairs ...any) Line {
	d.Helper()
	var found []Line
	Eventually(d, fmt.Sprintf("log line %d of %q %v", n, msg, pairs), func() bool {
		found = d.Find(msg, pairs...)
		return len(found) >= n
	})
	return found[n-1]
}

// Logged checks how many such lines there are now.
func (d *Defib) Logged(want int, msg string, pairs ...any) {
	d.Helper()
	if got := len(d.Find(msg, pairs...)); got != want {
		d.Errorf("%d log lines %q %v, want %d", got, msg, pairs, want)
	}
}

// LeftAlone checks that nothing was done to the container, or tried.
func (d *Defib) LeftAlone(b *Container) {
	d.Helper()
	d.Logged(0, "container started", "container", b.Name)
	d.Logged(0, "start failed", "container", b.Name)
}

// Notices are the lines for people, not those to debug by, that hold a text.
func (d *Defib) Notices(text string) []string {
	var found []string
	for line := range strings.Lines(d.Tail(1 << 20)) {
		if !strings.Contains(line, `"level":"DEBUG"`) && strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// AwaitReason waits until Defib has said in its log for what reason it leaves the
// container alone: a scrape may come too late for one that passes.
func (d *Defib) AwaitReason(b *Container, reason string) {
	d.Helper()
	Eventually(d, b.Name+" to be told of as "+reason, func() bool {
		return slices.ContainsFunc(d.About(b.ID), func(l Line) bool { return l.Has("reason", reason) })
	})
}
