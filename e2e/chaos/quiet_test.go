package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// quiet lets everything come to rest, and holds what Defib shows then against
// what there is.
func (c *chaos) quiet() {
	c.Helper()
	begun := time.Now()
	c.settle()
	c.compare()
	c.account()
	c.Logf("quiet after %v", time.Since(begun).Round(time.Millisecond))
	c.judge()
}

// settle repairs what no Defib can, and waits until Defib has done the rest:
// whatever is listed runs in the end.
func (c *chaos) settle() {
	c.Helper()
	_, slowest := c.proxy.Mutations()
	bound := forgottenAfter + 30*time.Second + 30*slowest
	deadline := time.Now().Add(bound)
	for {
		var amiss []*role
		var why []string
		held := c.held()
		for _, x := range c.roles {
			if what := c.repair(x, held[c.name(x)]); what != "" {
				amiss, why = append(amiss, x), append(why, x.suffix+" "+what)
			}
		}
		left := c.leftovers()
		if len(amiss) == 0 && len(left) == 0 {
			return
		}
		if c.wedged {
			c.wedged = false
			c.restartEngine(syscall.SIGKILL)
			deadline = time.Now().Add(bound)
			continue
		}
		if time.Now().After(deadline) {
			j := c.judgeNow()
			for i, x := range amiss {
				j.violation(x.id, "after %v of quiet: %s", bound, why[i])
			}
			for _, one := range left {
				j.book.violation("violation: after %v of quiet: %s", bound, one)
			}
			return
		}
		time.Sleep(time.Second / 2)
	}
}

// repair does for a role's container what is not Defib's to do, and says what is
// still wrong with it.
func (c *chaos) repair(x *role, held string) (wrong string) {
	ctx, cancel := context.WithTimeout(c.Context(), harness.Limit)
	defer cancel()
	if x.follows {
		c.meet(ctx, x)
	}
	s, err := c.Engine.ContainerInspect(ctx, x.id)
	switch {
	case x.lost || x.parent != nil && x.parent.lost: // nor can anybody start what shares its network
		return ""
	case c.following && x.follows && (errdefs.IsNotFound(err) || err == nil && s.Name != "/"+c.name(x)):
		if !c.passing(ctx, x) {
			c.book.violation("violation: %s is lost", x.suffix)
			return said("lost", c.do(x, "create", func(ctx context.Context) error { return c.create(ctx, x) }))
		}
		return "is being created anew"
	case c.following && x.follows && x.parentID != x.parent.id && err == nil:
		return fmt.Sprintf("is %s in the network of what is gone, held as %q", s.State.Status, held)
	case errdefs.IsNotFound(err):
		x.looping = false
		// A creation that was not answered may have come about all the same.
		_ = c.Engine.ContainerRemove(ctx, c.name(x), container.RemoveOptions{Force: true})
		return said("missing", c.do(x, "create", func(ctx context.Context) error { return c.create(ctx, x) }))
	case err != nil:
		// An engine of 20.10 that was ended in the midst of a start may hold the lock of
		// the container indefinitely. Only its own end helps.
		c.wedged = c.wedged || errors.Is(err, context.DeadlineExceeded)
		return err.Error()
	case x.looping || x.parent != nil && x.parentID != x.parent.id || s.State.Dead || spoiltError.MatchString(s.State.Error) || isForgotten(s) && (!x.listed || held == "engine_restarting"):
		x.looping = false
		err := c.do(x, "recreate", func(ctx context.Context) error { return c.recreate(ctx, x) })
		x.lost = err != nil && lostError.MatchString(err.Error())
		return said("another", err)
	case x.stray && x.renamed:
		return said("astray", c.do(x, "rename back", func(ctx context.Context) error { return c.rename(ctx, x) }))
	case s.State.Paused:
		return said("paused", c.do(x, "unpause", func(ctx context.Context) error { return c.Engine.ContainerUnpause(ctx, x.id) }))
	case x.unborn:
		return ""
	}
	if x.dir != "" {
		if err := os.MkdirAll(x.dir, 0o755); err != nil {
			return err.Error()
		}
	}
	switch {
	case s.State.Status != container.StateRunning:
		wrong = fmt.Sprintf("is %s, held as %q", s.State.Status, held)
		if c.following && x.follows { // nobody else has done anything to it
			return wrong
		}
		if !x.listed && s.State.Status != container.StateRestarting || slices.Contains([]string{"stopped", "finished", "created"}, held) {
			err := c.do(x, "start in the quiet", func(ctx context.Context) error { return start(ctx, c.fleet, x) })
			if err != nil { // the engine has spoilt it
				err = c.do(x, "recreate", func(ctx context.Context) error { return c.recreate(ctx, x) })
			}
			return said(wrong, err)
		}
		return wrong
	case x.orphaned(ctx, c.fleet, s):
		wrong = fmt.Sprintf("has lost its network, held as %q", held)
	case s.State.Health != nil && s.State.Health.Status == container.Unhealthy:
		wrong = fmt.Sprintf("is unhealthy, held as %q", held)
	default:
		return ""
	}
	if slices.Contains(c.leftToPeople(), held) {
		return said(wrong, c.do(x, "restart in the quiet", func(ctx context.Context) error { return restart(ctx, c.fleet, x) }))
	}
	return wrong
}

// lostError is what an engine of 20.10 says that cannot remove a container, and never will: it
// has lost count of its own mounts, or was killed and waits for the end of what ended before.
var lostError = regexp.MustCompile(`device or resource busy|did not receive an exit event`)

// spoiltError is what an engine of 20.10 says that was ended in the midst of a start:
// nobody can start the container any more. One that was being removed is dead.
var spoiltError = regexp.MustCompile(`already exists|file exists|already in use`)

// forgottenAfter is twice as long as a restart policy waits at most.
const forgottenAfter = 2 * time.Minute

// isForgotten reports whether an engine that was killed has left a container
// restarting indefinitely, as 20.10 may. A start of it is answered 304, a restart 500,
// and neither does anything.
func isForgotten(s container.InspectResponse) bool {
	ended, err := time.Parse(time.RFC3339Nano, s.State.FinishedAt)
	return err == nil && s.State.Restarting && time.Since(ended) > forgottenAfter
}

// leftToPeople are the reasons for which Defib does not restart what runs, though
// it is unhealthy.
func (c *chaos) leftToPeople() []string { return []string{"gave_up", "rate_limited"} }

func said(what string, err error) string {
	if err != nil {
		return what + ": " + err.Error()
	}
	return what
}

// orphaned reports whether the network that the container lives in is another by
// now.
func (x *role) orphaned(ctx context.Context, f *fleet, s container.InspectResponse) bool {
	if x.parent == nil {
		return false
	}
	p, err := f.Engine.ContainerInspect(ctx, x.parent.id)
	return err == nil && started(p).After(started(s))
}

func started(s container.InspectResponse) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s.State.StartedAt)
	if err != nil {
		return time.Time{}
	}
	return at
}

var heldOf = regexp.MustCompile(`[{,]name="([^"]*)",reason="([^"]*)"`)

// held is why Defib leaves containers alone, by name.
func (c *chaos) held() map[string]string {
	reasons := map[string]string{}
	for _, key := range c.scraped().WithPrefix("defib_container_held{") {
		if m := heldOf.FindStringSubmatch(key); m != nil {
			reasons[m[1]] = m[2]
		}
	}
	return reasons
}

// scraped is what Defib shows now.
func (c *chaos) scraped() harness.Samples {
	c.Helper()
	d, _ := c.current()
	return d.Scrape()
}

// compare holds the snapshot against the engine's list: law 5.
func (c *chaos) compare() {
	c.Helper()
	d, _ := c.current()
	// What the engine changes without an event is found within one resync.
	bound := 2*time.Second + resync + c.judgeNow().grace()
	ctx, cancel := context.WithTimeout(c.Context(), harness.Limit)
	defer cancel()
	var diff string
	begun := time.Now()
	for time.Since(begun) < bound {
		all, err := c.List(ctx)
		if err != nil {
			c.Fatal(err)
		}
		want := map[string]string{}
		for _, one := range all {
			state := one.State
			if state == container.StateRemoving { // which Docker's list goes on saying of a removal that has failed
				if now, err := c.Engine.ContainerInspect(ctx, one.ID); err == nil {
					state = now.State.Status
				}
			}
			want[strings.TrimPrefix(one.Names[0], "/")] = one.ID + " " + state
		}
		if diff = cmp.Diff(want, d.Shown(c.Prefix)); diff == "" && len(want) == len(c.roles) {
			c.meter.matched(time.Since(begun))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.book.violation("law 5: the snapshot (+) did not equal the engine's list (-) after %v of quiet:\n%s", bound, diff)
}

// scrapeOn scrapes until stop is closed: no scrape ever fails (law 8), and none
// shows a container while there is no engine (law 6).
func (c *chaos) scrapeOn(stop <-chan struct{}) {
	for !harness.Pause(stop, 250*time.Millisecond) {
		d, life := c.current()
		if d == nil || d.URL == "" {
			continue
		}
		begun := time.Now()
		status, body, err := d.Get("/metrics")
		ended := time.Now()
		if _, now := c.current(); now != life || !d.Alive() {
			continue
		}
		c.meter.scraped(ended.Sub(begun))
		found, bad := harness.Samples{}, err
		if err == nil {
			found, bad = harness.Parse(body)
		}
		if bad != nil || status != http.StatusOK {
			if d2, _ := c.current(); d2 == d { // else it was ended meanwhile
				c.book.violation("law 8: a scrape failed at %s: %d, %v", begun.Format("15:04:05.000"), status, bad)
			}
			continue
		}
		shown := len(found.WithPrefix("docker_container_")) + len(found.WithPrefix("defib_container_"))
		switch up := found["docker_up"]; {
		case up == 0 && shown > 0:
			c.book.violation("law 6: %d series of containers while docker_up is 0, at %s", shown, begun.Format("15:04:05.000"))
		case up == 1 && c.book.absent(begun, ended):
			c.book.violation("law 6: docker_up is 1 without an engine, at %s", begun.Format("15:04:05.000"))
		}
	}
}

var nameOf = regexp.MustCompile(`[{,]name="([^"]*)"`)

// account holds what Defib takes, at rest, against what it took when its life
// began: law 10.
func (c *chaos) account() {
	c.Helper()
	d, life := c.current()
	ctx, cancel := context.WithTimeout(c.Context(), harness.Limit)
	defer cancel()
	all, err := c.List(ctx)
	if err != nil {
		c.Fatal(err)
	}
	names := map[string]bool{}
	for _, one := range all {
		names[strings.TrimPrefix(one.Names[0], "/")] = true
	}
	var found harness.Samples
	harness.Eventually(c, "the calls of the storm to be over", func() bool {
		found = d.Scrape()
		return c.meter.within(life, found)
	})
	for _, key := range slices.Sorted(maps.Keys(found)) {
		m := nameOf.FindStringSubmatch(key)
		counts := strings.Contains(strings.SplitN(key, "{", 2)[0], "_total") // which stay for a while
		if m != nil && !counts && !names[m[1]] {
			c.book.violation("law 10: %s is shown, and there is no such container", key)
		}
	}
	c.meter.take(life, found)
}
