package collector

import (
	"time"

	"defib/engine"
	"defib/internal/exposition"
)

// descs are the descriptions of all container metrics. Names shared with other
// exporters (davidborzek/docker-exporter) mean the same as there.
type descs struct {
	up, engineInfo              *exposition.Desc
	running, exited, state      *exposition.Desc
	health, exitCode, oomKilled *exposition.Desc
	events, restarts            *exposition.Desc
	created, started, finished  *exposition.Desc
	info, labels, orphaned      *exposition.Desc
	outdated                    *exposition.Desc

	all []*exposition.Desc
}

func newDescs(labelNames []string) descs {
	var all []*exposition.Desc
	gauge := func(name, help string, labels ...string) *exposition.Desc {
		all = append(all, exposition.NewGauge(name, help, labels...))
		return all[len(all)-1]
	}
	counter := func(name, help string, labels ...string) *exposition.Desc {
		all = append(all, exposition.NewCounter(name, help, labels...))
		return all[len(all)-1]
	}
	d := descs{
		up:         gauge("docker_up", "1 if the engine responds and the snapshot of its containers is current."),
		engineInfo: gauge("docker_engine_info", "Information about the engine.", "host", "version", "api_version", "os", "arch"),
		running:    gauge("docker_container_up", "1 while the container runs (not paused, not restarting).", "name"),
		exited:     gauge("docker_container_exited", "1 while the state of the container is exited.", "name"),
		state:      gauge("docker_container_state", "1 for the state that the container is in.", "name", "state"),
		health:     gauge("docker_container_health", "1 for the current result of the health check; all 0 unless the container runs.", "name", "status"),
		exitCode:   gauge("docker_container_exit_code", "Exit code of the last known exit, kept while the container runs again.", "name"),
		oomKilled:  gauge("docker_container_oom_killed", "1 if the last known exit was an out-of-memory kill.", "name"),
		events:     counter("docker_container_events_total", "Events of the container since Defib started.", "name", "event"),
		restarts:   counter("docker_container_restarts_total", "Restarts by the engine's own restart policy; reset when the container is started by anybody else.", "name"),
		created:    gauge("docker_container_created_timestamp_seconds", "When the container was created, in Unix time.", "name"),
		started:    gauge("docker_container_started_timestamp_seconds", "When the container was last started, in Unix time.", "name"),
		finished:   gauge("docker_container_finished_timestamp_seconds", "When the container last exited, in Unix time.", "name"),
		orphaned:   gauge("docker_container_network_orphaned", "1 if the container uses the network of another container that was restarted after it or no longer exists.", "name"),
		outdated:   gauge("docker_container_image_outdated", "1 if the image name that the container was created from now refers to another image on this host.", "name"),
		info: gauge("docker_container_info", "Information about the container.",
			"name", "id", "image", "image_id", "compose_project", "compose_service", "restart_policy"),
	}
	if len(labelNames) > 0 {
		d.labels = gauge("docker_container_labels", "Labels of the container that --collector.container-labels selects.", append([]string{"name"}, labelNames...)...)
	}
	d.all = all
	return d
}

// of returns the metrics of one container. One that could not be inspected has
// those that a list can tell.
func (d *descs) of(c *engine.Container, labels []string) []*exposition.Metric {
	ms := make([]*exposition.Metric, 0, 32)
	add := func(m *exposition.Metric) { ms = append(ms, m) }
	add(d.running.Metric(bit(c.Up()), c.Name))
	add(d.exited.Metric(bit(c.State == engine.Exited), c.Name))
	for _, s := range engine.States {
		add(d.state.Metric(bit(c.State == s), c.Name, string(s)))
	}
	ms = append(ms, d.ofEvents(c.Name, c.Events)...)
	add(d.info.Metric(1, c.Name, c.ID, c.Image, c.ImageID, c.Project(), c.Service(), c.RestartPolicy))
	if d.labels != nil {
		values := []string{c.Name}
		for _, l := range labels {
			values = append(values, c.Labels[l])
		}
		add(d.labels.Metric(1, values...))
	}
	if c.HealthCheck {
		for _, h := range engine.Healths {
			add(d.health.Metric(bit(c.Health == h), c.Name, string(h)))
		}
	}
	if c.Exit.Known {
		add(d.exitCode.Metric(float64(c.Exit.Code), c.Name))
		add(d.oomKilled.Metric(bit(c.Exit.OOMKilled), c.Name))
	}
	if c.ImageStatus != engine.ImageUnknown {
		add(d.outdated.Metric(bit(c.ImageStatus == engine.ImageOutdated), c.Name))
	}
	if c.Inspected {
		add(d.restarts.Metric(float64(c.RestartCount), c.Name))
	}
	for desc, t := range map[*exposition.Desc]time.Time{d.created: c.Created, d.started: c.Started, d.finished: c.Finished} {
		if !t.IsZero() {
			add(desc.Metric(seconds(t), c.Name))
		}
	}
	return ms
}

func (d *descs) ofEvents(name string, n engine.Counts) []*exposition.Metric {
	ms := make([]*exposition.Metric, 0, len(n))
	for _, e := range engine.Events {
		ms = append(ms, d.events.Metric(float64(n[e]), name, e.String()))
	}
	return ms
}
