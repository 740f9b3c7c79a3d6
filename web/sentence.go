package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"defib/web/text"
)

// Sentence is text in which moments are marked, so that a page can count on from
// them. In JSON it is plain text.
type Sentence []Part

// Part is a piece of a sentence.
type Part struct {
	Text   string
	Moment time.Time // that Text speaks of; zero: it is plain text
	Count  count     // how Text speaks of it
	Quoted bool      // others have written the text
}

// count says how a moment is spoken of.
type count string

const (
	countAgo count = "ago" // 3 min ago
	countIn  count = "in"  // in 3 min 7 s
	countAge count = "age" // 3 min
)

// String is the sentence as plain text.
func (s Sentence) String() string {
	var all strings.Builder
	for _, p := range s {
		if p.Quoted {
			fmt.Fprintf(&all, "“%s”", p.Text)
			continue
		}
		all.WriteString(p.Text)
	}
	return all.String()
}

// MarshalJSON writes the sentence as plain text.
func (s Sentence) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// say makes a sentence of strings and parts.
func say(pieces ...any) Sentence {
	var s Sentence
	for _, piece := range pieces {
		switch p := piece.(type) {
		case Part:
			s = append(s, p)
		case string:
			if p != "" {
				s = append(s, Part{Text: p})
			}
		}
	}
	return s
}

// ago speaks of a moment in the past.
func ago(now, at time.Time) Part {
	return Part{Text: text.Span(now.Sub(at)) + " ago", Moment: at, Count: countAgo}
}

// on speaks of a moment of the engine's clock, which must not be compared with
// ours.
func on(at time.Time) string {
	return "on " + at.UTC().Format("2006-01-02 at 15:04:05 UTC") + " by the engine's clock"
}

// in speaks of a moment to come.
func in(now, at time.Time) Part {
	if !at.After(now) {
		return Part{Text: "now", Moment: at, Count: countIn}
	}
	return Part{Text: "in " + text.Wait(at.Sub(now)), Moment: at, Count: countIn}
}

// age says how long a moment is past.
func age(now, at time.Time) Part {
	return Part{Text: text.Span(now.Sub(at)), Moment: at, Count: countAge}
}

// quote is text that others have written.
func quote(s string) Part { return Part{Text: text.Brief(s), Quoted: true} }
