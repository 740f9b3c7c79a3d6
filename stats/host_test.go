package stats_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/stats"
)

const mib = 1 << 20

// id makes an ID of a digit.
func id(digit string) string { return strings.Repeat(digit, 64) }

var (
	web   = id("a")
	began = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

// host is a /proc and a /sys/fs/cgroup below a folder of their own.
type host struct {
	t    *testing.T
	root string
	log  bytes.Buffer
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, root: t.TempDir()}
	h.write("proc/stat", "cpu  1000 200 300 90000 500 10 20 5 40 0\ncpu0 500 100 150 45000 250 5 10 2 20 0\ncpu1 500 100 150 45000 250 5 10 3 20 0\nintr 1 2\n")
	h.write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    9000000 kB\n")
	h.write("proc/partitions", "major minor  #blocks  name\n\n   8        0  104857600 sda\n 259        0  104857600 nvme0n1\n")
	h.write("proc/1/net/dev", netDev("eth0", 9, "docker0", 8, "veth12", 7, "lo", 6))
	return h
}

// netDev is a /proc/PID/net/dev in which so much was received by each interface, and
// twice that transmitted.
func netDev(interfaces ...any) string {
	text := "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	for i := 0; i < len(interfaces); i += 2 {
		n, _ := interfaces[i+1].(int)
		text += fmt.Sprintf("%6s: %d %d %d %d 0 0 0 0 %d %d %d %d 0 0 0 0\n", interfaces[i], n*1000, n*10, n+1, n+2, n*2000, n*20, n+3, n+4)
	}
	return text
}

func (h *host) path(name string) string { return filepath.Join(h.root, name) }

func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) remove(name string) {
	h.t.Helper()
	if err := os.RemoveAll(h.path(name)); err != nil {
		h.t.Fatal(err)
	}
}

// v2 makes a cgroup of version 2.
func (h *host) v2(dir string) {
	h.write("cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
	h.write(dir+"/cpu.stat", "usage_usec 12500000\nuser_usec 10000000\nsystem_usec 2500000\nnice_usec 0\nnr_periods 100\nnr_throttled 40\nthrottled_usec 3500000\nnr_bursts 0\nburst_usec 0\n")
	h.write(dir+"/memory.current", fmt.Sprintln(300*mib))
	h.write(dir+"/memory.stat", fmt.Sprintf("anon %d\nfile %d\nkernel 4096\nfile_mapped %d\nfile_dirty 0\ninactive_anon 1\ninactive_file %d\nactive_file 7\n", 200*mib, 80*mib, 20*mib, 50*mib))
	h.write(dir+"/memory.swap.current", fmt.Sprintln(3*mib))
	h.write(dir+"/memory.peak", fmt.Sprintln(310*mib))
	h.write(dir+"/io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:1 253:7 rbytes=1 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n7:0 \n")
	for i, name := range []string{"cpu", "memory", "io"} {
		h.write(dir+"/"+name+".pressure", fmt.Sprintf("some avg10=0.00 avg60=0.12 avg300=1.00 total=%d000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=%d00000\n", i+1, i+1))
	}
	h.write(dir+"/memory.max", fmt.Sprintln(512*mib))
	h.write(dir+"/memory.swap.max", "max\n")
	h.write(dir+"/memory.low", "0\n")
	h.write(dir+"/cpu.max", "50000 100000\n")
	h.write(dir+"/cpu.weight", "100\n")
}

// v1 makes a cgroup of version 1 in each of its hierarchies.
func (h *host) v1(path string) {
	for file, text := range map[string]string{
		"cpuacct/%s/cpuacct.usage":                           "12500000000\n",
		"cpuacct/%s/cpuacct.stat":                            "user 1000\nsystem 250\n",
		"cpu/%s/cpu.stat":                                    "nr_periods 100\nnr_throttled 40\nthrottled_time 3500000000\n",
		"cpu/%s/cpu.cfs_period_us":                           "100000\n",
		"cpu/%s/cpu.cfs_quota_us":                            "50000\n",
		"cpu/%s/cpu.shares":                                  "1024\n",
		"memory/%s/memory.usage_in_bytes":                    fmt.Sprintln(300 * mib),
		"memory/%s/memory.max_usage_in_bytes":                fmt.Sprintln(310 * mib),
		"memory/%s/memory.stat":                              fmt.Sprintf("cache 1\nrss 2\nmapped_file 3\nswap 4\ninactive_file 5\ntotal_cache %d\ntotal_rss %d\ntotal_mapped_file %d\ntotal_swap %d\ntotal_inactive_file %d\n", 80*mib, 200*mib, 20*mib, 3*mib, 50*mib),
		"memory/%s/memory.limit_in_bytes":                    fmt.Sprintln(512 * mib),
		"memory/%s/memory.memsw.limit_in_bytes":              "9223372036854771712\n",
		"memory/%s/memory.soft_limit_in_bytes":               "9223372036854771712\n",
		"blkio/%s/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 0\n8:0 Async 12288\n8:0 Discard 0\n8:0 Total 12288\n253:7 Read 1\n253:7 Write 0\nTotal 12289\n",
		"blkio/%s/blkio.throttle.io_serviced_recursive":      "8:0 Read 1\n8:0 Write 2\n253:7 Read 1\n253:7 Write 0\nTotal 4\n",
	} {
		h.write("cgroup/"+fmt.Sprintf(file, path), text)
	}
}

// process makes a process, of which the kernel says that it is in these cgroups.
func (h *host) process(pid int, cgroups string) {
	h.write(fmt.Sprintf("proc/%d/cgroup", pid), cgroups)
	h.write(fmt.Sprintf("proc/%d/net/dev", pid), netDev("lo", 1, "eth0", 2))
}

// run makes a container that runs, in a cgroup of version 2.
func (h *host) run(id string, pid int) {
	h.v2("cgroup/docker/" + id)
	h.process(pid, "0::/docker/"+id+"\n")
}

// reader returns a Reader of an engine on this host.
func (h *host) reader() *stats.Reader { return h.readerOf(stats.Options{Local: true}) }

func (h *host) readerOf(o stats.Options) *stats.Reader {
	o.ProcFS, o.CgroupFS = h.path("proc"), h.path("cgroup")+"/" // as a flag may have it
	o.Logger = slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	r := stats.New(o)
	h.t.Cleanup(r.Close)
	return r
}

// up is a container that runs.
func up(id, name string, pid int) *engine.Container {
	return &engine.Container{ID: id, Name: name, State: engine.Running, Inspected: true, PID: pid, Started: began}
}

// with returns a container that differs from another.
func with(c *engine.Container, change func(*engine.Container)) *engine.Container {
	other := *c
	change(&other)
	return &other
}

// snapshot is one of these containers, given in the order of their IDs.
func snapshot(cs ...*engine.Container) *engine.Snapshot { return engine.NewSnapshot(cs, nil) }
