package webhook

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"defib/restarter/target"
)

// The labels that name a container, those that count most first.
var (
	idLabels   = []string{"container_id", "id"}
	nameLabels = []string{"container", "container_name", "name"}
)

// The labels by which cAdvisor's metrics name the service of a container.
const (
	labelProject      = "container_label_com_docker_compose_project"
	labelService      = "container_label_com_docker_compose_service"
	labelSwarmService = "container_label_com_docker_swarm_service_name"
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

// target is what the labels name. An ID counts more than a name, and either more than a
// service.
func (a Alert) target() target.Target {
	for _, label := range idLabels {
		if id, ok := containerID(a.label(label)); ok {
			return target.Target{ID: id, Labels: a.quote(label)}
		}
	}
	hint := strings.Join(a.renamed(), "; ")
	for _, label := range nameLabels {
		if name := strings.TrimPrefix(a.label(label), "/"); name != "" {
			return target.Target{Name: name, Labels: a.quote(label), Hint: hint}
		}
	}
	if service := a.label(labelSwarmService); service != "" { // its image may bear labels of the compose that built it
		return target.Target{SwarmService: service, Labels: a.quote(labelSwarmService), Hint: hint}
	}
	if project, service := a.label(labelProject), a.label(labelService); project != "" && service != "" {
		return target.Target{Project: project, Service: service, Labels: a.quote(labelProject) + ", " + a.quote(labelService), Hint: hint}
	}
	return target.Target{Hint: strings.Join(slices.Concat(a.unusable(), a.renamed()), "; ")}
}

// quote writes a label of the alert.
func (a Alert) quote(label string) string { return fmt.Sprintf("%s=%q", label, echo(a.label(label))) }

// unusable names the labels that should hold an ID and do not.
func (a Alert) unusable() []string {
	var texts []string
	for _, label := range idLabels {
		if a.label(label) != "" {
			texts = append(texts, a.quote(label)+" contains no container ID")
		}
	}
	return texts
}

// renamed names the labels that Prometheus has renamed since the scrape target has
// them, too: what the exporter said is in these.
// Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config
func (a Alert) renamed() []string {
	var texts []string
	for _, label := range slices.Concat(idLabels, nameLabels) {
		if exported := "exported_" + label; a.label(exported) != "" {
			texts = append(texts, a.quote(exported)+" was renamed by Prometheus: set honor_labels: true in the scrape config")
		}
	}
	return texts
}
