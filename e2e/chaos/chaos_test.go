package chaos

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"defib/e2e/harness"
)

var (
	chaosLength = flag.Duration("chaos.length", 0, "how long the chaos test goes on; 0: once through its phases")
	chaosLives  = flag.Bool("chaos.lives", false, "have Defib end in each round of the chaos test, and not only in every fourth")
	chaosSeed   = flag.Uint64("chaos.seed", 1, "what the chaos test draws its events from; 0: a new one")
)

const (
	cooldown = 20 * time.Second // what was done for an alert is not done again for so long
	resync   = 2 * time.Second  // from list to list
)

// toldLimits are what the Defib of the chaos test is told to keep: short times, so that
// much happens.
var toldLimits = limits{
	stoppedDelay: time.Second, first: 200 * time.Millisecond, most: 3 * time.Second, reset: 8 * time.Second,
	attempts: 3, concurrency: 3, perMinute: 12,
}

func (l limits) flags() []string {
	return []string{
		fmt.Sprint("--restart.stopped-delay=", l.stoppedDelay),
		fmt.Sprint("--restart.backoff-initial=", l.first),
		fmt.Sprint("--restart.backoff-max=", l.most),
		fmt.Sprint("--restart.backoff-reset=", l.reset),
		fmt.Sprint("--restart.max-attempts=", l.attempts),
		fmt.Sprint("--restart.concurrency=", l.concurrency),
		fmt.Sprint("--restart.max-per-minute=", l.perMinute),
		fmt.Sprint("--webhook.cooldown=", cooldown),
		"--restart.triggers=exited,unhealthy,alert,dependency", "--webhook.min-uptime=0s", "--docker.timeout=3s", fmt.Sprint("--docker.resync-interval=", resync),
	}
}

// phase is a storm, and the quiet after it.
type phase struct {
	name          string
	length        time.Duration
	faults        bool
	full          bool           // the disk of the state file is
	families      bool           // are re-created: a time of quiet lies between, so that this takes long
	engine, defib syscall.Signal // that ends it in the middle; 0: none
}

var phases = []phase{
	{name: "without faults", length: 8 * time.Second},
	{name: "with faults", length: 12 * time.Second, faults: true},
	{name: "with an engine that is stopped", length: 6 * time.Second, engine: syscall.SIGTERM},
	{name: "with faults and an engine and a Defib that come to their end", length: 8 * time.Second, faults: true, engine: syscall.SIGKILL, defib: syscall.SIGKILL},
	{name: "with faults and a Defib that is stopped", length: 6 * time.Second, faults: true, defib: syscall.SIGTERM},
	{name: "with a disk that is full", length: 6 * time.Second, full: true},
	{name: "with a Defib that is killed", length: 12 * time.Second, defib: syscall.SIGKILL},
	{name: "with families that are re-created, faults, and a Defib that is killed", length: 70 * time.Second, families: true, faults: true, defib: syscall.SIGKILL},
}

// chaos is one run of the test.
type chaos struct {
	*fleet
	proxy   *harness.FaultProxy
	callers callers
	seed    uint64
	meter   meter
	disk    string // of the state file
	wedged  bool   // the engine does not answer an inspect of one of them

	mu    sync.Mutex
	d     *harness.Defib // nil while there is none
	life  int
	lives map[int]span
}

// TestLawsHoldInChaos lets a fleet of containers crash, stop, restart, change
// names, become unhealthy and be created anew, while what lies between Defib and the
// engine fails in every way, and the engine and Defib end and come back. A judge
// that never asks Defib checks the laws.
func TestLawsHoldInChaos(t *testing.T) {
	harness.DockerOnly(t, harness.NoDaemon)
	t.Parallel()
	c := &chaos{seed: *chaosSeed, lives: map[int]span{}}
	if c.seed == 0 {
		c.seed = rand.Uint64N(1e9)
	}
	t.Logf("seed %d", c.seed)
	c.fleet = newFleet(harness.NewEnv(t, harness.PrivateEngine(t)), newActionLog())
	c.disk = harness.SmallDisk(t)
	c.proxy = harness.NewFaultProxy(t, c.Engine, c.seed)
	begun := time.Now()
	defer func() { c.summarize(time.Since(begun)) }()
	c.createAll(t)
	c.startDefib()
	c.d.Ready()
	c.quiet()
	for n := uint64(0); ; n++ {
		r := phases[n%uint64(len(phases))]
		if *chaosLength == 0 && r.engine != 0 {
			r.engine = syscall.SIGTERM // one that is killed may leave what takes it long to repair
		}
		if n/uint64(len(phases))%4 != 0 && !*chaosLives {
			r.defib = 0 // some lives are long, so that leaks show
			if !r.families {
				r.length *= 2
			}
		}
		c.storm(r, c.seed+n)
		c.quiet()
		if done := n+1 >= uint64(len(phases)); t.Failed() || done && time.Since(begun) > *chaosLength {
			break
		}
	}
	c.endDefib(syscall.SIGTERM)
	c.judge()
}

// startDefib begins a life of Defib. Until it is ready it sees nothing.
func (c *chaos) startDefib() {
	c.Helper()
	c.mu.Lock()
	c.life++
	c.lives[c.life] = span{from: time.Now()}
	c.proxy.BeginLife(c.life)
	c.mu.Unlock()
	d := harness.StartDefib(c.TB, c.proxy.Host(), slices.Concat(c.flags(), toldLimits.flags(), []string{"--state.file=" + filepath.Join(c.disk, "state.json")})...)
	c.book.reads(d.Journal)
	c.mu.Lock()
	c.d = d
	c.mu.Unlock()
}

// saved is when the state file was last written.
func (c *chaos) saved() time.Time {
	c.Helper()
	data, err := os.ReadFile(filepath.Join(c.disk, "state.json"))
	if err != nil {
		c.Fatal(err)
	}
	var written struct{ Saved time.Time }
	if err := json.Unmarshal(data, &written); err != nil {
		c.book.violation("the state file is broken: %v", err)
	}
	return written.Saved
}

// endDefib ends a life of Defib.
func (c *chaos) endDefib(signal syscall.Signal) {
	c.Helper()
	c.mu.Lock()
	d, life := c.d, c.life
	c.d = nil
	c.lives[life] = span{c.lives[life].from, time.Now()}
	c.mu.Unlock()
	if signal == syscall.SIGKILL {
		d.Kill()
		c.book.killed(life, c.saved())
	} else {
		c.book.terminated(life)
		if code := d.Terminate(); code != 0 {
			c.book.violation("law 9: exit code %d on SIGTERM", code)
		}
	}
	if strays := d.Strays(); len(strays) > 0 {
		c.book.violation("defib wrote what is no log line:\n%s", strings.Join(strays, "\n"))
	}
}

func (c *chaos) current() (*harness.Defib, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.d, c.life
}

// storm lets everything happen at once for a while.
func (c *chaos) storm(r phase, seed uint64) {
	c.Helper()
	c.Logf("%s: %s", time.Now().Format("15:04:05"), r.name)
	if r.full {
		defer harness.Fill(c, c.disk)()
	}
	still := !r.faults && !r.full && r.engine == 0 && r.defib == 0
	if still && !c.book.clear(time.Now(), time.Now()) {
		harness.Watch(c, blindAfter, "what a fault of before left behind is found by then")
	}
	before := c.scraped()
	c.following = r.families
	c.proxy.SlowestLately()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i, share := range c.shares() {
		all.Go(func() { c.operate(share, rand.New(rand.NewPCG(seed, uint64(10+i))), stop) })
	}
	all.Go(func() { c.callers.post(c.fleet, seed, stop, c.current) })
	all.Go(func() { c.scrapeOn(stop) })
	if r.families {
		all.Go(func() { c.recreateParents(rand.New(rand.NewPCG(seed, 20)), stop) })
	}
	if r.faults {
		all.Go(func() { injectFaults(c.proxy.Faults, seed, stop, c.book.blind) })
	}
	harness.Watch(c, r.length/2, "a storm")
	if r.engine != 0 {
		c.restartEngine(r.engine)
	}
	if r.defib != 0 {
		end := c.book.blind()
		c.endDefib(r.defib)
		c.startDefib()
		end()
	}
	harness.Watch(c, r.length/2, "a storm")
	close(stop)
	all.Wait()
	// An event that comes as late as that looks like one that was lost.
	if still && c.proxy.SlowestLately() < 2*time.Second {
		after := c.scraped()
		for _, same := range []string{"defib_engine_drift_total", "defib_engine_reconnects_total"} {
			if before[same] != after[same] {
				c.book.violation("law 5: %s went from %v to %v without a fault", same, before[same], after[same])
			}
		}
	}
}

// restartEngine has the engine go and come back.
func (c *chaos) restartEngine(signal syscall.Signal) {
	c.Helper()
	end, announce := c.book.blind(), c.book.gap()
	c.EndEngine(signal)
	back := c.book.absence()
	harness.Watch(c, 2*time.Second, "what is shown while there is no engine")
	back()
	c.Boot()
	announce()
	end()
}

// judgeNow calls a judge of all that is known now.
func (c *chaos) judgeNow() *judge {
	orders, slowest := c.proxy.Mutations()
	return newJudge(toldLimits, c.book, c.Engine.Recorder.All(), orders, slowest)
}

// judge judges all that happened so far.
func (c *chaos) judge() {
	c.Helper()
	j := c.judgeNow()
	j.check()
	c.mu.Lock()
	lives := maps.Clone(c.lives)
	c.mu.Unlock()
	c.callers.check(j, lives)
	for i, wrong := range c.book.unreported() {
		if i < 5 {
			c.Error(wrong)
		}
	}
}

// summarize says what was done and found.
func (c *chaos) summarize(took time.Duration) {
	orders, slowest := c.proxy.Mutations()
	acts, operations := map[string]int{}, map[string]int{}
	for _, o := range orders {
		acts[o.Kind]++
	}
	c.book.mu.Lock()
	for _, d := range c.book.actions {
		operations[d.what]++
	}
	c.book.mu.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "chaos of %v, seed %d\n", took.Round(time.Second), c.seed)
	writeCounts(&out, "done to the containers", operations)
	writeCounts(&out, "actions of Defib", acts)
	faults := map[string]int{}
	for kind, n := range c.proxy.Counts() {
		faults[string(kind)] = n
	}
	writeCounts(&out, "what for, as it says", c.book.triggers())
	writeCounts(&out, "what became of re-creations", c.book.recreations())
	writeCounts(&out, "faults", faults)
	writeCounts(&out, "alerts", c.callers.outcomes())
	if lasted := c.judgeNow().deathsHealed(time.Now()); len(lasted) > 0 {
		fmt.Fprintf(&out, "%d deaths without a fault lasted %v, half of them at most %v\n", len(lasted),
			lasted[len(lasted)-1].Round(time.Millisecond), lasted[len(lasted)/2].Round(time.Millisecond))
	}
	fmt.Fprintf(&out, "violations: %d\n%sslowest call of the engine: %v\n", len(c.book.violations()), &c.meter, slowest.Round(time.Millisecond))
	c.Log(out.String())
}

func writeCounts(out *strings.Builder, what string, n map[string]int) {
	total := 0
	for _, i := range n {
		total += i
	}
	fmt.Fprintf(out, "%s: %d", what, total)
	for _, key := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(out, ", %s %d", key, n[key])
	}
	out.WriteString("\n")
}
