// Package heartbeat draws and describes how a container did in the last 24 hours, as the
// page and the status API show it.
package heartbeat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"defib/restarter/heartbeat"
	"defib/web/text"
)

// Strip is what is shown of one container. The zero value is that of one about which
// nothing is known.
type Strip struct {
	Since     time.Time `json:"since"` // when the first cell begins
	Cells     string    `json:"cells"` // a letter for each quarter of an hour, the newest is the last
	UpPercent *float64  `json:"up_percent,omitempty"`

	Percent string `json:"-"` // "" if there is none
	Up      string `json:"-"` // the same with what it is of: "up 99.9 % of 24 h"
	Title   string `json:"-"` // all in words
	Bars    []Bars `json:"-"` // by state, the worst first
}

// Bars are all bars of one state: those side by side are one line of the state's width.
type Bars struct {
	Class string // of the state
	Path  string // in a box of Width and Height
}

// The box that strips are drawn in: a cell is as wide as 1.
const (
	Width  = heartbeat.Cells
	Height = 12
)

// looks are how states are drawn, the worst first. They differ in their height too: not
// everybody sees colours. The style has the heights again, as the widths of lines.
var looks = []struct {
	state  heartbeat.State
	class  string
	height float64
	words  string // for the legend
}{
	{heartbeat.Down, "down", 12, "down"},
	{heartbeat.Unhealthy, "unhealthy", 8, "unhealthy"},
	{heartbeat.Up, "up", 4, "up"},
	{heartbeat.Off, "off", 1, "meant to be down: stopped, paused, finished or never started"},
	{heartbeat.Unknown, "gap", 1, "unknown: Defib or the engine did not run, or there was no such container"},
}

// Key explains one kind of bar.
type Key struct{ Class, Path, Words string }

// Legend explains all of them, in a box of 3 by Height.
func Legend() []Key {
	var keys []Key
	for _, look := range looks {
		keys = append(keys, Key{Class: look.class, Path: line(0, 3, look.height), Words: look.words})
	}
	return keys
}

// line is a path through the middle of bars of this height that stand side by side.
func line(x, n int, height float64) string { return fmt.Sprintf("M%d %gh%d", x, Height-height/2, n) }

// Of returns what is shown at this moment of a strip, which may be nil.
func Of(s *heartbeat.Strip, now time.Time) Strip {
	if s == nil {
		return Strip{}
	}
	day := s.Day(now)
	var letters strings.Builder
	for _, state := range day.Cells {
		letters.WriteByte(state.Letter())
	}
	shown := Strip{Since: day.Since, Cells: letters.String()}
	if percent, ok := day.Percent(); ok {
		shown.UpPercent, shown.Percent = &percent, strconv.FormatFloat(percent, 'f', -1, 64)+"\u00a0%"
		shown.Up = "up " + shown.Percent + " of " + hours(day.Watched)
	}
	shown.Title, shown.Bars = title(day, shown.Up), bars(day)
	return shown
}

// bars draws a day.
func bars(day heartbeat.Day) []Bars {
	var drawn []Bars
	for _, look := range looks {
		var path strings.Builder
		for x := 0; x < Width; {
			n := 0
			for x+n < Width && day.Cells[x+n] == look.state {
				n++
			}
			if n > 0 {
				path.WriteString(line(x, n, look.height))
			}
			x += max(n, 1)
		}
		if path.Len() > 0 {
			drawn = append(drawn, Bars{Class: look.class, Path: path.String()})
		}
	}
	return drawn
}

// hours writes a time in full hours, if it has any. The quarter that has just begun is
// not missed.
func hours(d time.Duration) string {
	if d < time.Hour {
		return text.Span(d)
	}
	return text.Span((d + heartbeat.Quarter).Truncate(time.Hour))
}

// title says what the bars show.
func title(day heartbeat.Day, up string) string {
	var phrases []string
	if up != "" {
		phrases = append(phrases, up)
	}
	for _, look := range []struct {
		state heartbeat.State
		word  string
	}{{heartbeat.Down, "down"}, {heartbeat.Unhealthy, "unhealthy"}} {
		if n := count(day, look.state); n > 0 {
			phrases = append(phrases, look.word+" "+quarters(day, look.state, n))
		}
	}
	if n := count(day, heartbeat.Off); n > 0 {
		phrases = append(phrases, "meant to be down for "+text.Span(time.Duration(n)*heartbeat.Quarter))
	}
	if n := count(day, heartbeat.Unknown); n > 0 {
		phrases = append(phrases, "unknown for "+text.Span(time.Duration(n)*heartbeat.Quarter))
	}
	return "Last 24 hours: " + strings.Join(phrases, ", ")
}

// quarters says in how many of them a state was seen, and when last.
func quarters(day heartbeat.Day, s heartbeat.State, n int) string {
	last := Width - 1
	for day.Cells[last] != s {
		last--
	}
	at := day.Since.Add(time.Duration(last) * heartbeat.Quarter).Format("15:04 UTC")
	if n == 1 {
		return "in the quarter of an hour from " + at
	}
	return fmt.Sprintf("in %d quarters of an hour, the last from %s", n, at)
}

func count(day heartbeat.Day, s heartbeat.State) int {
	return len(slices.DeleteFunc(slices.Clone(day.Cells[:]), func(o heartbeat.State) bool { return o != s }))
}
