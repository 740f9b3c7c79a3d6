package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// healedByMemory is the container label by which HealContainerMemory heals.
const healedByMemory = "heal.memory"

// TestLeakIsHealedBeforeTheKernelKills has a container leak up to its limit, with the
// bundled rules, Prometheus and Alertmanager between it and Defib. Beside it another one
// does the same without the label, which shows that the kernel would have killed it.
func TestLeakIsHealedBeforeTheKernelKills(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	const (
		pending = 4 * time.Second
		limit   = 256 // MiB
		held    = 224 // at the start; the rule wants more than 90 %, which are 230.4
		rate    = 512 // KiB a second: up to the rule's limit in 13 s, to the kernel's in 64 s
	)
	leaking := func(held, rate int, labels map[string]string) harness.Spec {
		return harness.Spec{
			Args:   []string{fmt.Sprint("-hold=", held), fmt.Sprint("-leak=", rate)},
			Labels: labels,
			Host:   func(h *container.HostConfig) { h.Memory, h.MemorySwap = limit*mib, limit*mib },
		}
	}
	s := harness.NewEnv(t, harness.SharedEngine(t))
	r := harness.NewRelay(t)
	leaks, unlabelled := s.Create("leaks", leaking(held, rate, map[string]string{healedByMemory: "true"})), s.Create("unlabelled", leaking(held, 4*rate, nil))
	d := s.Defib(harness.Whitelist(leaks, unlabelled), r.Token(), hasty, harness.Resources,
		"--collector.container-labels="+healedByMemory, "--restart.triggers=alert")
	r.ForwardTo(d)
	d.Prometheus(harness.File(t, "healing.yml", harness.Edited(t, "alerts/healing.yml", "for: 1m", fmt.Sprint("for: ", pending))), r.Alertmanager())

	killed := harness.Series("docker_container_oom_killed", "name", leaks.Name)
	unlabelled.Start()
	leaks.Start()
	leaks.AwaitAlive()
	begun := leaks.StartedAt()
	var most float64
	harness.Eventually(t, "it to be restarted", func() bool {
		found := d.Current()
		if found[killed] != 0 {
			t.Fatalf("%s is %v", killed, found[killed])
		}
		most = max(most, found.UsageOf(leaks.Name).Values["memory_working_set_bytes"])
		return len(leaks.Times("start")) > 1
	})
	restarted := leaks.AwaitEvents("start", 2)[1]
	fired := r.Await(1, "about the leak", func(p harness.Delivery) bool {
		return p.Firing() && p.Alerts[0].Labels["alertname"] == "HealContainerMemory"
	})
	d.AwaitLine(1, "container restarted", "container", leaks.Name, "trigger", "alert")
	after := func(at time.Time) string { return fmt.Sprintf("+%.1fs", at.Sub(begun).Seconds()) }
	t.Logf("leak begins %s, alert fires %s, delivered %s, restarted %s; the working set was %.0f of %d MiB at most",
		begun.Format("15:04:05.000"), after(fired.Alerts[0].StartsAt), after(fired.At), after(restarted), most/mib, limit)

	died := unlabelled.AwaitEvents("die", 1)[0]
	t.Logf("the one without the label leaks four times as fast, and was killed %s after it had begun", after(died))
	d.AwaitValue(harness.Series("docker_container_exit_code", "name", unlabelled.Name), 137) // else this test tests nothing
	for _, delivery := range r.Deliveries() {
		for _, a := range delivery.Alerts {
			if a.Labels["alertname"] == "HealContainerMemory" && a.Labels["name"] != leaks.Name {
				t.Errorf("an alert about a container without the label: %v", a)
			}
		}
	}
	if n := len(leaks.Times("oom")); n > 0 || leaks.Inspect().OOMKilled {
		t.Errorf("the kernel killed it all the same: %d times by the engine's events", n)
	}
	leaks.StartedTimes(2)
	anew := awaitUsage(d, leaks, "anew", isRead) // a reading that is shared may be of before its start
	if v, there := anew.Values["oom_events_total"]; !there || v != 0 {
		t.Errorf("container_oom_events_total is %s", harness.Written(v, there))
	}
	d.Shows(harness.Series("docker_container_exit_code", "name", leaks.Name), 0) // a stop: it was not killed
	d.Shows(killed, 0)
}
