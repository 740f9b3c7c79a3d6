package policy

import (
	"fmt"
	"slices"
	"strings"

	"defib/engine"
)

// Container labels that users set. They are part of the contract.
const (
	LabelEnable       = "defib.enable"
	LabelPolicy       = "defib.policy"
	LabelTriggers     = "defib.triggers"
	LabelStoppedDelay = "defib.stopped-delay"
	LabelUnhealthyFor = "defib.unhealthy-for"
	LabelMaxAttempts  = "defib.max-attempts"
	LabelCooldown     = "defib.cooldown"
	LabelRecreate     = "defib.recreate"
	LabelSwarm        = "defib.swarm"
)

// KnownLabels are these.
var KnownLabels = []string{
	LabelEnable, LabelPolicy, LabelTriggers,
	LabelStoppedDelay, LabelUnhealthyFor, LabelMaxAttempts, LabelCooldown, LabelRecreate, LabelSwarm,
}

// decisive are the labels that say whether to act on a container at all: with one that is not
// understood it is left alone. Of the others the flag's value counts then.
var decisive = []string{LabelEnable, LabelPolicy, LabelTriggers, LabelSwarm}

// Labels is what the labels of a container say to Defib.
type Labels struct {
	enable   answerWord
	mode     Mode      // "": they do not say
	triggers []Trigger // if there is the label
	own      bool      // there is
	recreate bool      // the container may be re-created
	ends     bool      // if it is a task of Swarm, it may be ended
	Settings           // what they say, else what flags do
	Bad      []string  // decisive labels that are not understood, sorted: what their owner wants is not known
	Ignored  []string  // other labels of ours that are not understood, sorted: they are as if they were not there
	Unknown  []string  // others that begin like ours, sorted: a newer version may know them
}

// answerWord is what the label defib.enable says.
type answerWord int

const (
	unsaid answerWord = iota
	yes
	no
	unclear
)

// ReadLabels returns what the labels of a container say beside the settings of the flags.
func ReadLabels(c *engine.Container, flags Settings) Labels {
	l := Labels{Settings: flags}
	for key, value := range c.Labels {
		known := strings.ToLower(strings.TrimSpace(key))
		if !strings.HasPrefix(known, "defib.") {
			continue
		}
		wrong := &l.Ignored
		if slices.Contains(decisive, known) {
			wrong = &l.Bad
		}
		switch {
		case !slices.Contains(KnownLabels, known):
			l.Unknown = append(l.Unknown, key+": no such label"+nearestLabel(known))
		case key != known:
			*wrong = append(*wrong, fmt.Sprintf("%s: labels are case-sensitive: write %s", key, known))
			if known == LabelEnable && l.enable == unsaid {
				l.enable = unclear
			}
		default:
			if err := l.read(key, value); err != nil {
				*wrong = append(*wrong, key+": "+err.Error())
			}
		}
	}
	slices.Sort(l.Bad)
	slices.Sort(l.Ignored)
	slices.Sort(l.Unknown)
	return l
}

// read takes in a label of ours.
func (l *Labels) read(key, value string) (err error) {
	switch key {
	case LabelEnable:
		l.enable, err = parseEnable(value)
	case LabelPolicy:
		l.mode, err = ParseMode(value)
	case LabelTriggers:
		l.own = true
		l.triggers, err = ParseTriggers(value)
	case LabelRecreate:
		var word answerWord
		word, err = parseEnable(value)
		l.recreate = word == yes
	case LabelSwarm:
		if l.ends = strings.ToLower(strings.TrimSpace(value)) == "restart"; !l.ends {
			err = fmt.Errorf("%q: must be restart", value)
		}
	default:
		err = l.set(key, value)
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
	return unclear, fmt.Errorf("%q: must be true or false", s)
}

// Mislabelled describes each label of the container that looks like one for
// Defib and is not understood.
func (l Labels) Mislabelled() []string { return slices.Concat(l.Bad, l.Ignored, l.Unknown) }

// nearestLabel suggests the label that is meant, if one is close.
func nearestLabel(key string) string {
	for _, known := range KnownLabels {
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
