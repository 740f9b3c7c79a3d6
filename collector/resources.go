package collector

import (
	"maps"
	"slices"
	"sync"
	"time"

	"defib/engine"
	"defib/internal/exposition"
	"defib/stats"
)

// Stats tells what containers use.
type Stats interface {
	Read(now time.Time, p *engine.Snapshot) *stats.Reading
}

// usageLabels are the container labels that dashboards and rules for cAdvisor select and
// sum by. cAdvisor exposes all, so that one label too many makes series without end.
var usageLabels = []string{
	engine.LabelProject, engine.LabelService,
	"com.docker.stack.namespace", "com.docker.swarm.node.id",
	"com.docker.swarm.service.id", "com.docker.swarm.service.name", "com.docker.swarm.task.name",
}

// lastSeenWindow is how long container_last_seen goes on after a container has ended: as
// long as cAdvisor's does, whose samples have timestamps. Without that,
// time() - container_last_seen > 60 would never be true.
const lastSeenWindow = 5 * time.Minute

// resources makes metrics of what containers use.
type resources struct {
	stats  Stats
	labels []string // container labels to expose
	descs  usageDescs

	mu      sync.Mutex
	host    usageEntry
	kept    map[string]*usageEntry // by container name
	samples samples                // a buffer
}

// usageEntry are the metrics of a container when it was last read.
type usageEntry struct {
	c       *engine.Container
	path    string
	at      time.Time
	series  samples // that the metrics are of; their values are older
	metrics []*exposition.Metric
}

func newResources(s Stats, labels []string) (*resources, error) {
	labels = slices.Concat(usageLabels, slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return slices.Contains(usageLabels, l) }))
	names, err := labelNames("container_label_", labels)
	if err != nil {
		return nil, err
	}
	descs := newUsageDescs(append([]string{"id", "name", "image"}, names...))
	return &resources{stats: s, labels: labels, descs: descs, kept: map[string]*usageEntry{}}, nil
}

// metrics returns those of the containers of a current snapshot, and of their host.
func (r *resources) metrics(p *engine.Snapshot) [][]*exposition.Metric {
	reading := r.stats.Read(time.Now(), p)
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([][]*exposition.Metric, 0, len(reading.Containers)+3)
	all = append(all, r.ofHost(reading))
	current := 0
	for _, c := range p.Named() {
		u := reading.Containers[c.ID]
		if u == nil || !c.Alive() { // the reading may be a second older than the snapshot
			continue
		}
		k := r.kept[c.Name]
		if k == nil {
			k = &usageEntry{}
			r.kept[c.Name] = k
		}
		r.samples = r.samples[:0]
		r.descs.container(&r.samples, reading.At, c, u)
		r.renew(k, c, u.Path, reading.At)
		all = append(all, k.metrics)
		current++
	}
	if len(r.kept) > current {
		all = append(all, r.lastSeen(p, reading))
	}
	return all
}

// ofHost returns what does not belong to a container. Those who ask cAdvisor for the host
// as a whole ask for the cgroup /.
func (r *resources) ofHost(reading *stats.Reading) []*exposition.Metric {
	ms := []*exposition.Metric{r.descs.unreadable.Metric(float64(reading.Unreadable))}
	if !reading.Host.Known {
		return ms
	}
	r.samples = r.samples[:0]
	r.descs.host(&r.samples, reading.Host)
	r.renew(&r.host, noContainer, "/", reading.At)
	ms = append(ms, r.host.metrics...)
	if reading.Host.Cores > 0 {
		ms = append(ms, r.descs.cores.Metric(float64(reading.Host.Cores)))
	}
	if reading.Host.MemoryTotal > 0 {
		ms = append(ms, r.descs.memoryTotal.Metric(float64(reading.Host.MemoryTotal)))
	}
	return ms
}

// noContainer is what the host has instead of one: all its labels are empty.
var noContainer = &engine.Container{}

// isOf reports whether the labels of the metrics are those of a container, whose own labels
// never change.
func (k *usageEntry) isOf(c *engine.Container, path string) bool {
	return k.c != nil && k.c.ID == c.ID && k.c.Image == c.Image && k.path == path
}

// renew makes metrics of the samples. Their labels are made once in the life of a
// container: most scrapes find another value and nothing else.
func (r *resources) renew(k *usageEntry, c *engine.Container, path string, at time.Time) {
	if k.isOf(c, path) && slices.EqualFunc(k.series, r.samples, sample.sameSeries) {
		values := make([]float64, len(r.samples))
		for i, s := range r.samples {
			values[i] = s.value
		}
		k.c, k.at, k.metrics = c, at, exposition.Renew(k.metrics, values)
		return
	}
	metrics := make([]*exposition.Metric, len(r.samples))
	for i, s := range r.samples {
		labels := []string{path, c.Name, c.Image}
		for _, l := range r.labels {
			labels = append(labels, c.Labels[l])
		}
		if s.label != "" {
			labels = append(labels, s.label)
		}
		metrics[i] = s.desc.Metric(s.value, labels...)
	}
	exposition.Intern(metrics)
	*k = usageEntry{c: c, path: path, at: at, series: slices.Clone(r.samples), metrics: metrics}
}

// lastSeen returns when those were last seen that have ended, for a while. If a container
// of that name runs, it has taken the place of the other: else each deploy would look like
// an outage.
func (r *resources) lastSeen(p *engine.Snapshot, reading *stats.Reading) []*exposition.Metric {
	alive := func(c *engine.Container) bool { return c != nil && c.Alive() }
	var ms []*exposition.Metric
	for _, name := range slices.Sorted(maps.Keys(r.kept)) {
		k, c := r.kept[name], p.Find(name)
		switch {
		case alive(c) && reading.Containers[c.ID] != nil: // all of it is exposed
		case alive(c), alive(p.Get(k.c.ID)), reading.At.Sub(k.at) >= lastSeenWindow:
			delete(r.kept, name)
		default:
			ms = append(ms, k.metrics[0])
		}
	}
	return ms
}
