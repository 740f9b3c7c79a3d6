package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"defib/restarter/history"
	"defib/restarter/outcome"
)

// LabelHeal is the alert label that says what to do: restart or start.
const LabelHeal = "heal"

// annotationStateReason says why Grafana put an alert into its state, if that is not
// what the rule's expression found.
const annotationStateReason = "grafana_state_reason"

// payload is what Alertmanager's webhook sends, as far as it is read. Its version
// has been "4" since 0.8; Grafana sends the same shape as version "1".
// Sources: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config,
// https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
type payload struct {
	Version string    `json:"version"`
	Alerts  alertList `json:"alerts"`

	// How many alerts the sender left out, by its max_alerts. A templated payload may
	// hold a text: that must not cost the alerts that are there.
	Truncated json.RawMessage `json:"truncatedAlerts"`
}

// truncated is how many alerts the sender left out; 0 if it does not say.
func (p payload) truncated() float64 {
	n, err := strconv.ParseFloat(strings.Trim(string(p.Truncated), `" `), 64)
	if err != nil || !(n > 0) || math.IsInf(n, 1) {
		return 0
	}
	return n
}

// maxAlerts is how many alerts a request may hold.
const maxAlerts = 1000

var errTooMany = fmt.Errorf("the request holds more than %d alerts: group them by more labels (group_by: ['...'])", maxAlerts)

// alertList are the alerts of a payload. They are counted while they are read: 1 MiB
// holds hundreds of thousands of empty ones.
type alertList []Alert

// UnmarshalJSON implements json.Unmarshaler.
func (l *alertList) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	switch token, err := d.Token(); {
	case err != nil:
		return err
	case token == nil:
		return nil
	case token != json.Delim('['):
		return errors.New("alerts must be a list")
	}
	for d.More() {
		if len(*l) == maxAlerts {
			return errTooMany
		}
		var a Alert
		if err := d.Decode(&a); err != nil {
			return err
		}
		*l = append(*l, a)
	}
	return nil
}

// Alert is one alert of a payload.
type Alert struct {
	Status      string            `json:"status"` // firing or resolved
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"` // the same for each repeat of one firing
	Fingerprint string            `json:"fingerprint"`
}

// decode reads a payload. What it does not know it passes over, since fields are
// added without a new version.
func decode(body []byte) (p payload, err error) {
	if err := json.Unmarshal(body, &p); errors.Is(err, errTooMany) {
		return p, err
	} else if err != nil {
		return p, fmt.Errorf("invalid payload of an Alertmanager webhook: %w", err)
	}
	if p.Version != "4" && p.Version != "1" {
		return p, fmt.Errorf("unsupported payload version %q: must be 4 (Alertmanager, without a payload template) or 1 (Grafana)", echo(p.Version))
	}
	return p, nil
}

// id tells the alert from others: a digest of its labels.
func (a Alert) id() history.AlertID {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		fmt.Fprintf(h, "%q=%q,", name, a.Labels[name])
	}
	return history.AlertID(h.Sum(nil))
}

// since is when the alert began to fire, on its sender's clock; zero: it does not say.
func (a Alert) since() time.Time {
	if a.StartsAt.Year() <= 1 {
		return time.Time{}
	}
	return a.StartsAt
}

// label returns the value of a label without the blanks around it, which people and
// templates leave there.
func (a Alert) label(name string) string { return strings.TrimSpace(a.Labels[name]) }

// Match is one label that an alert must bear to be meant for this host.
type Match struct{ Label, Value string }

// ParseMatch reads LABEL=VALUE.
func ParseMatch(s string) (Match, error) {
	label, value, _ := strings.Cut(s, "=")
	label, value = strings.TrimSpace(label), strings.TrimSpace(value)
	if label == "" || value == "" {
		return Match{}, fmt.Errorf("%q: must be LABEL=VALUE", s)
	}
	return Match{Label: label, Value: value}, nil
}

// fits reports whether the alert is meant for this host.
func (a Alert) fits(matches []Match) bool {
	for _, m := range matches {
		if a.label(m.Label) != m.Value {
			return false
		}
	}
	return true
}

// action says what a firing alert wants; an outcome if that is nothing.
func (a Alert) action(matches []Match) (start bool, o outcome.Outcome) {
	switch heal := a.label(LabelHeal); {
	case a.Status != "firing":
		return false, outcome.Resolved
	case !a.fits(matches):
		return false, outcome.OtherHost
	case heal == "":
		return false, outcome.NoAction
	case a.notEvaluated():
		return false, outcome.NotEvaluated
	case heal == "restart":
		return false, ""
	case heal == "start":
		return true, ""
	}
	return false, outcome.UnknownAction
}

// notEvaluated reports whether Grafana sent the alert because it could not evaluate
// the rule: the query found no data, or failed. Such an alert bears all labels of the
// rule, and says nothing about the container. Its name tells, or a rule that is set to
// fire on no data keeps its own name and only the annotation tells, which may hold
// several reasons ("NoData, KeepLast").
// Sources: https://grafana.com/docs/grafana/latest/alerting/fundamentals/alert-rule-evaluation/stale-alert-instances/,
// https://github.com/grafana/grafana/blob/main/pkg/services/ngalert/models/alert_rule.go
func (a Alert) notEvaluated() bool {
	switch letters(a.Labels["alertname"]) {
	case "datasourceerror", "datasourcenodata":
		return true
	}
	reason := letters(a.Annotations[annotationStateReason])
	return strings.Contains(reason, "nodata") || strings.Contains(reason, "error")
}

// about says beside the outcome's sentence what a person needs to find the rule: of one
// that Grafana could not evaluate, its own name and the container that it is about. The
// alert itself may be called DatasourceError, as of all such rules.
func (a Alert) about(o outcome.Outcome) string {
	if o != outcome.NotEvaluated {
		return ""
	}
	var labels []string
	for _, label := range slices.Concat([]string{"rulename"}, idLabels, nameLabels) {
		if a.label(label) != "" {
			labels = append(labels, a.quote(label))
		}
	}
	return strings.Join(labels, ", ")
}

// letters returns the letters of a text in lower case, without what is between them.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}
