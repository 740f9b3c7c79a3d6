// Package postmortem says how containers died and what they had written by then, as the
// page and the status API show it.
package postmortem

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter/postmortem"
	"defib/web/resources"
	"defib/web/text"
)

// roomOnPage is how many bytes of logs the page shows in all. Whoever is paged may sit in
// a train: the rest is in the API only.
const roomOnPage = 256 << 10

// Death is one as the API has it, and what the page says of it.
type Death struct {
	Container string    `json:"container"`
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`                 // when it was seen, on Defib's clock
	Seconds   float64   `json:"ran_seconds,omitzero"` // how long the run lasted, if that is known
	Trigger   string    `json:"trigger"`              // what asked for an action
	Restarted bool      `json:"restarted"`            // Defib ended the run by a restart
	Cause     string    `json:"cause,omitempty"`      // how it ended otherwise
	ExitCode  *int      `json:"exit_code,omitempty"`
	OOMKilled bool      `json:"oom_killed,omitempty"`
	Health    string    `json:"health_output,omitempty"` // the last line of its health check, if it was unhealthy
	LastUsage Usage     `json:"last_usage,omitzero"`
	Log       []Line    `json:"log,omitempty"`
	LogCut    bool      `json:"log_cut,omitempty"`     // some lines were left out since they are long
	Pending   bool      `json:"log_pending,omitempty"` // it is being read
	LogError  string    `json:"log_error,omitempty"`   // why there is none

	Now     time.Time `json:"-"`
	Key     string    `json:"-"` // no other has it
	Summary string    `json:"-"` // how it ended, in a few words
	Used    string    `json:"-"` // what it used, in a sentence; "": that is unknown
	Note    string    `json:"-"` // of the log, in a sentence; "": it is there
	Text    string    `json:"-"` // of the log
	Open    bool      `json:"-"` // it is shown unasked
}

// Line is one of a log.
type Line struct {
	Time   time.Time `json:"time,omitzero"` // on the engine's clock
	Stream string    `json:"stream"`
	Text   string    `json:"text"`
}

// Usage is what a container used when it was read last before its end.
type Usage struct {
	Seconds     float64  `json:"seconds_before_exit"`
	Cores       *float64 `json:"cpu_cores,omitempty"`
	Memory      uint64   `json:"memory_bytes"`
	MemoryLimit uint64   `json:"memory_limit_bytes,omitempty"`
}

// Of returns what is to be said of deaths, the newest first.
func Of(now time.Time, deaths []postmortem.Death) []Death {
	told := make([]Death, 0, len(deaths))
	room := roomOnPage
	for _, d := range slices.Backward(deaths) {
		t := newDeath(now, d)
		if t.Note = note(t); t.Note == "" {
			t.Text = logText(t.Log)
			if room -= len(t.Text); room < 0 {
				t.Text, t.Note = "", "Its log is in the JSON of this page: there is no room for it here."
			}
		}
		told = append(told, t)
	}
	return told
}

func newDeath(now time.Time, d postmortem.Death) Death {
	t := Death{
		Container: text.Printable(d.Container), ID: d.ID, Time: d.Time, Seconds: d.RanFor().Seconds(), Trigger: d.Trigger, Restarted: d.Restarted,
		Cause: string(d.Cause), ExitCode: d.ExitCode, OOMKilled: d.OOMKilled, Health: text.Brief(d.Health),
		LogCut: d.LogCut, Pending: d.Pending, LogError: text.Brief(d.LogError),
		Now: now, Key: engine.ShortID(d.ID) + "-" + strconv.FormatInt(d.Time.UnixMilli(), 36), Summary: summary(d),
	}
	if u := d.Usage; u != nil {
		t.LastUsage = Usage(*u)
		t.Used = "It used " + resources.Phrase(u.Cores, u.Memory, u.MemoryLimit) + " " + lasted(time.Duration(u.Seconds*float64(time.Second))) + " before that."
	}
	for _, l := range d.Log {
		stream := "stdout"
		if l.Stderr {
			stream = "stderr"
		}
		t.Log = append(t.Log, Line{Time: l.Time, Stream: stream, Text: text.Printable(l.Text)})
	}
	return t
}

// summary says how a run ended, in a few words.
func summary(d postmortem.Death) string {
	how := "exited"
	switch {
	case d.Restarted:
		how = "restarted by Defib (" + d.Trigger + ")"
	case d.Cause == engine.CauseStopped:
		how = "stopped"
	case d.Cause == engine.CauseEngine:
		how = "stopped with the engine"
	}
	if d.ExitCode != nil {
		how += " with " + text.ExitPhrase(engine.Exit{Code: *d.ExitCode, OOMKilled: d.OOMKilled})
	}
	if ran := d.RanFor(); ran > 0 {
		how += " after " + lasted(ran)
	}
	return how
}

// lasted writes a duration as the sentences of the page do.
func lasted(d time.Duration) string {
	if d < time.Second {
		return "less than 1 s"
	}
	return text.Span(d)
}

// note says in a sentence why there is no log; "": there is one.
func note(d Death) string {
	switch {
	case d.Pending:
		return "Its log is being read."
	case d.LogError != "":
		return "Its log could not be read: " + strings.TrimSuffix(d.LogError, ".") + "."
	case len(d.Log) == 0:
		return "Its log is empty."
	}
	return ""
}

// logText writes a log for the page. The streams are named if there are both.
func logText(lines []Line) string {
	both := slices.ContainsFunc(lines, func(l Line) bool { return l.Stream != lines[0].Stream })
	var all strings.Builder
	for _, l := range lines {
		if !l.Time.IsZero() {
			all.WriteString(l.Time.UTC().Format("15:04:05.000 "))
		}
		if both {
			all.WriteString(strings.TrimPrefix(l.Stream, "std") + " ")
		}
		all.WriteString(l.Text + "\n")
	}
	return all.String()
}

// ByName puts the deaths of each name together, the newest first.
func ByName(deaths []Death) map[string][]Death {
	named := map[string][]Death{}
	for _, d := range deaths {
		named[d.Container] = append(named[d.Container], d)
	}
	return named
}

// Card is the deaths of one name, the newest first.
type Card struct {
	Name, Short string // of the container, and the beginning of the ID
	Deaths      []Death
}

// maxCards is how many names the page shows that have no card for another reason.
const maxCards = 20

// Cards has a card for each name whose card is not elsewhere on the page, that of the newest
// death first.
func Cards(deaths []Death, elsewhere func(name string) bool) []Card {
	var cards []Card
	named := ByName(deaths)
	for _, d := range deaths {
		if elsewhere(d.Container) || slices.ContainsFunc(cards, func(c Card) bool { return c.Name == d.Container }) {
			continue
		}
		if len(cards) == maxCards {
			break
		}
		cards = append(cards, Card{Name: d.Container, Short: engine.ShortID(d.ID), Deaths: named[d.Container]})
	}
	return cards
}
