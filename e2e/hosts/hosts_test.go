package hosts

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

const (
	// names is how many names of containers both hosts have: for more that are restarted
	// within 5 minutes DefibRestartStorm would fire.
	names = 10
	// ripe is how long a container is up before it becomes unhealthy: for webhook.min-uptime
	// in Defib's eyes, too. By default that is longer than it can take until what a Prometheus
	// saw before a restart has come by way of the second Alertmanager.
	ripe = time.Minute + 5*time.Second
	// lost is after how long an alert has not been delivered that only repeat_interval, which
	// is 10 minutes, would bring again.
	lost = 5 * time.Minute
)

var failures = flag.Int("hosts.failures", names, fmt.Sprintf("how often containers of each host become unhealthy, a multiple of %d", names))

// host is an engine with a Defib.
type host struct {
	*harness.Env
	called, ip string
	containers []*harness.Container
	defib      *harness.Defib
}

// story is what befalls two hosts.
type story struct {
	testing.TB
	hosts         []*host
	prometheuses  []*harness.Server
	alertmanagers []*harness.Alertmanager
	took          []time.Duration // from sick to restarted
}

// TestEachHostHealsItsOwnOnce has containers of the same names on two hosts become unhealthy
// while one of two Alertmanagers, or of two Prometheus servers, is killed: each is restarted
// once, where it is.
func TestEachHostHealsItsOwnOnce(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	if *failures < names || *failures%names != 0 {
		t.Fatalf("-hosts.failures=%d: want a multiple of %d", *failures, names)
	}
	engines := []*harness.Engine{harness.PrivateEngine(t), harness.PrivateEngine(t)}
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			if minor := harness.AlertmanagerVersion(t); minor < v.since {
				t.Skipf("Alertmanager 0.%d has no templated URLs: it takes 0.%d", minor, v.since)
			}
			s := newStory(t, engines, v)
			for round := range *failures / names {
				s.half(round, 0, s.alertmanagers[round/2%2].Server)
				s.half(round, names/2, s.prometheuses[round/2%2])
			}
			s.judge()
		})
	}
}

func newStory(t *testing.T, engines []*harness.Engine, v variant) *story {
	t.Helper()
	s := &story{TB: t}
	for i, called := range []string{"alpha", "beta"} {
		h := &host{Env: harness.NewEnv(t, engines[i]), called: called, ip: harness.Loopback()}
		if i > 0 {
			h.Prefix = s.hosts[0].Prefix
		}
		for n := range names {
			h.containers = append(h.containers, h.Run(fmt.Sprint("web-", n), harness.SeldomChecked()))
		}
		s.hosts = append(s.hosts, h)
	}
	f := newFolder(t, s.hosts, v)
	for i, h := range s.hosts {
		h.defib = f.defib(h, v, v.tokens[i])
	}
	s.alertmanagers = f.alertmanagers()
	for _, replica := range []string{"a", "b"} {
		s.prometheuses = append(s.prometheuses, f.prometheus(replica, s.alertmanagers))
	}
	return s
}

// half has half of the containers of either host become unhealthy, of one name not at the
// same time. The victim is killed when the first has been restarted, while others are on
// their way. It is started again when all have been; in every second round at once, as by
// systemd.
func (s *story) half(round, from int, victim *harness.Server) {
	s.Helper()
	var sick []*harness.Container
	for i := range names / 2 {
		sick = append(sick, s.hosts[0].containers[from+i], s.hosts[1].containers[(from+i+names/2)%names])
	}
	s.awaitRipe(sick)
	begun := time.Now()
	early, late := sick[:names/2], sick[names/2:]
	for _, b := range early {
		b.Exec("/testapp", "-sicken")
	}
	s.await("the first restart", func() bool {
		return slices.ContainsFunc(early, func(b *harness.Container) bool { return len(b.Times("start")) > round+1 })
	})
	victim.Kill()
	for _, b := range late {
		b.Exec("/testapp", "-sicken")
	}
	if round%2 == 1 {
		victim.Again()
	}
	for _, b := range sick {
		s.await(b.Name+" to be healthy again", func() bool { return len(b.Times("health_status: healthy")) > round+1 })
		s.took = append(s.took, b.AwaitEvents("start", round+2)[round+1].Sub(b.AwaitEvents("health_status: unhealthy", round+1)[round]))
	}
	s.Logf("round %d: %d containers were healed in %.1fs, where %s was killed", round+1, len(sick), time.Since(begun).Seconds(), victim.URL)
	if round%2 == 0 {
		victim.Again()
	}
}

// await waits for what an alert brings about.
func (s *story) await(what string, ok func() bool) {
	s.Helper()
	harness.EventuallyWithin(s, lost, what, ok)
}

// awaitRipe waits until the containers may be restarted for an alert, and no alert of before
// fires.
func (s *story) awaitRipe(of []*harness.Container) {
	s.Helper()
	harness.EventuallyWithin(s, 2*ripe, "the containers to be up for long enough", func() bool {
		return !slices.ContainsFunc(of, func(b *harness.Container) bool {
			starts := b.Times("start")
			return len(starts) == 0 || time.Since(starts[len(starts)-1]) < ripe
		})
	})
	for _, a := range s.alertmanagers {
		s.await("the alerts to be over", func() bool {
			text, err := a.Ask(http.MethodGet, "/api/v2/alerts?filter=heal%3Drestart", nil)
			return err == nil && strings.TrimSpace(text) == "[]"
		})
	}
}

// expected are the outcomes that a story may have. A Prometheus server that scrapes later
// than the other may have its alert fire when the container has been restarted already, which
// is too young then. On a slow machine the engine may for a moment seem to be unavailable.
var expected = []string{"restarted", "already_restarted", "in_progress", "too_young", "engine_unavailable", "resolved"}

// judge goes by what the engines announced, by what Defib says that it did, and by its
// answers.
func (s *story) judge() {
	s.Helper()
	rounds := *failures / names
	for _, h := range s.hosts {
		for _, b := range h.containers {
			h.defib.Logged(rounds, "container restarted", "container", b.Name, "trigger", "alert")
			if !healedInTurn(b, rounds) {
				for _, line := range h.defib.Find("alert answered", "container", b.Name) {
					s.Log(line.Text)
				}
			}
		}
		answers := map[string]int{}
		for _, line := range h.defib.Find("alert answered") {
			answers[line.Str("outcome")]++
			if !slices.Contains(expected, line.Str("outcome")) {
				s.Errorf("%s answered %s", h.called, line.Text)
			}
		}
		s.Logf("%s: %d containers became unhealthy %d times each; its answers were %v", h.called, names, rounds, answers)
	}
	slices.Sort(s.took)
	s.Logf("from unhealthy to restarted: median %.1fs, %.1fs at most", s.took[len(s.took)/2].Seconds(), s.took[len(s.took)-1].Seconds())
}

// healedInTurn checks that a container became unhealthy so often, and that each time it was
// started anew before the next, and never else.
func healedInTurn(b *harness.Container, times int) bool {
	b.Helper()
	sick, starts := b.Times("health_status: unhealthy"), b.Times("start")
	ok := len(sick) == times && len(starts) == 1+times
	for i := 0; ok && i < times; i++ {
		ok = sick[i].Before(starts[i+1]) && (i+1 == times || starts[i+1].Before(sick[i+1]))
	}
	if !ok {
		b.Errorf("%s was unhealthy at %v, and started at %v: want %d times, and one start after each", b.Name, sick, starts, times)
	}
	return ok
}
