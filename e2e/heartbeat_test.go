package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"defib/e2e/harness"
)

// strip is what the status API says of the last 24 hours of a container.
type strip struct {
	State     string // of the container
	Cells     string
	UpPercent *float64 `json:"up_percent"`
}

// strips returns them by the names of the containers.
func strips(d *harness.Defib) map[string]strip {
	d.Helper()
	var status struct {
		Containers []struct {
			Name, State string
			Heartbeat   strip
		}
	}
	_, body, err := d.Get("/api/v1/status")
	if err == nil {
		err = json.Unmarshal([]byte(body), &status)
	}
	if err != nil {
		d.Fatal(err)
	}
	all := map[string]strip{}
	for _, c := range status.Containers {
		c.Heartbeat.State = c.State
		all[c.Name] = c.Heartbeat
	}
	return all
}

// showsStrip waits until a container is in a state, and the worst that its strip shows is
// this. Percent checks the percentage, which is nil if there is none.
func showsStrip(d *harness.Defib, b *harness.Container, state, worst string, percent func(*float64) bool) {
	d.Helper()
	var got strip
	defer func() {
		if d.Failed() {
			d.Logf("%s was last %+v", b.Name, got)
		}
	}()
	harness.Eventually(d, b.Name+" to be shown as "+state+", and "+worst+" at the worst", func() bool {
		got = strips(d)[b.Name]
		letters := strings.Split(got.Cells, "")
		slices.SortFunc(letters, func(a, b string) int { return strings.Index("?ouhd", a) - strings.Index("?ouhd", b) })
		return got.State == state && len(letters) == 96 && letters[95] == worst && percent(got.UpPercent)
	})
}

func always(p *float64) bool  { return p != nil && *p == 100 }
func atTimes(p *float64) bool { return p != nil && *p > 0 && *p < 100 }
func never(p *float64) bool   { return p == nil }

func TestADeathThatIsHealedStaysInTheStrip(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b, quiet := s.Run("web", harness.Spec{Args: []string{"-code=3"}}), s.Run("quiet", harness.Spec{})
	created := s.Create("created", harness.Spec{})
	d := s.Defib(harness.Whitelist(b, quiet), harness.Never)
	showsStrip(d, b, "running", "u", always)
	b.Crash()
	b.AwaitEvents("start", 2)
	showsStrip(d, b, "running", "d", atTimes)
	showsStrip(d, quiet, "running", "u", always)
	showsStrip(d, created, "created", "o", never)
}

func TestAStripHasNoDeathsThatSomebodyMeant(t *testing.T) {
	harness.DockerOnly(t, harness.NoKillEvents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	restarted, stopped, killed, job := s.Run("restarted", harness.Spec{}), s.Run("stopped", harness.Spec{}), s.Run("killed", harness.Spec{}), s.Run("job", harness.Spec{})
	d := s.Defib()
	stopped.Stop()
	killed.Kill("SIGKILL")
	job.Crash() // with exit code 0
	restarted.Restart()
	restarted.AwaitEvents("start", 2)
	showsStrip(d, stopped, "exited", "u", always)
	showsStrip(d, killed, "exited", "u", always)
	showsStrip(d, job, "exited", "u", always)
	showsStrip(d, restarted, "running", "u", always)
}
