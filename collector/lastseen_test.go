package collector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
	"defib/stats"
)

// moment is what there is at one time, and when each container was last seen by then: in
// seconds since the beginning, by ID and name.
type moment struct {
	at         time.Duration
	containers []*engine.Container
	unreadable string // the ID of one
	want       string
}

func TestLastSeenGoesOnForFiveMinutesAfterTheEnd(t *testing.T) {
	web := func(id string, state engine.State) *engine.Container {
		return alter(func(c *engine.Container) { c.ID, c.Name, c.State = id, "web", state })
	}
	renamed := func(name string, state engine.State) *engine.Container {
		return alter(func(c *engine.Container) { c.ID, c.Name, c.State = "a1", name, state })
	}
	up := []*engine.Container{web("a1", engine.Running)}
	for name, moments := range map[string][]moment{
		"of one that is stopped": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, up, "", "a1 web 15\n"},
			{30 * time.Second, []*engine.Container{web("a1", engine.Exited)}, "", "a1 web 15\n"},
			{5*time.Minute + 14*time.Second, []*engine.Container{web("a1", engine.Exited)}, "", "a1 web 15\n"},
			{5*time.Minute + 15*time.Second, []*engine.Container{web("a1", engine.Exited)}, "", ""},
			{5*time.Minute + 16*time.Second, []*engine.Container{web("a1", engine.Exited)}, "", ""},
		},
		"of one that is removed": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, nil, "", "a1 web 0\n"},
			{4 * time.Minute, nil, "", "a1 web 0\n"},
			{6 * time.Minute, nil, "", ""},
		},
		"but not of one that was created anew under its name": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, []*engine.Container{web("b2", engine.Created)}, "", "a1 web 0\n"},
			{30 * time.Second, []*engine.Container{web("b2", engine.Running)}, "", "b2 web 30\n"},
			{45 * time.Second, []*engine.Container{web("b2", engine.Exited)}, "", "b2 web 30\n"},
			{6 * time.Minute, nil, "", ""},
		},
		"and then as before if it is started again": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, []*engine.Container{web("a1", engine.Restarting)}, "", "a1 web 0\n"},
			{30 * time.Second, up, "", "a1 web 30\n"},
		},
		"but not of one that runs and cannot be read any more": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, up, "a1", ""},
			{30 * time.Second, up, "", "a1 web 30\n"},
		},
		"but not if another of its name runs and cannot be read": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, []*engine.Container{web("b2", engine.Running)}, "b2", ""},
			{30 * time.Second, []*engine.Container{web("b2", engine.Exited)}, "", ""},
		},
		"but not under a name that a running container had": {
			{0, up, "", "a1 web 0\n"},
			{15 * time.Second, []*engine.Container{renamed("old", engine.Running)}, "", "a1 old 15\n"},
			{30 * time.Second, []*engine.Container{renamed("old", engine.Exited)}, "", "a1 old 15\n"},
		},
		"of each of several": {
			{0, []*engine.Container{web("a1", engine.Running), token()}, "", "4f1d token 0\na1 web 0\n"},
			{15 * time.Second, []*engine.Container{token()}, "", "4f1d token 15\na1 web 0\n"},
			{30 * time.Second, nil, "", "4f1d token 15\na1 web 0\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var now moment
				c := newUsageCollector(t, func() (*engine.Snapshot, error) { return snapshot(now.containers...), nil },
					reader(func(at time.Time, p *engine.Snapshot) *stats.Reading {
						r := &stats.Reading{At: at, Containers: map[string]*stats.Usage{}}
						for _, c := range p.Containers {
							if c.Alive() && c.ID != now.unreadable {
								r.Containers[c.ID] = &stats.Usage{Path: "/docker/" + c.ID}
							}
						}
						return r
					}))
				for _, now = range moments {
					time.Sleep(now.at - time.Since(began))
					if diff := cmp.Diff(now.want, lastSeen(t, c.Gather, began)); diff != "" {
						t.Errorf("after %s: %s", now.at, diff)
					}
				}
			})
		})
	}
}

// TestLastSeenOfOneThatEndsBetweenTwoScrapesOfOneReading: the snapshot is newer than the
// reading, which still has what the container used.
func TestLastSeenOfOneThatEndsBetweenTwoScrapesOfOneReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := snapshot(token())
		r := &stats.Reading{At: began, Containers: map[string]*stats.Usage{"4f1d": plain()}}
		c := newUsageCollector(t, func() (*engine.Snapshot, error) { return p, nil },
			reader(func(time.Time, *engine.Snapshot) *stats.Reading { return r }))
		if got := seriesOf(t, c, "container_memory_rss"); got == "" {
			t.Error("nothing of a container that runs")
		}
		p = snapshot(alter(func(c *engine.Container) { c.State = engine.Exited }))
		if got := seriesOf(t, c, "container_memory_rss"); got != "" {
			t.Error("of a container that is down:", got)
		}
		if diff := cmp.Diff("4f1d token 0\n", lastSeen(t, c.Gather, began)); diff != "" {
			t.Error(diff)
		}
	})
}

// lastSeen returns the ID and name of each container that is gathered as container_last_seen,
// and when that was, in seconds since a beginning. They are sorted.
func lastSeen(t *testing.T, gather prometheus.GathererFunc, began time.Time) string {
	t.Helper()
	var lines []string
	families, err := gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "container_last_seen" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			seen := m.GetGauge().GetValue() - float64(began.Unix())
			lines = append(lines, fmt.Sprintf("%s %s %v\n", strings.TrimPrefix(labels["id"], "/docker/"), labels["name"], seen))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
