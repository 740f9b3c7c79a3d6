package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"defib/engine"
)

// descs are the descriptions of all container metrics. Names shared with other
// exporters (davidborzek/docker-exporter) mean the same as there.
type descs struct {
	up, engineInfo              *prometheus.Desc
	running, exited, state      *prometheus.Desc
	health, exitCode, oomKilled *prometheus.Desc
	events, restarts            *prometheus.Desc
	created, started, finished  *prometheus.Desc
	info, labels, orphaned      *prometheus.Desc
	outdated                    *prometheus.Desc

	families map[*prometheus.Desc]*dto.MetricFamily // each with its name and help, and no metric
}

func newDescs(labelNames []string) descs {
	families := map[*prometheus.Desc]*dto.MetricFamily{}
	d := func(name, help string, labels ...string) *prometheus.Desc {
		desc := prometheus.NewDesc(name, help, labels, nil)
		families[desc] = &dto.MetricFamily{Name: &name, Help: &help}
		return desc
	}
	all := descs{
		families:   families,
		up:         d("docker_up", "1 if the engine answered and the snapshot of its containers is current."),
		engineInfo: d("docker_engine_info", "The engine.", "host", "version", "api_version", "os", "arch"),
		running:    d("docker_container_up", "1 while the container runs (not paused, not restarting).", "name"),
		exited:     d("docker_container_exited", "1 while the container is exited.", "name"),
		state:      d("docker_container_state", "1 for the state that the container is in.", "name", "state"),
		health:     d("docker_container_health", "1 for what the health check says; all 0 unless the container runs.", "name", "status"),
		exitCode:   d("docker_container_exit_code", "Exit code of the last exit that is known, kept while the container runs again.", "name"),
		oomKilled:  d("docker_container_oom_killed", "1 if the last exit that is known was an out-of-memory kill.", "name"),
		events:     d("docker_container_events_total", "Events of the container since Defib started.", "name", "event"),
		restarts:   d("docker_container_restarts_total", "Restarts by the engine's own restart policy since the last start through the API.", "name"),
		created:    d("docker_container_created_timestamp_seconds", "When the container was created, in Unix time.", "name"),
		started:    d("docker_container_started_timestamp_seconds", "When the container was started last, in Unix time.", "name"),
		finished:   d("docker_container_finished_timestamp_seconds", "When the container exited last, in Unix time.", "name"),
		orphaned:   d("docker_container_network_orphaned", "1 if the container lives in the network of another that was restarted after it or is gone.", "name"),
		outdated:   d("docker_container_image_outdated", "1 if the image name that the container was created from means another image by now, on this host.", "name"),
		info: d("docker_container_info", "The container.",
			"name", "id", "image", "image_id", "compose_project", "compose_service", "restart_policy"),
	}
	if len(labelNames) > 1 { // the first is the name
		all.labels = d("docker_container_labels", "The container's labels that --collector.container-labels names.", labelNames...)
	}
	return all
}

func (d *descs) all() []*prometheus.Desc {
	all := []*prometheus.Desc{
		d.up, d.engineInfo, d.running, d.exited, d.state, d.health, d.exitCode, d.oomKilled,
		d.events, d.restarts, d.created, d.started, d.finished, d.orphaned, d.outdated, d.info,
	}
	if d.labels != nil {
		all = append(all, d.labels)
	}
	return all
}

// of returns the metrics of one container. One that could not be inspected has
// those that a list can tell.
func (d *descs) of(c *engine.Container, labels []string) []prometheus.Metric {
	ms := make([]prometheus.Metric, 0, 32)
	add := func(m prometheus.Metric) { ms = append(ms, m) }
	add(gauge(d.running, bit(c.Up()), c.Name))
	add(gauge(d.exited, bit(c.State == engine.Exited), c.Name))
	for _, s := range engine.States {
		add(gauge(d.state, bit(c.State == s), c.Name, string(s)))
	}
	ms = d.ofEvents(ms, c.Name, c.Events)
	add(gauge(d.info, 1, c.Name, c.ID, c.Image, c.ImageID, c.Project(), c.Service(), c.RestartPolicy))
	if d.labels != nil {
		values := []string{c.Name}
		for _, l := range labels {
			values = append(values, c.Labels[l])
		}
		add(gauge(d.labels, 1, values...))
	}
	if c.HealthCheck {
		for _, h := range engine.Healths {
			add(gauge(d.health, bit(c.Health == h), c.Name, string(h)))
		}
	}
	if c.Exit.Known {
		add(gauge(d.exitCode, float64(c.Exit.Code), c.Name))
		add(gauge(d.oomKilled, bit(c.Exit.OOMKilled), c.Name))
	}
	if c.ImageStatus != engine.ImageUnknown {
		add(gauge(d.outdated, bit(c.ImageStatus == engine.ImageOutdated), c.Name))
	}
	if c.Inspected {
		add(counter(d.restarts, float64(c.RestartCount), c.Name))
	}
	for desc, t := range map[*prometheus.Desc]time.Time{d.created: c.Created, d.started: c.Started, d.finished: c.Finished} {
		if !t.IsZero() {
			add(gauge(desc, seconds(t), c.Name))
		}
	}
	return ms
}

func (d *descs) ofEvents(ms []prometheus.Metric, name string, n engine.Counts) []prometheus.Metric {
	for _, e := range engine.Events {
		ms = append(ms, counter(d.events, float64(n[e]), name, e.String()))
	}
	return ms
}
