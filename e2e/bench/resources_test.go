package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"defib/e2e/harness"
	"defib/engine"
	"defib/stats"
)

const (
	cgroupFS = "/sys/fs/cgroup"
	// paced is the time between two scrapes that read anew: those within a second of
	// each other share a reading.
	paced = 1100 * time.Millisecond
	// scrapesInAnHour are those of a Prometheus that scrapes every 15 seconds.
	scrapesInAnHour = 240
)

// measureResources reads what containers use: by itself, and within a scrape.
func measureResources(b *testing.B, t *table) {
	s := harness.NewEnv(b, harness.SharedEngine(b))
	if s.Engine.Daemon == nil {
		harness.Unavailable(b, "reading the cgroups of containers takes an engine of one's own")
	}
	network := s.Network("net")
	for i := range population {
		s.Create(fmt.Sprintf("crowd-%03d", i), harness.Spec{Network: network}).Start()
	}
	measureReading(b, t, snapshotOf(s))

	d := harness.StartDefib(b, s.Engine.Host, "--restart.whitelist="+s.Prefix+"*", harness.Resources,
		"--docker.resync-interval=1h", "--log.level=info")
	d.Ready()
	awaitAllRead(d, population)
	crowd := fmt.Sprint(population, " containers with resources")
	scrape := besideParts(b, t, d, crowd, 60)
	measureHour(b, t, s, d, scrape)
	d.Terminate()
}

// snapshotOf is what Defib would know of the containers.
func snapshotOf(s *harness.Env) *engine.Snapshot {
	s.Helper()
	all, err := s.List(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	var cs []*engine.Container
	for _, c := range all {
		s.Must("inspecting", func(ctx context.Context) error {
			answer, err := s.Engine.ContainerInspect(ctx, c.ID)
			if err == nil {
				cs = append(cs, &engine.Container{
					ID: c.ID, Name: answer.Name[1:], State: engine.Running, Inspected: true, PID: answer.State.Pid, Started: time.Now(),
				})
			}
			return err
		})
	}
	slices.SortFunc(cs, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) })
	return engine.NewSnapshot(cs, nil)
}

// measureReading reads by itself, and makes the bare system calls for the same files.
func measureReading(b *testing.B, t *table, p *engine.Snapshot) {
	b.Helper()
	r := stats.New(stats.Options{ProcFS: "/proc", CgroupFS: cgroupFS, Local: true, Logger: quiet})
	defer r.Close()
	at := time.Now()
	read := func() {
		at = at.Add(paced)
		if n := len(r.Read(at, p).Containers); n != len(p.Containers) {
			b.Fatalf("%d of %d containers were read", n, len(p.Containers))
		}
	}
	read()
	bare := openBare(b, os.Getpid(), p)
	defer bare.close()
	var reading, calls times
	for range 50 {
		reading.add(threadTime(b, read))
		calls.add(threadTime(b, func() { bare.read(b) }))
	}
	what := fmt.Sprintf("reading %d containers, processor time, median", len(p.Containers))
	beside := fmt.Sprintf("%d bare preads, and %d files that cannot be kept", len(bare.kept), len(bare.once))
	*t = append(*t, row{what, reading.median(), "ms", beside, calls.median(), budget{text: "10 ms", more: 10}})
}

// bareReads are the system calls alone that a reading makes.
type bareReads struct {
	kept   []int    // descriptors of cgroup files
	once   []string // files that are opened each time: kept, they would pin a network
	buffer []byte
}

// openBare opens what a process reads of these containers, for ourselves: the files of
// which it keeps some open, of every container.
func openBare(b *testing.B, pid int, p *engine.Snapshot) *bareReads {
	b.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		b.Fatal(err)
	}
	patterns := map[string]bool{} // with ID instead of a container's
	for _, link := range links {
		name, err := os.Readlink(link)
		if err == nil && strings.HasPrefix(name, cgroupFS+"/") && containerID.MatchString(name) { // Go itself keeps some of its own
			patterns[containerID.ReplaceAllString(name, "ID")] = true
		}
	}
	if len(patterns) == 0 {
		b.Fatal("no descriptor is kept of a cgroup")
	}
	bare := &bareReads{buffer: make([]byte, 16<<10)}
	for _, c := range p.Containers {
		for pattern := range patterns {
			fd, err := unix.Open(strings.ReplaceAll(pattern, "ID", c.ID), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			bare.kept = append(bare.kept, fd)
		}
		bare.once = append(bare.once, fmt.Sprintf("/proc/%d/net/dev", c.PID))
	}
	return bare
}

func (r *bareReads) read(b *testing.B) {
	for _, fd := range r.kept {
		if _, err := unix.Pread(fd, r.buffer, 0); err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range r.once {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		for n := 1; n > 0; {
			if n, err = unix.Read(fd, r.buffer); err != nil {
				b.Fatal(err)
			}
		}
		unix.Close(fd)
	}
}

func (r *bareReads) close() {
	for _, fd := range r.kept {
		unix.Close(fd)
	}
}

// threadTime is the processor time of a call that stays on its thread.
func threadTime(b *testing.B, call func()) time.Duration {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			b.Fatal(err)
		}
		return time.Duration(t.Nano())
	}
	begun := now()
	call()
	return now() - begun
}

// awaitAllRead waits until Defib reads so many containers.
func awaitAllRead(d *harness.Defib, n int) {
	d.Helper()
	harness.Eventually(d, "all containers to be read", func() bool {
		return strings.Count(string(d.Exposition()), "\ncontainer_start_time_seconds{") == n
	})
}

// besideParts scrapes Defib, each time with a new reading, and beside it what that is made
// of: a bare exporter of the same metrics, and the bare reads of the same files. It returns
// the processor time of a scrape in milliseconds.
func besideParts(b *testing.B, t *table, d *harness.Defib, crowd string, n int) float64 {
	b.Helper()
	ours, theirs, text, metrics := andBare(b, d)
	bare := openBare(b, d.Cmd.Process.Pid, ownNetworks(b, text))
	defer bare.close()
	for range 3 { // these warm up
		scrapeTime(b, ours.url)
		scrapeTime(b, theirs.url)
		bare.read(b)
	}
	var walls, parts, reads times
	before := [2]time.Duration{processorTime(b, ours.pid), processorTime(b, theirs.pid)}
	for range n {
		time.Sleep(paced)
		walls.add(scrapeTime(b, ours.url))
		begun := time.Now()
		bare.read(b)
		parts.add(time.Since(begun) + scrapeTime(b, theirs.url))
		reads.add(threadTime(b, func() { bare.read(b) }))
	}
	cost := func(i int, pid int) float64 {
		return float64(processorTime(b, pid)-before[i]) / float64(time.Millisecond) / float64(n)
	}
	own := cost(0, ours.pid)
	what := "scrape of " + crowd
	beside := fmt.Sprintf("client_golang, %d kept metrics, and %d bare reads", metrics, len(bare.kept)+len(bare.once))
	*t = append(*t,
		row{what + ", median", walls.median(), "ms", beside, parts.median(), budget{text: "beside + 20 %", factor: 1.2}},
		row{what + ", processor time", own, "ms", beside, cost(1, theirs.pid) + reads.median(), budget{text: "beside + 20 %", factor: 1.2}},
	)
	return own
}

var (
	containerID = regexp.MustCompile(`[0-9a-f]{64}`)
	cgroupOf    = regexp.MustCompile(`[{,]id="([^"]*)"`)
)

// ownNetworks are the containers of an exposition whose network is read: of each the
// process of its cgroup.
func ownNetworks(b *testing.B, text string) *engine.Snapshot {
	b.Helper()
	found, err := harness.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	var cs []*engine.Container
	for _, key := range found.WithPrefix("container_network_receive_bytes_total{") {
		id := cgroupOf.FindStringSubmatch(key)[1]
		for _, tree := range []string{"cpuacct", "."} {
			procs, err := os.ReadFile(filepath.Join(cgroupFS, tree, id, "cgroup.procs"))
			var pid int
			if _, serr := fmt.Sscan(string(procs), &pid); err == nil && serr == nil && id != "/" {
				cs = append(cs, &engine.Container{ID: containerID.FindString(id), PID: pid})
				break
			}
		}
	}
	return engine.NewSnapshot(cs, nil)
}

// measureHour is what scraping every 15 seconds costs, Defib and the engine.
func measureHour(b *testing.B, t *table, s *harness.Env, d *harness.Defib, scrape float64) {
	b.Helper()
	*t = append(*t, row{what: "an hour of scrapes every 15 s, worked out", measured: scrape * scrapesInAnHour / 1e3, unit: "s"})
	pids := []int{d.Cmd.Process.Pid, s.Engine.Daemon.Cmd.Process.Pid}
	used := func(scraping bool) (all [2]float64) {
		var before [2]time.Duration
		for i, pid := range pids {
			if scraping || i > 0 {
				before[i] = processorTime(b, pid)
			}
		}
		for range idleFor / (15 * time.Second) {
			if scraping {
				scrapeTime(b, d.URL+"/metrics")
			}
			time.Sleep(15 * time.Second)
		}
		for i, pid := range pids {
			if scraping || i > 0 {
				all[i] = 100 * (processorTime(b, pid) - before[i]).Seconds() / idleFor.Seconds()
			}
		}
		return all
	}
	with := used(true)
	if err := d.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		b.Fatal(err)
	}
	alone := used(false)
	if err := d.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		b.Fatal(err)
	}
	*t = append(*t, row{
		what: "100 containers with resources, scraped every 15 s, with what the engine does for Defib", measured: with[0] + with[1] - alone[1],
		unit: "% of a core", budget: budget{text: "0.3 %", more: 0.3},
	})
}
