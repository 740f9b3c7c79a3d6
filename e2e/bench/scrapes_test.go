package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

const (
	population = 100
	scrapes    = 100
)

// exporter is a process that is scraped.
type exporter struct {
	url string
	pid int
}

// takeTurns scrapes one after the other, so that a busy machine slows both. It
// returns how long each took, and the processor time that a scrape cost each
// process, in milliseconds.
func takeTurns(b *testing.B, n int, one, other exporter) (walls [2]times, costs [2]float64) {
	b.Helper()
	both := [2]exporter{one, other}
	for range n/10 + 2 { // these warm up
		for _, e := range both {
			scrapeTime(b, e.url)
		}
	}
	before := [2]time.Duration{processorTime(b, one.pid), processorTime(b, other.pid)}
	for range n {
		for i, e := range both {
			walls[i].add(scrapeTime(b, e.url))
		}
	}
	for i, e := range both {
		costs[i] = float64(processorTime(b, e.pid)-before[i]) / float64(time.Millisecond) / float64(n)
	}
	return walls, costs
}

// andBare returns Defib as an exporter, and a bare one of the same metrics: these, and how
// many they are.
func andBare(b *testing.B, d *harness.Defib) (ours, theirs exporter, text string, metrics int) {
	b.Helper()
	_, text, err := d.Get("/metrics")
	if err != nil {
		b.Fatal(err)
	}
	all, err := keep(text)
	if err != nil {
		b.Fatal(err)
	}
	return exporter{d.URL + "/metrics", d.Cmd.Process.Pid}, startBare(b, text), text, len(all)
}

// besideClientGolang scrapes Defib and a bare exporter of the same metrics.
func besideClientGolang(b *testing.B, t *table, d *harness.Defib, crowd string, n int) {
	b.Helper()
	own, bare, _, metrics := andBare(b, d)
	walls, costs := takeTurns(b, n, own, bare)
	ours, theirs := walls[0], walls[1]
	what, beside := "scrape of "+crowd, fmt.Sprintf("client_golang, %d kept metrics", metrics)
	*t = append(*t,
		row{what + ", median", ours.median(), "ms", beside, theirs.median(), budget{text: "beside + 20 %", factor: 1.2}},
		row{what + ", processor time", costs[0], "ms", beside, costs[1], budget{text: "beside + 20 %", factor: 1.2}},
	)
}

// besideList scrapes Defib and lists all containers, which the engine does for
// those who ask it at each scrape.
func besideList(b *testing.B, t *table, d *harness.Defib, e *harness.Engine, crowd string, n int) {
	b.Helper()
	var scraped, pings, lists times
	for range n {
		scraped.add(scrapeTime(b, d.URL+"/metrics"))
		pings.add(timed(b, func(ctx context.Context) error {
			_, err := e.Ping(ctx)
			return err
		}))
		lists.add(fetchTime(b, e.HTTPClient(), listURL))
	}
	*t = append(*t,
		row{"scrape of " + crowd + ", median", scraped.median(), "ms", "GET /containers/json?all=1, median", lists.median(), budget{}},
		row{what: "the ping within it, asked alone, median", measured: pings.median(), unit: "ms"},
	)
}

// measureReplayed scrapes more containers than an engine could run here.
func measureReplayed(b *testing.B, t *table) {
	for _, n := range []int{10, 100, 1000, 5000} {
		r := harness.NewReplay(b, n)
		d := harness.StartDefib(b, r.Host(), "--restart.whitelist=*", "--docker.resync-interval=1h", "--log.level=info")
		d.Ready()
		harness.Eventually(b, "everybody to be in the snapshot", func() bool { return len(d.Shown("shop-")) == n })
		samples := max(10, 2000/n)
		crowd := fmt.Sprint(n, " replayed containers")
		besideClientGolang(b, t, d, crowd, samples)
		if n >= 1000 {
			e, err := harness.Connect(r.Host())
			if err != nil {
				b.Fatal(err)
			}
			besideList(b, t, d, e, crowd, samples)
			e.Close()
		}
		if n == 1000 {
			*t = append(*t, row{what: "memory with 1000 containers, at most so far", measured: float64(d.Memory("VmHWM")) / 1024, unit: "MB", budget: budget{text: "64 MB", more: 64}})
		}
		d.Terminate()
	}
}

func measureScrapes(b *testing.B, t *table) {
	s := harness.NewEnv(b, harness.SharedEngine(b))
	// Most have run and finished: what was only created has no times to show,
	// and is looked at again and again.
	for i := range population {
		p := harness.Spec{Args: []string{"-after=1ms"}}
		if i%20 == 0 {
			p = harness.Spec{}
		}
		s.Create(fmt.Sprintf("crowd-%03d", i), p).Start()
	}
	watching := func(host string) *harness.Defib {
		d := harness.StartDefib(b, host, "--restart.whitelist="+s.Prefix+"*", "--restart.policy=on-failure",
			"--docker.resync-interval=1h", "--log.level=info")
		d.Ready()
		harness.Eventually(b, "everybody to be in the snapshot", func() bool { return len(d.Shown(s.Prefix)) == population })
		return d
	}
	d := watching(s.Engine.Host)
	crowd := fmt.Sprint(population, " containers")
	besideClientGolang(b, t, d, crowd, scrapes)

	besideList(b, t, d, s.Engine, crowd, scrapes)
	measureCost(s.Engine, b, t, d)

	// Another Defib for the calls: a proxy on the way would cost the first time.
	p := harness.NewProxy(b, s.Engine)
	counted := watching(p.Host())
	begun := time.Now()
	for range scrapes {
		scrapeTime(b, counted.URL+"/metrics")
	}
	calls := slices.DeleteFunc(p.Calls(begun), func(r harness.Request) bool { return strings.HasSuffix(r.Path, "/images/json") }) // as at every start
	*t = append(*t, row{what: "engine calls a scrape", measured: float64(len(calls)) / scrapes, unit: "calls", budget: budget{text: "one ping", more: 1}})
	for _, c := range calls {
		if c.Path != "/_ping" {
			b.Logf("a scrape asked the engine for %s %s", c.Method, c.Path)
		}
	}
}

// measureCost is the engine's processor time for a scrape of Defib, beside that
// for a list, which a scrape without a snapshot would need at least.
func measureCost(e *harness.Engine, b *testing.B, t *table, d *harness.Defib) {
	if e.Daemon == nil {
		b.Log("the engine's processor time is not measured: it is not ours")
		return
	}
	cost := func(call func()) float64 {
		before := processorTime(b, e.Daemon.Cmd.Process.Pid)
		for range 5 * scrapes {
			call()
		}
		return float64(processorTime(b, e.Daemon.Cmd.Process.Pid)-before) / float64(time.Millisecond) / (5 * scrapes)
	}
	scrape := cost(func() { scrapeTime(b, d.URL+"/metrics") })
	list := cost(func() { fetchTime(b, e.HTTPClient(), listURL) })
	*t = append(*t, row{"engine's processor time for a scrape", scrape, "ms", "for a list of all containers", list, budget{}})
}

// timed makes one call within Limit.
func timed(b *testing.B, call func(context.Context) error) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), harness.Limit)
	defer cancel()
	begun := time.Now()
	if err := call(ctx); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

// processorTime is what a process has used so far, to 10 ms.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// pid (comm) state …, where comm may hold anything; utime and stime are the
	// 14th and the 15th, in hundredths of a second.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var used time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		used += time.Duration(n) * 10 * time.Millisecond
	}
	return used
}

func scrapeTime(b *testing.B, url string) time.Duration {
	b.Helper()
	return fetchTime(b, http.DefaultClient, url)
}

// listURL asks for the list of all containers; the client knows of which engine.
const listURL = "http://engine/containers/json?all=1"

// fetchTime is how long an answer takes to its last byte.
func fetchTime(b *testing.B, client *http.Client, url string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), harness.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("getting %s: status %d, %v", url, resp.StatusCode, err)
	}
	return time.Since(begun)
}
