package restarter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"defib/engine"
)

// Container labels that users set. They are part of the contract.
const (
	LabelEnable   = "defib.enable"
	LabelPolicy   = "defib.policy"
	LabelTriggers = "defib.triggers"
)

var knownLabels = []string{LabelEnable, LabelPolicy, LabelTriggers}

// labels is what the labels of a container say to Defib.
type labels struct {
	enable   answerWord
	mode     Mode      // "": they do not say
	triggers []Trigger // if there is the label
	own      bool      // there is
	bad      []string  // labels of ours that are not understood, sorted: what their owner wants is not known
	unknown  []string  // others that begin like ours, sorted: a newer version may know them
}

// answerWord is what the label defib.enable says.
type answerWord int

const (
	unsaid answerWord = iota
	yes
	no
	unclear
)

func readLabels(c *engine.Container) labels {
	var l labels
	for key, value := range c.Labels {
		known := strings.ToLower(strings.TrimSpace(key))
		if !strings.HasPrefix(known, "defib.") {
			continue
		}
		switch {
		case !slices.Contains(knownLabels, known):
			l.unknown = append(l.unknown, key+": there is no such label"+nearestLabel(known))
		case key != known:
			l.bad = append(l.bad, fmt.Sprintf("%s: labels are case-sensitive: write %s", key, known))
			if known == LabelEnable && l.enable == unsaid {
				l.enable = unclear
			}
		default:
			if err := l.read(key, value); err != nil {
				l.bad = append(l.bad, key+": "+err.Error())
			}
		}
	}
	slices.Sort(l.bad)
	slices.Sort(l.unknown)
	return l
}

// read takes in a label of ours.
func (l *labels) read(key, value string) (err error) {
	switch key {
	case LabelEnable:
		l.enable, err = parseEnable(value)
	case LabelPolicy:
		l.mode, err = ParseMode(value)
	case LabelTriggers:
		l.own = true
		l.triggers, err = ParseTriggers(value)
	}
	return err
}

// parseEnable reads what YAML 1.1 and Go take for true or false: compose hands an
// unquoted no on as it is written.
func parseEnable(s string) (answerWord, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "t", "yes", "y", "on", "1":
		return yes, nil
	case "false", "f", "no", "n", "off", "0":
		return no, nil
	}
	return unclear, fmt.Errorf("%q is neither true nor false", s)
}

// mislabelled describes each label of the container that looks like one for
// Defib and is not understood.
func (l labels) mislabelled() []string { return slices.Concat(l.bad, l.unknown) }

// nearestLabel suggests the label that is meant, if one is close.
func nearestLabel(key string) string {
	for _, known := range knownLabels {
		if distance(key, known) <= 2 {
			return ": did you mean " + known + "?"
		}
	}
	return ""
}

// distance counts the letters to add, drop or change that make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// ParseMode reads a mode as users write it. Docker's on-failure:3 is on-failure: how
// often it is tried is not for the mode to say.
func ParseMode(s string) (Mode, error) {
	word := strings.ToLower(strings.TrimSpace(s))
	if name, tries, ok := strings.Cut(word, ":"); ok && name == string(OnFailure) && tries != "" && strings.Trim(tries, "0123456789") == "" {
		word = name
	}
	switch m := Mode(word); m {
	case Always, UnlessStopped, OnFailure:
		return m, nil
	}
	return "", fmt.Errorf("%q is not a policy: want %s, %s or %s", s, Always, UnlessStopped, OnFailure)
}

// ParseTriggers reads triggers as users write them, comma-separated. Every
// mistake is returned, joined.
func ParseTriggers(s string) ([]Trigger, error) {
	var ts []Trigger
	var errs []error
	for name := range strings.SplitSeq(s, ",") {
		t := Trigger(strings.ToLower(strings.TrimSpace(name)))
		switch {
		case t == "":
		case !slices.Contains(AllTriggers, t):
			errs = append(errs, fmt.Errorf("%q is not a trigger: want %v", t, AllTriggers))
		case !slices.Contains(ts, t):
			ts = append(ts, t)
		}
	}
	return ts, errors.Join(errs...)
}
