package restarter

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// waitAll returns what became of an alert that asks for these containers.
func (r *Restarter) waitAll(ctx context.Context, qs []*request) answer {
	answers := make([]answer, len(qs))
	for i, q := range qs {
		answers[i] = r.wait(ctx, q)
	}
	return merge(qs, answers)
}

// merge makes one answer of those about the replicas of a service: the outcome that
// matters most, and what became of each. Replicas that are not whitelisted are not
// spoken of, unless none is.
func merge(qs []*request, answers []answer) answer {
	if len(answers) == 1 {
		return answers[0]
	}
	most := slices.MaxFunc(answers, func(a, b answer) int { return a.outcome.weight() - b.outcome.weight() })
	if most.outcome == NotWhitelisted {
		return most
	}
	var parts []string
	names := map[string][]string{}
	for i, a := range answers {
		if a.outcome == NotWhitelisted {
			continue
		}
		part := string(a.outcome)
		if a.detail != "" {
			part += " (" + a.detail + ")"
		}
		if names[part] == nil {
			parts = append(parts, part)
		}
		names[part] = append(names[part], qs[i].name)
	}
	for i, part := range parts {
		parts[i] = strings.Join(names[part], ", ") + ": " + part
	}
	most.detail = strings.Join(parts, "; ")
	return most
}

// weight is how much an outcome matters among those of one alert: first what has to be
// tried again, then what has yet to be done, then what was done, then why something was
// not, and last that nothing was needed.
func (o Outcome) weight() int {
	switch {
	case o.Status() != http.StatusOK:
		return 5
	case o == Outcome(InServiceRestart):
		return 4
	case o == Restarted || o == Started:
		return 3
	case o == NotWhitelisted:
		return 0
	case o == AlreadyRestarted || o == AlreadyRunning:
		return 1
	}
	return 2
}
