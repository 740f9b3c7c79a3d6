package world

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"defib/restarter"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Standing is what the newest report says of a name.
func (w *World) Standing(name string) restarter.ContainerStatus {
	w.t.Helper()
	for _, s := range w.Report().Containers {
		if s.Container.Name == name {
			return s
		}
	}
	w.t.Fatalf("the report does not speak of %s", name)
	return restarter.ContainerStatus{}
}

// Streak is what the metric says of a name; -1 if nothing.
func (w *World) Streak(name string) int {
	for _, s := range w.Report().Containers {
		if s.Container.Name == name {
			return s.Streak
		}
	}
	return -1
}

// WantHeld checks the reason why a container is left alone; "" is none.
func (w *World) WantHeld(name string, want outcome.Reason) {
	w.t.Helper()
	if got := w.Standing(name).Reason; got != want {
		w.t.Errorf("%s is held for %q, want %q", name, got, want)
	}
}

// Gather returns what a collector exposes under one name; nil if that is nothing.
func Gather(t *testing.T, c prometheus.Collector, name string) *dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f
		}
	}
	return nil
}

// Recoveries returns what defib_recovery_seconds says of a trigger.
func (w *World) Recoveries(t *testing.T, trigger policy.Trigger) (count uint64, sum float64) {
	t.Helper()
	for _, m := range Gather(t, w.Restarter, "defib_recovery_seconds").GetMetric() {
		if m.GetLabel()[0].GetValue() == string(trigger) {
			h := m.GetHistogram()
			return h.GetSampleCount(), h.GetSampleSum()
		}
	}
	t.Fatalf("no histogram for the trigger %s", trigger)
	return 0, 0
}

// Value is what one of the Restarter's own metrics says, such as defib_hold_file_broken.
func (w *World) Value(metric string) float64 {
	w.t.Helper()
	f := Gather(w.t, w.Restarter, metric)
	if f == nil {
		w.t.Fatalf("there is no metric %s", metric)
	}
	return f.GetMetric()[0].GetGauge().GetValue()
}

// Count is what a counter says of a container and a trigger, such as
// defib_restarts_total, or a step, such as defib_recreation_failures_total; 0 if it says nothing.
func (w *World) Count(metric, name string, trigger policy.Trigger) float64 {
	w.t.Helper()
	for _, m := range Gather(w.t, w.Counts(), metric).GetMetric() {
		if l := m.GetLabel(); l[0].GetValue() == name && l[1].GetValue() == string(trigger) {
			return m.GetCounter().GetValue()
		}
	}
	return 0
}
