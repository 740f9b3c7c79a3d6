package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sys/unix"
)

// Resources are the flags that have Defib expose what containers use.
const Resources = "--collector.resources"

// Usage is what a scrape says of what one container uses: by the name of the metric
// without container_, and behind a blank the device or interface that it is about.
type Usage struct {
	ID, Image string // the labels
	Values    map[string]float64
}

var labelOf = regexp.MustCompile(`([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"`)

// UsageOf looks for the series of a container, by its name; "" is the host.
func (s Samples) UsageOf(name string) Usage {
	u := Usage{Values: map[string]float64{}}
	for key, v := range s {
		metric, ok := strings.CutPrefix(key, "container_")
		if !ok {
			continue
		}
		labels := map[string]string{}
		for _, l := range labelOf.FindAllStringSubmatch(metric, -1) {
			labels[l[1]] = l[2]
		}
		if labels["name"] != name {
			continue
		}
		u.ID, u.Image = labels["id"], labels["image"]
		metric, _, _ = strings.Cut(metric, "{")
		if of := cmp.Or(labels["device"], labels["interface"]); of != "" {
			metric += " " + of
		}
		u.Values[metric] = v
	}
	return u
}

// Usage scrapes and returns what the container uses.
func (d *Defib) Usage(b *Container) Usage {
	d.Helper()
	return d.Current().UsageOf(b.Name)
}

// EngineUsage is what the engine itself says of what the container uses, in the names
// that Usage has for it. It takes a MeasuringEngine.
func (b *Container) EngineUsage() Usage {
	b.Helper()
	var said container.StatsResponse
	b.Must("asking for the usage of "+b.Name, func(ctx context.Context) error {
		answer, err := b.Engine.ContainerStatsOneShot(ctx, b.ID)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &said); err != nil {
			return err
		}
		if said.Read.IsZero() {
			return errors.New("the engine says nothing")
		}
		return nil
	})
	all := translated(said)
	if onPodman { // which has the rest otherwise, or not at all: devices by swapped numbers, all interfaces as one
		whole := releaseOf("podman") < "5" // 5.4 says what is anonymous as the memory in use, 5.8 the working set
		maps.DeleteFunc(all, func(key string, _ float64) bool {
			return key != "cpu_usage_seconds_total" && (key != "memory_usage_bytes" || !whole)
		})
	}
	return Usage{Values: all}
}

func translated(said container.StatsResponse) map[string]float64 {
	const second = 1e9
	cpu, memory := said.CPUStats, said.MemoryStats
	of := func(v1, v2 string) float64 { // the names in the two versions of cgroups
		if n, ok := memory.Stats[v1]; ok {
			return float64(n)
		}
		return float64(memory.Stats[v2])
	}
	all := map[string]float64{
		"cpu_usage_seconds_total":  float64(cpu.CPUUsage.TotalUsage) / second,
		"cpu_user_seconds_total":   float64(cpu.CPUUsage.UsageInUsermode) / second,
		"cpu_system_seconds_total": float64(cpu.CPUUsage.UsageInKernelmode) / second,
		"memory_usage_bytes":       float64(memory.Usage),
		"memory_rss":               of("total_rss", "anon"),
		"memory_cache":             of("total_cache", "file"),
		"memory_mapped_file":       of("total_mapped_file", "file_mapped"),
	}
	all["memory_working_set_bytes"] = max(0, all["memory_usage_bytes"]-of("total_inactive_file", "inactive_file"))
	if memory.MaxUsage > 0 {
		all["memory_max_usage_bytes"] = float64(memory.MaxUsage)
	}
	if throttled := cpu.ThrottlingData; throttled.Periods > 0 {
		all["cpu_cfs_periods_total"] = float64(throttled.Periods)
		all["cpu_cfs_throttled_periods_total"] = float64(throttled.ThrottledPeriods)
		all["cpu_cfs_throttled_seconds_total"] = float64(throttled.ThrottledTime) / second
	}
	for unit, entries := range map[string][]container.BlkioStatEntry{
		"_bytes": said.BlkioStats.IoServiceBytesRecursive, "": said.BlkioStats.IoServicedRecursive,
	} {
		for _, e := range entries {
			switch op := strings.ToLower(e.Op); op {
			case "read", "write":
				all[fmt.Sprintf("fs_%ss%s_total %s", op, unit, deviceName(e.Major, e.Minor))] = float64(e.Value)
			}
		}
	}
	for name, n := range said.Networks {
		for key, v := range map[string]uint64{
			"receive_bytes": n.RxBytes, "receive_packets": n.RxPackets, "receive_errors": n.RxErrors, "receive_packets_dropped": n.RxDropped,
			"transmit_bytes": n.TxBytes, "transmit_packets": n.TxPackets, "transmit_errors": n.TxErrors, "transmit_packets_dropped": n.TxDropped,
		} {
			all["network_"+key+"_total "+name] = float64(v)
		}
	}
	return all
}

// deviceName is that of a block device in /dev, or its number.
func deviceName(major, minor uint64) string {
	number := fmt.Sprintf("%d:%d", major, minor)
	link, err := os.Readlink("/sys/dev/block/" + number)
	if err != nil {
		return number
	}
	return "/dev/" + filepath.Base(link)
}

// Volume returns a directory on a disk, and the device of that disk: what is written to
// the one the kernel counts as the other's.
func Volume(tb testing.TB) (dir, device string) {
	tb.Helper()
	dir = tb.TempDir()
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		tb.Fatal(err)
	}
	node, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)))
	if err != nil {
		Unavailable(tb, "the directory of temporary files is on no disk: "+err.Error())
	}
	if _, err := os.Stat(filepath.Join(node, "partition")); err == nil {
		node = filepath.Dir(node)
	}
	return dir, "/dev/" + filepath.Base(node)
}

// Network makes a network of its own for containers, a bridge, and returns its name.
func (s *Env) Network(suffix string) container.NetworkMode {
	s.Helper()
	name := s.Prefix + suffix
	s.Must("making the network "+name, func(ctx context.Context) error {
		_, err := s.Engine.NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge"})
		return err
	})
	s.Cleanup(func() {
		s.CleanUp()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), Limit)
		defer cancel()
		if err := s.Engine.NetworkRemove(ctx, name); err != nil {
			s.Error("removing a network:", err)
		}
	})
	return container.NetworkMode(name)
}

// Address is that of the container in its network.
func (b *Container) Address() (ip string) {
	b.Helper()
	b.Must("inspecting "+b.Name, func(ctx context.Context) error {
		answer, err := b.Engine.ContainerInspect(ctx, b.ID)
		if err != nil {
			return err
		}
		for _, n := range answer.NetworkSettings.Networks {
			ip = n.IPAddress
		}
		return nil
	})
	return ip
}
