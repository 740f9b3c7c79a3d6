package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

const (
	deaths      = 30 // measured for the time to the start request
	firstDeaths = 15 // measured for the time to running again
	population  = 100
	scrapes     = 100
)

// BenchmarkBudgets measures what design.md promises, each beside what it is
// compared with, in one run on one engine, and prints one table:
//
//	go test -run '^$' -bench Budgets ./e2e
func BenchmarkBudgets(b *testing.B) {
	var t table
	for range b.N {
		t = table{}
		b.Run("deaths", func(b *testing.B) { measureDeaths(b, &t) })
		b.Run("scrapes", func(b *testing.B) { measureScrapes(b, &t) })
	}
	if !b.Failed() {
		t.print(os.Stdout)
	}
}

// table is what was measured, in the order it was.
type table []row

type row struct {
	what     string
	measured float64
	unit     string
	beside   string // what it stands beside
	other    float64
	budget   string
	bound    float64 // the budget in the unit; 0: none
}

func (t table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nwhat\tmeasured\tbeside\t\tratio\tbudget\t")
	for _, r := range t {
		other, ratio, verdict := "", "", ""
		if r.beside != "" {
			other, ratio = fmt.Sprintf("%.2f %s", r.other, r.unit), fmt.Sprintf("%.2f", r.measured/r.other)
		}
		switch {
		case r.bound == 0:
		case r.measured <= r.bound:
			verdict = "kept"
		default:
			verdict = fmt.Sprintf("missed by %.2f %s", r.measured-r.bound, r.unit)
		}
		fmt.Fprintf(tw, "%s\t%.2f %s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.measured, r.unit, r.beside, other, ratio, r.budget, verdict)
	}
	fmt.Fprintln(tw)
	tw.Flush()
}

// series of measurements in milliseconds.
type times []float64

func (t *times) add(d time.Duration) { *t = append(*t, float64(d)/float64(time.Millisecond)) }

func (t times) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (t times) median() float64 { return t.quantile(0.5) }

// measureDeaths lets containers die: healed by Defib, by the engine itself, and
// by nobody, turn by turn so that all meet the same machine.
func measureDeaths(b *testing.B, t *table) {
	s := newScene(b, sharedEngine(b))
	p := newProxy(b, s.engine)
	d := startDefib(b, p.host(), "--restart.whitelist="+s.prefix+"healed-*", "--log.level=info")
	d.ready()
	var asked, healed, inspected, own times
	for i := range deaths + 1 {
		mortal := spec{args: []string{"-after=300ms", "-code=1"}}

		h := s.create(fmt.Sprint("healed-", i), mortal)
		h.start()
		back := h.awaitEvents("start", 2)[1]
		died, seen := p.deathPassed(h.id)
		starts := p.starts(h.id)
		if !seen || len(starts) == 0 {
			b.Fatal("the proxy did not see the death or the start request")
		}
		wait, again := starts[0].Sub(died), back.Sub(h.times("die")[0])
		h.remove()

		n := s.create(fmt.Sprint("nobody-", i), mortal)
		inspect := n.inspectOnDeath()
		n.remove()

		if i == 0 {
			continue // the first warms up
		}
		asked.add(wait)
		healed.add(again)
		inspected.add(inspect)
		if i <= firstDeaths {
			mortal.restart = container.RestartPolicyAlways
			o := s.create(fmt.Sprint("own-", i), mortal)
			o.start()
			o.awaitEvents("die", 1)
			own.add(o.awaitEvents("start", 2)[1].Sub(o.times("die")[0]))
			o.remove()
		}
	}
	healed = healed[:firstDeaths]
	*t = append(*t,
		row{"die received to start request, median", asked.median(), "ms", "an inspect asked on die, median", inspected.median(), "inspect + 2 ms", inspected.median() + 2},
		row{"die received to start request, p99", asked.quantile(0.99), "ms", "an inspect asked on die, p99", inspected.quantile(0.99), "inspect + 2 ms", inspected.quantile(0.99) + 2},
		row{"first death to running again, median", healed.median(), "ms", "the engine's own --restart always, median", own.median(), "sooner", own.median()},
	)
}

// inspectOnDeath starts the container and times an inspect that is asked the
// moment its death is announced, when the engine still holds its lock.
func (b *box) inspectOnDeath() time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	messages, errs := b.engine.Events(ctx, events.ListOptions{
		// A replay, so that a subscription that comes late does not wait in vain.
		Since:   strconv.FormatInt(time.Now().Unix(), 10),
		Filters: filters.NewArgs(filters.Arg("container", b.id), filters.Arg("event", "die")),
	})
	b.start()
	select {
	case <-messages:
	case err := <-errs:
		b.Fatal("waiting for a death:", err)
	}
	begun := time.Now()
	if _, err := b.engine.ContainerInspect(ctx, b.id); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

func measureScrapes(b *testing.B, t *table) {
	s := newScene(b, sharedEngine(b))
	// Most have run and finished: what was only created has no times to show,
	// and is looked at again and again.
	for i := range population {
		p := spec{args: []string{"-after=1ms"}}
		if i%20 == 0 {
			p = spec{}
		}
		s.create(fmt.Sprintf("crowd-%03d", i), p).start()
	}
	watching := func(host string) *defib {
		d := startDefib(b, host, "--restart.whitelist="+s.prefix+"*", "--restart.policy=on-failure",
			"--docker.resync-interval=1h", "--log.level=info")
		d.ready()
		eventually(b, "everybody to be in the picture", func() bool { return len(d.shown(s.prefix)) == population })
		return d
	}
	d := watching(s.engine.host)
	_, text, err := d.get("/metrics")
	if err != nil {
		b.Fatal(err)
	}
	metrics, err := keep(text)
	if err != nil {
		b.Fatal(err)
	}
	bare := startBare(b, text)

	var ours, theirs, pings times
	for i := range scrapes + 5 {
		mine, other := scrapeTime(b, d.base+"/metrics"), scrapeTime(b, bare)
		if i >= 5 { // the first ones warm up
			ours.add(mine)
			theirs.add(other)
		}
	}
	for range scrapes {
		at := time.Now()
		if _, err := s.engine.Ping(b.Context()); err != nil {
			b.Fatal(err)
		}
		pings.add(time.Since(at))
	}
	// Another Defib for the calls: a proxy on the way would cost the first time.
	p := newProxy(b, s.engine)
	counted := watching(p.host())
	begun := time.Now()
	for range scrapes {
		scrapeTime(b, counted.base+"/metrics")
	}
	calls := slices.DeleteFunc(p.calls(begun), func(r request) bool { return strings.HasSuffix(r.path, "/images/json") }) // as at every start
	about := fmt.Sprintf("client_golang, %d kept metrics and its own collectors", len(metrics))
	*t = append(*t,
		row{fmt.Sprintf("scrape of %d containers, median", population), ours.median(), "ms", about + ", median", theirs.median(), "beside + 20 %", theirs.median() * 1.2},
		row{fmt.Sprintf("scrape of %d containers, p99", population), ours.quantile(0.99), "ms", about + ", p99", theirs.quantile(0.99), "", 0},
		row{what: "the ping within it, asked alone, median", measured: pings.median(), unit: "ms"},
		row{what: "engine calls a scrape", measured: float64(len(calls)) / scrapes, unit: "calls", budget: "one ping", bound: 1},
	)
	for _, c := range calls {
		if c.path != "/_ping" {
			b.Logf("a scrape asked the engine for %s %s", c.method, c.path)
		}
	}
}

func scrapeTime(b *testing.B, url string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("scraping %s: status %d, %v", url, resp.StatusCode, err)
	}
	return time.Since(begun)
}
