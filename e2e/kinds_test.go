package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"

	"defib/e2e/harness"
)

// kind is a way in which people set up their engines, other than that of all other tests.
type kind struct {
	harness.Kind
	is    func(system.Info) bool                // what the engine says of itself
	since string                                // the release before which Docker knows no such kind; "": all do
	too   func(t *testing.T, e *harness.Engine) // what it has beside the story of all; it may end the engine
}

func kinds() map[string]kind {
	rootless := harness.Kind{Rootless: true, Lacks: []string{"needs to be installed", `"newuidmap": executable file not found`}}
	if harness.OnPodman() {
		return map[string]kind{"rootless": {Kind: rootless}}
	}
	return map[string]kind{
		"containerd image store": {
			Kind: harness.Kind{Config: `{"features": {"containerd-snapshotter": true}}`},
			is: func(i system.Info) bool {
				return slices.Contains(i.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"})
			},
			since: "24.0",
		},
		"remapped users": {
			Kind: harness.Kind{Config: `{"userns-remap": "nobody:nogroup"}`, Remapped: true, Network: "none"},
			is:   func(i system.Info) bool { return slices.Contains(i.SecurityOptions, "name=userns") },
		},
		"live restore": {
			Kind: harness.Kind{Config: `{"live-restore": true}`},
			is:   func(i system.Info) bool { return i.LiveRestoreEnabled },
			too:  containersOutliveTheEngine,
		},
		"systemd's cgroups": {
			Kind: harness.Kind{
				Config:   `{"exec-opts": ["native.cgroupdriver=systemd"]}`,
				Refusals: []string{"systemd not running on this host"},
			},
			is: func(i system.Info) bool { return i.CgroupDriver == "systemd" },
		},
		"rootless": {
			Kind: rootless,
			is:   func(i system.Info) bool { return slices.Contains(i.SecurityOptions, "name=rootless") },
		},
	}
}

// TestEveryKindOfEngine plays a short story on each kind of engine that this machine can
// have.
func TestEveryKindOfEngine(t *testing.T) {
	t.Parallel()
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := harness.EngineOfKind(t, k.Kind)
			info, err := e.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			said := fmt.Sprintf("version %s, storage %s, cgroups v%s by %s, %v", info.ServerVersion, info.Driver, info.CgroupVersion, info.CgroupDriver, info.SecurityOptions)
			t.Log(said)
			if k.is != nil && !k.is(info) {
				if versions.LessThan(info.ServerVersion, k.since) {
					t.Skip("about Docker "+k.since+" and newer: ", said)
				}
				t.Fatal("the engine is not of this kind: ", said)
			}
			t.Run("a crash", func(t *testing.T) { crashIsStartedAtOnce(t, e) })
			t.Run("a health check", func(t *testing.T) {
				harness.DockerOnly(t, harness.NoHealthTimer)
				unhealthyContainerIsRestarted(t, e)
			})
			t.Run("out of memory", func(t *testing.T) {
				if !info.MemoryLimit || k.Rootless && info.CgroupVersion == "1" {
					t.Skip("it has no cgroups, so no limits of memory: ", info.Warnings)
				}
				outOfMemoryIsADeathLikeAnyOther(t, e)
			})
			t.Run("an outdated image", func(t *testing.T) {
				harness.DockerOnly(t, harness.NamesByID)
				imageIsOutdated(t, e)
			})
			t.Run("resources", func(t *testing.T) { resourcesAreThere(t, e) })
			t.Run("from within a container", func(t *testing.T) { containedDefibKnowsItself(t, e) })
			if k.too != nil {
				t.Run("besides", func(t *testing.T) { k.too(t, e) })
			}
		})
	}
}

// usageIsPlausible holds what is said of a container that holds 20 MiB to what is so. Where
// containers have no cgroups of their own that is said, once.
func usageIsPlausible(d *harness.Defib, b *harness.Container) {
	d.Helper()
	cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", b.Inspect().Pid))
	if err != nil {
		d.Fatal(err)
	}
	if !strings.Contains(string(cgroups), b.ID) {
		harness.Eventually(d, "a scrape to find that there are no cgroups for long enough", func() bool {
			d.Exposition()
			return strings.Contains(strings.Join(d.Notices("resources of containers cannot be read"), ""), "rootless")
		})
		if n, _ := d.Sample("defib_resources_unreadable"); n < 1 {
			d.Errorf("defib_resources_unreadable is %v", n)
		}
		if u := d.Usage(b); isRead(u) {
			d.Errorf("%s has no cgroup, and is shown to use %v", b.Name, u)
		}
		d.Logged(1, "resources of containers cannot be read")
		return
	}
	u := awaitUsage(d, b, "at all", isRead)
	for key, want := range map[string]bounds{
		"cpu_usage_seconds_total":  {0.001, 60},
		"memory_rss":               {20 * mib, 100 * mib},
		"memory_working_set_bytes": {20 * mib, 100 * mib},
	} {
		if v, there := u.Values[key]; !there || !want.hold(v) {
			d.Errorf("%s of %s is %s, want %v", key, b.Name, harness.Written(v, there), want)
		}
	}
	if !strings.Contains(u.ID, b.ID) || !strings.Contains(string(cgroups), u.ID) {
		d.Errorf("the path of %s is %s, and the kernel says\n%s", b.Name, u.ID, cgroups)
	}
	d.Logf("the path of %s is %s", b.Name, u.ID)
	d.Shows("defib_resources_unreadable", 0)
}

func resourcesAreThere(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	b := s.Run("web", harness.Spec{Args: []string{"-hold=20"}})
	usageIsPlausible(s.Defib(harness.Resources), b)
}

func containedDefibKnowsItself(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	b := s.Run("web", harness.Spec{Args: []string{"-code=3", "-hold=20"}})
	d := s.Contain(seesHost, "--restart.whitelist="+s.Prefix+"*", hasty, harness.Resources)
	d.Post(d.Container.Alert()).Is(t, 200, "self", "own container")
	d.Heals(b.Alert())
	b.AwaitEvents("start", 2)
	b.Crash()
	b.AwaitEvents("start", 3)
	b.AwaitAlive()
	usageIsPlausible(d.Defib, b)
	d.Container.StartedTimes(1)
}

// containersOutliveTheEngine is about an engine that goes and comes while containers run.
func containersOutliveTheEngine(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	runs, dies := s.Run("runs", harness.Spec{}), s.Run("dies", harness.Spec{})
	since, pid := runs.StartedAt(), dies.Inspect().Pid
	d := s.Defib(harness.Whitelist(runs, dies), "--restart.stopped-delay=1s", unhurried)
	for n, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		s.EndEngine(signal)
		d.AwaitUnavailable()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.Boot()
		d.AwaitLine(n+1, "container started", "container", dies.Name)
		dies.AwaitState(container.StateRunning)
		pid = dies.Inspect().Pid
	}
	d.AwaitValue(harness.Series("docker_container_up", "name", runs.Name), 1)
	d.LeftAlone(runs)
	if now := runs.StartedAt(); now != since {
		t.Errorf("%s runs since %v, and did since %v", runs.Name, now, since)
	}
	d.Shows("defib_engine_drift_total", 0)
}
