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

// The labels by which cAdvisor's metrics name the service of a container.
const (
	labelAlertProject = "container_label_com_docker_compose_project"
	labelAlertService = "container_label_com_docker_compose_service"
	labelAlertSwarm   = "container_label_com_docker_swarm_service_name"
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

// targets finds the container that the labels name, or the replicas of a service that
// they name; else an answer that says why there is none. An ID that is not on this engine
// never falls back to the name: that container may have been created anew since. Nor do
// either to a service.
func (a Alert) targets(p *engine.Snapshot) ([]*engine.Container, answer) {
	for _, label := range idLabels {
		if id, ok := containerID(a.label(label)); ok {
			if c := byID(p, id); c != nil {
				return []*engine.Container{c}, answer{}
			}
			return nil, answer{outcome: Gone, detail: a.quote(label)}
		}
	}
	for _, label := range nameLabels {
		if name := strings.TrimPrefix(a.label(label), "/"); name != "" {
			return a.named(p, label, name)
		}
	}
	if project, service := a.label(labelAlertProject), a.label(labelAlertService); project != "" && service != "" {
		if cs := replicas(p, project, service); cs != nil {
			return cs, answer{}
		}
		return nil, a.notFound(a.quote(labelAlertProject) + ", " + a.quote(labelAlertService) + ": there is no such compose service here")
	}
	if service := a.label(labelAlertSwarm); service != "" {
		if cs := tasks(p, service); cs != nil {
			return cs, answer{}
		}
		return nil, a.notFound(a.quote(labelAlertSwarm) + ": there is no task of such a Swarm service here")
	}
	return nil, answer{outcome: NoTarget, detail: strings.Join(slices.Concat(a.unusable(), a.renamed()), "; ")}
}

// named finds what a label names: a container, or project/service of compose as a
// whitelist has it. No container's name holds a slash.
func (a Alert) named(p *engine.Snapshot, label, name string) ([]*engine.Container, answer) {
	if c := p.Find(name); c != nil {
		return []*engine.Container{c}, answer{}
	}
	if len(name) == 64 && hexID.MatchString(name) {
		return nil, answer{outcome: Gone, detail: a.quote(label)}
	}
	sought := a.quote(label)
	if project, service, ok := strings.Cut(name, "/"); ok {
		if cs := replicas(p, project, service); cs != nil {
			return cs, answer{}
		}
		sought += ": there is no such compose service (project/service) here"
	}
	return nil, a.notFound(sought)
}

// notFound says what was sought in vain.
func (a Alert) notFound(sought string) answer {
	return answer{outcome: NotFound, detail: strings.Join(append([]string{sought}, a.renamed()...), "; ")}
}

// replicas are the containers of a compose service, by name; those of docker compose run
// are none.
func replicas(p *engine.Snapshot, project, service string) []*engine.Container {
	var cs []*engine.Container
	for _, c := range p.Named() {
		if c.Project() == project && c.Service() == service && project != "" && service != "" && !oneOff(c) {
			cs = append(cs, c)
		}
	}
	return cs
}

// tasks are the containers of a Swarm service on this engine, by name.
func tasks(p *engine.Snapshot, service string) []*engine.Container {
	var cs []*engine.Container
	for _, c := range p.Named() {
		if c.Labels[labelSwarmService] == service {
			cs = append(cs, c)
		}
	}
	return cs
}

// quote writes a label of the alert.
func (a Alert) quote(label string) string { return fmt.Sprintf("%s=%q", label, echo(a.label(label))) }

// unusable names the labels that should hold an ID and do not.
func (a Alert) unusable() []string {
	var texts []string
	for _, label := range idLabels {
		if a.label(label) != "" {
			texts = append(texts, a.quote(label)+" holds no container ID")
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

// byID finds a container by its ID or the beginning of it; nil if none is meant, or
// two are: no guessing.
func byID(p *engine.Snapshot, id string) *engine.Container {
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
