package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// journal is what Defib writes to stderr: one JSON object a line.
type journal struct {
	mu      sync.Mutex
	partial []byte
	lines   []line
}

// line is one log line; fields is nil where it was not JSON.
type line struct {
	text   string
	fields map[string]any
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.partial = append(j.partial, b...)
	for {
		text, rest, whole := bytes.Cut(j.partial, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l := line{text: string(text)}
		// What is no JSON stays without fields; strays lists it.
		_ = json.Unmarshal(text, &l.fields)
		j.lines = append(j.lines, l)
		j.partial = rest
	}
}

// find returns the lines with this message and these key, value pairs.
func (j *journal) find(msg string, pairs ...any) []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []line
	for _, l := range j.lines {
		if l.has("msg", msg) && l.hasAll(pairs) {
			found = append(found, l)
		}
	}
	return found
}

// about returns the lines about the container with this id.
func (j *journal) about(id string) []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []line
	for _, l := range j.lines {
		if l.has("id", id) {
			found = append(found, l)
		}
	}
	return found
}

// strays are the lines that are no JSON: a panic, a data race, a stray print.
func (j *journal) strays() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []string
	for _, l := range j.lines {
		if l.fields == nil {
			found = append(found, l.text)
		}
	}
	return found
}

// tail returns the last n lines as text.
func (j *journal) tail(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out strings.Builder
	for _, l := range j.lines[max(0, len(j.lines)-n):] {
		out.WriteString(l.text + "\n")
	}
	out.Write(j.partial)
	return out.String()
}

func (l line) has(key string, want any) bool {
	v, there := l.fields[key]
	return there && fmt.Sprint(v) == fmt.Sprint(want)
}

func (l line) hasAll(pairs []any) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !l.has(pairs[i].(string), pairs[i+1]) {
			return false
		}
	}
	return true
}

func (l line) str(key string) string {
	if v, there := l.fields[key]; there {
		return fmt.Sprint(v)
	}
	return ""
}

func (l line) duration(key string) time.Duration {
	d, err := time.ParseDuration(l.str(key))
	if err != nil {
		return -1
	}
	return d
}
