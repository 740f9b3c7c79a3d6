package restarter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"defib/engine"
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
}

// maxAlerts is how many alerts a request may hold.
const maxAlerts = 1000

var errTooMany = fmt.Errorf("the request holds more than %d alerts: group them by more labels (group_by: ['...']), or lower max_alerts of the receiver", maxAlerts)

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
		return errors.New("alerts are no list")
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
func decode(body []byte) ([]Alert, error) {
	var p payload
	if err := json.Unmarshal(body, &p); errors.Is(err, errTooMany) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("not the JSON of an Alertmanager webhook: %w", err)
	}
	if p.Version != "4" && p.Version != "1" {
		return nil, fmt.Errorf("version %q of the webhook's payload: want 4 (Alertmanager's own, without payload templating) or 1 (Grafana)", echo(p.Version))
	}
	return p.Alerts, nil
}

// Match is one label that an alert must bear to be meant for this host.
type Match struct{ Label, Value string }

// ParseMatch reads LABEL=VALUE.
func ParseMatch(s string) (Match, error) {
	label, value, ok := strings.Cut(s, "=")
	if !ok || label == "" || value == "" {
		return Match{}, fmt.Errorf("%q: want LABEL=VALUE", s)
	}
	return Match{Label: label, Value: value}, nil
}

// fits reports whether the alert is meant for this host.
func (a Alert) fits(matches []Match) bool {
	for _, m := range matches {
		if a.Labels[m.Label] != m.Value {
			return false
		}
	}
	return true
}

// action says what a firing alert wants; an outcome if that is nothing.
func (a Alert) action(matches []Match) (start bool, o Outcome) {
	switch heal := a.Labels[LabelHeal]; {
	case a.Status != "firing":
		return false, Resolved
	case !a.fits(matches):
		return false, NotMine
	case heal == "":
		return false, NoAction
	case a.notEvaluated():
		return false, NotEvaluated
	case heal == "restart":
		return false, ""
	case heal == "start":
		return true, ""
	}
	return false, UnknownAction
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

// letters returns the letters of a text in lower case, without what is between them.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// hexID matches a container's full or short ID, bare or at the end of a cgroup
// path as cAdvisor has it: /docker/HEX, /system.slice/docker-HEX.scope.
var hexID = regexp.MustCompile(`(?:^|/(?:[a-z]+-)*)([0-9a-f]{64}|[0-9a-f]{12,63})(?:\.scope)?$`)

// target finds the container that the labels name; an outcome if there is none.
// An ID that is not on this engine never falls back to the name: that container
// may have been created anew since.
func (a Alert) target(p *engine.Picture) (*engine.Container, Outcome) {
	for _, label := range []string{"container_id", "id"} {
		if m := hexID.FindStringSubmatch(a.Labels[label]); m != nil {
			return byID(p, m[1])
		}
	}
	for _, label := range []string{"container", "container_name", "name"} {
		name := strings.TrimPrefix(a.Labels[label], "/")
		if name == "" {
			continue
		}
		if c := p.Find(name); c != nil {
			return c, ""
		}
		if len(name) == 64 && hexID.MatchString(name) {
			return nil, Gone
		}
		return nil, NotFound
	}
	return nil, NoTarget
}

// byID finds a container by its ID or the beginning of it.
func byID(p *engine.Picture, id string) (*engine.Container, Outcome) {
	var found *engine.Container
	for _, c := range p.Containers {
		if strings.HasPrefix(c.ID, id) {
			if found != nil {
				return nil, Gone // it means two: no guessing
			}
			found = c
		}
	}
	if found == nil {
		return nil, Gone
	}
	return found, ""
}
