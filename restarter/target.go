package restarter

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"defib/engine"
)

// The labels that name a container, those that count most first.
var (
	idLabels   = []string{"container_id", "id"}
	nameLabels = []string{"container", "container_name", "name"}
)

// hexID matches a container's full or short ID as an element of a cgroup path:
// HEX, docker-HEX.scope.
var hexID = regexp.MustCompile(`^(?:[a-z]+-)*([0-9a-f]{64}|[0-9a-f]{12,63})(?:\.scope)?$`)

// containerID returns the ID that a label holds, bare or in a cgroup path as cAdvisor
// has it: /docker/HEX, /system.slice/docker-HEX.scope. Of a path it is the last element
// that is one: what follows is the container's own (/docker/HEX/init.scope), and what
// comes before is the container of an engine that runs in it.
func containerID(value string) (id string, ok bool) {
	path := strings.Split(value, "/")
	for _, element := range slices.Backward(path) {
		m := hexID.FindStringSubmatch(element)
		if m != nil && (len(path) > 1 || m[1] == value) {
			return m[1], true
		}
	}
	return "", false
}

// target finds the container that the labels name; else an answer that says why there
// is none. An ID that is not on this engine never falls back to the name: that
// container may have been created anew since.
func (a Alert) target(p *engine.Picture) (*engine.Container, answer) {
	for _, label := range idLabels {
		if id, ok := containerID(a.label(label)); ok {
			if c := byID(p, id); c != nil {
				return c, answer{}
			}
			return nil, answer{outcome: Gone, detail: a.quote(label)}
		}
	}
	for _, label := range nameLabels {
		name := strings.TrimPrefix(a.label(label), "/")
		if name == "" {
			continue
		}
		if c := p.Find(name); c != nil {
			return c, answer{}
		}
		if len(name) == 64 && hexID.MatchString(name) {
			return nil, answer{outcome: Gone, detail: a.quote(label)}
		}
		return nil, answer{outcome: NotFound, detail: a.quote(label) + a.renamed()}
	}
	return nil, answer{outcome: NoTarget, detail: strings.TrimPrefix(a.unusable()+a.renamed(), "; ")}
}

// quote writes a label of the alert.
func (a Alert) quote(label string) string { return fmt.Sprintf("%s=%q", label, echo(a.label(label))) }

// unusable names the labels that should hold an ID and do not.
func (a Alert) unusable() string {
	text := ""
	for _, label := range idLabels {
		if a.label(label) != "" {
			text += "; " + a.quote(label) + " holds no container ID"
		}
	}
	return text
}

// renamed names the labels that Prometheus has renamed since the scrape target has
// them, too: what the exporter said is in these.
// Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config
func (a Alert) renamed() string {
	text := ""
	for _, label := range slices.Concat(idLabels, nameLabels) {
		if exported := "exported_" + label; a.label(exported) != "" {
			text += fmt.Sprintf("; %s is not looked at: Prometheus renamed it, since the scrape target has a label %s of its own (set honor_labels: true in the scrape config, or %s in the rule)",
				a.quote(exported), label, label)
		}
	}
	return text
}

// byID finds a container by its ID or the beginning of it; nil if none is meant, or
// two are: no guessing.
func byID(p *engine.Picture, id string) *engine.Container {
	var found *engine.Container
	for _, c := range p.Containers {
		if strings.HasPrefix(c.ID, id) {
			if found != nil {
				return nil
			}
			found = c
		}
	}
	return found
}
