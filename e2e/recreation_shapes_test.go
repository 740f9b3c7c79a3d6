package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/strslice"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/go-units"
	gocmp "github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
	"defib/engine"
	dockerwatch "defib/engine/docker"
)

// shape is a way to make a container: what it is made of, beside the network of a parent.
type shape struct {
	make func(s *harness.Env, c *container.Config, h *container.HostConfig)
	api  string   // that the engine has to speak; "": any
	may  []string // what may differ, beside what must
	meet func(s *harness.Env)
}

// plain is a shape that needs nothing but its settings.
func plain(settings func(c *container.Config, h *container.HostConfig)) shape {
	return shape{make: func(_ *harness.Env, c *container.Config, h *container.HostConfig) { settings(c, h) }}
}

// must is what differs between a container and the one that takes its place.
var must = []string{
	"Id", "Created", "State", "LogPath", "ResolvConfPath", "HostnamePath", "HostsPath", "GraphDriver", "Storage", "NetworkSettings",
	"HostConfig.NetworkMode", "Config.Hostname",
}

// byName is what says that a volume has a name, which the container was made without.
var byName = []string{"HostConfig.Mounts", "Mounts.Mode"}

func shapes() map[string]shape {
	number := func(n int64) *int64 { return &n }
	return map[string]shape{
		"nothing special": plain(func(*container.Config, *container.HostConfig) {}),
		"a volume with a name": {make: func(s *harness.Env, _ *container.Config, h *container.HostConfig) {
			h.Binds = []string{s.Prefix + "data:/data", s.Prefix + "other:/other:ro,nocopy"}
		}},
		"a volume without a name": {may: byName, make: func(_ *harness.Env, c *container.Config, _ *container.HostConfig) {
			c.Volumes = map[string]struct{}{"/data": {}, "/other/": {}}
		}},
		"a volume of the image": {may: byName, make: func(s *harness.Env, c *container.Config, _ *container.HostConfig) {
			c.Image = imported(s, "VOLUME /data", "EXPOSE 80", "USER 0", "ENV FROM=image", "WORKDIR /work")
		}},
		"mounts of volumes": {may: byName, make: func(s *harness.Env, _ *container.Config, h *container.HostConfig) {
			h.Mounts = []mount.Mount{
				{Type: mount.TypeVolume, Source: s.Prefix + "data", Target: "/data", ReadOnly: true, VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: map[string]string{"a": "b"}}},
				{Type: mount.TypeVolume, Target: "/without"},
			}
		}},
		"a part of a volume": {api: "1.45", make: func(s *harness.Env, _ *container.Config, h *container.HostConfig) {
			s.Must("a volume with a folder", func(ctx context.Context) error {
				v, err := s.Engine.VolumeCreate(ctx, volume.CreateOptions{Name: s.Prefix + "parts"})
				if err != nil {
					return err
				}
				return os.Mkdir(filepath.Join(v.Mountpoint, "part"), 0o755)
			})
			h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: s.Prefix + "parts", Target: "/data", VolumeOptions: &mount.VolumeOptions{Subpath: "part"}}}
		}},
		"bind mounts": {make: func(s *harness.Env, _ *container.Config, h *container.HostConfig) {
			dir := s.TempDir()
			h.Binds = []string{dir + ":/data:ro"}
			h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: "/other", BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate}}}
		}},
		"volumes of another": {make: func(s *harness.Env, c *container.Config, h *container.HostConfig) {
			source := s.Run("source", harness.Spec{Host: func(h *container.HostConfig) {
				h.Binds = []string{s.Prefix + "shared:/shared"}
				h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Target: "/data"}}
			}})
			c.Volumes = map[string]struct{}{"/data": {}} // which the other one has already
			h.VolumesFrom = []string{source.Name + ":ro"}
		}, may: byName},
		"memory of its own": plain(func(_ *container.Config, h *container.HostConfig) {
			h.Tmpfs = map[string]string{"/run": "size=1m,mode=1777"}
			h.Mounts = []mount.Mount{{Type: mount.TypeTmpfs, Target: "/tmp", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20, Mode: 0o700}}}
			h.ReadonlyRootfs = true
		}),
		"capabilities and security options": plain(func(_ *container.Config, h *container.HostConfig) {
			h.CapAdd, h.CapDrop = strslice.StrSlice{"SYS_NICE", "CAP_NET_RAW"}, strslice.StrSlice{"MKNOD"}
			h.SecurityOpt = []string{"no-new-privileges", "seccomp=unconfined"}
		}),
		"ulimits": plain(func(_ *container.Config, h *container.HostConfig) {
			h.Ulimits = []*units.Ulimit{{Name: "nofile", Soft: 512, Hard: 1024}}
		}),
		"devices": plain(func(_ *container.Config, h *container.HostConfig) {
			h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/nothing", CgroupPermissions: "rw"}}
			h.DeviceCgroupRules = []string{"c 1:3 rwm"}
		}),
		"a user and groups": plain(func(c *container.Config, h *container.HostConfig) {
			c.User, h.GroupAdd = "1000:1000", []string{"27"}
		}),
		"environment, folder and program": plain(func(c *container.Config, _ *container.HostConfig) {
			c.Env, c.WorkingDir = []string{"A=b", "EMPTY=", "UNSET"}, "/tmp"
			c.Entrypoint, c.Cmd = []string{"/testapp", "-code=3"}, []string{"-slow=1ms"}
		}),
		"no entrypoint": plain(func(c *container.Config, _ *container.HostConfig) {
			c.Entrypoint, c.Cmd = []string{""}, []string{"/testapp", "-code=3"}
		}),
		"no command": plain(func(c *container.Config, _ *container.HostConfig) { c.Entrypoint, c.Cmd = []string{"/testapp"}, nil }),
		"labels and annotations": plain(func(c *container.Config, _ *container.HostConfig) {
			c.Labels = map[string]string{"com.docker.compose.project": "shop", "empty": ""}
		}),
		"a logging driver": plain(func(_ *container.Config, h *container.HostConfig) {
			h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}}
		}),
		"restart policy on-failure": plain(func(_ *container.Config, h *container.HostConfig) {
			h.RestartPolicy = container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}
		}),
		"restart policy always": plain(func(_ *container.Config, h *container.HostConfig) {
			h.RestartPolicy = container.RestartPolicy{Name: "always"}
		}),
		"a health check": plain(func(c *container.Config, _ *container.HostConfig) {
			c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Hour, Timeout: time.Second, Retries: 3, StartPeriod: time.Minute}
		}),
		"a health check that is off": plain(func(c *container.Config, _ *container.HostConfig) {
			c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
		}),
		"a signal and a timeout to stop": plain(func(c *container.Config, _ *container.HostConfig) {
			c.StopSignal, c.StopTimeout = "SIGINT", new(3)
		}),
		"limits": plain(func(_ *container.Config, h *container.HostConfig) {
			h.Memory, h.MemoryReservation, h.NanoCPUs, h.PidsLimit = 64<<20, 32<<20, 5e8, number(100)
			h.CPUShares, h.CpusetCpus, h.OomScoreAdj = 512, "0", 100
		}),
		"an init and shared memory": plain(func(_ *container.Config, h *container.HostConfig) {
			h.Init, h.ShmSize, h.IpcMode = new(true), 1<<20, "shareable"
		}),
		"a sysctl": plain(func(_ *container.Config, h *container.HostConfig) {
			h.Sysctls = map[string]string{"kernel.msgmax": "16384"}
		}),
		"namespaces of the host": plain(func(_ *container.Config, h *container.HostConfig) {
			h.IpcMode, h.PidMode, h.CgroupnsMode = "host", "host", "host"
		}),
		"a terminal": plain(func(c *container.Config, _ *container.HostConfig) {
			c.Tty, c.OpenStdin, c.StdinOnce, c.AttachStdout = true, true, true, true
		}),
		"an image by ID": {make: func(s *harness.Env, c *container.Config, _ *container.HostConfig) { c.Image = imageID(s, c.Image) }},
		"an image whose name means another by now": {
			may: []string{"Config.Image"},
			make: func(s *harness.Env, c *container.Config, _ *container.HostConfig) {
				c.Image = imported(s, "ENV GENERATION=1")
			},
			meet: func(s *harness.Env) { imported(s, "ENV GENERATION=2") },
		},
	}
}

// imported makes an image of the Env's own and returns its name.
func imported(s *harness.Env, changes ...string) string {
	name := "defib-" + s.Prefix + "image:1"
	s.Must("importing an image", func(ctx context.Context) error { return s.Engine.ImportAs(ctx, name, changes...) })
	return name
}

func imageID(s *harness.Env, name string) (id string) {
	s.Must("inspecting an image", func(ctx context.Context) error {
		image, err := s.Engine.ImageInspect(ctx, name)
		id = image.ID
		return err
	})
	return id
}

// TestContainersOfAllShapesAreCreatedAnewAsTheyWere compares what the engine says of them
// before and after, in all that there is, and what is in their volumes.
func TestContainersOfAllShapesAreCreatedAnewAsTheyWere(t *testing.T) {
	harness.DockerOnly(t, "it keeps parents as long as they have children")
	t.Parallel()
	shared := harness.SharedEngine(t)
	watch, err := dockerwatch.New(dockerwatch.Options{Host: shared.Host, Timeout: harness.Limit, ResyncInterval: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = watch.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for name, sh := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, shared)
			if sh.api != "" && versions.LessThan(s.Engine.ClientVersion(), sh.api) {
				t.Skip("the engine speaks API", s.Engine.ClientVersion(), "only")
			}
			recreated(s, watch, sh)
		})
	}
}

// recreated makes a container of a shape, replaces its parent, and has it created anew.
func recreated(s *harness.Env, watch *dockerwatch.Engine, sh shape) {
	s.Run("vpn", harness.Spec{Network: "none"})
	config := &container.Config{Image: harness.TestappImage}
	host := &container.HostConfig{NetworkMode: container.NetworkMode("container:" + s.Prefix + "vpn")}
	sh.make(s, config, host)
	old := create(s, "web", config, host)
	if sh.meet != nil {
		sh.meet(s)
	}
	before := whole(s, old)
	data := fillVolumes(s, before)
	parent := replaced(s, "vpn")

	r := engine.Recreation{Name: s.Prefix + "web"}
	harness.Eventually(s, "the snapshot shows them, and whether the name of the image means it", func() bool {
		p := watch.Snapshot()
		r.Old, r.Parent = p.Get(old), p.Get(parent)
		return r.Old != nil && r.Parent != nil && r.Parent.Up() && r.Old.Inspected && (r.Old.ImageStatus != engine.ImageUnknown || strings.HasPrefix(config.Image, "sha256:"))
	})
	made, err := watch.Recreate(s.Context(), nil, r)
	if err != nil {
		s.Fatal(err)
	}
	p := watch.Snapshot()
	if now := p.Get(old); now.State != engine.Exited || now.RestartPolicy != "no" || now.Name != engine.PassingName(r.Name, made.ID) {
		s.Errorf("the old one: %+v", now)
	}
	if now := p.Get(made.ID); now == nil || !now.Up() || now.Name != r.Name || !now.Started.Equal(made.Started) {
		s.Errorf("the new one: %+v", made)
	}
	after := whole(s, made.ID)
	if err := watch.Discard(s.Context(), p.Get(old)); err != nil || watch.Snapshot().Get(old) != nil {
		s.Errorf("the old one is still there: %v", err)
	}
	data(whole(s, made.ID))
	for _, path := range slices.Concat(must, sh.may) {
		forget(before, path)
		forget(after, path)
	}
	if diff := gocmp.Diff(before, after); diff != "" {
		s.Errorf("before (-), after (+):\n%s", diff)
	}
}

func create(s *harness.Env, name string, config *container.Config, host *container.HostConfig) (id string) {
	s.Must("creating "+name, func(ctx context.Context) error {
		made, err := s.Engine.ContainerCreate(ctx, config, host, nil, nil, s.Prefix+name)
		if err != nil {
			return err
		}
		id = made.ID
		return s.Engine.ContainerStart(ctx, id, container.StartOptions{})
	})
	return id
}

// replaced removes a parent and makes another one of its name.
func replaced(s *harness.Env, name string) (id string) {
	s.Must("removing "+name, func(ctx context.Context) error {
		return s.Engine.ContainerRemove(ctx, s.Prefix+name, container.RemoveOptions{Force: true})
	})
	return s.Run(name, harness.Spec{Network: "none"}).ID
}

// whole is all that the engine says of a container, its mounts by where they are.
func whole(s *harness.Env, id string) map[string]any {
	all := map[string]any{}
	s.Must("inspecting", func(ctx context.Context) error {
		_, text, err := s.Engine.ContainerInspectWithRaw(ctx, id, false)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &all)
	})
	mounts, _ := all["Mounts"].([]any)
	slices.SortFunc(mounts, func(a, b any) int {
		return cmp.Compare(a.(map[string]any)["Destination"].(string), b.(map[string]any)["Destination"].(string))
	})
	return all
}

// forget removes what is at a path, in each element of a list.
func forget(all map[string]any, path string) {
	first, rest, deeper := strings.Cut(path, ".")
	switch below := all[first].(type) {
	case map[string]any:
		if deeper {
			forget(below, rest)
			return
		}
	case []any:
		if deeper {
			for _, element := range below {
				forget(element.(map[string]any), rest)
			}
			return
		}
	}
	delete(all, first)
}

// fillVolumes writes into each volume of a container, and returns what checks that another
// one has all of it.
func fillVolumes(s *harness.Env, of map[string]any) (check func(map[string]any)) {
	files := func(of map[string]any) (all []string) {
		mounts, _ := of["Mounts"].([]any)
		for _, m := range mounts {
			if m := m.(map[string]any); m["Type"] == "volume" {
				all = append(all, filepath.Join(m["Source"].(string), "kept"))
			}
		}
		return all
	}
	for _, f := range files(of) {
		if err := os.WriteFile(f, []byte(f), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	return func(now map[string]any) {
		if diff := gocmp.Diff(files(of), files(now)); diff != "" {
			s.Errorf("other volumes:\n%s", diff)
		}
		for _, f := range files(now) {
			if text, err := os.ReadFile(f); err != nil || string(text) != f {
				s.Errorf("lost: %s, %v", text, err)
			}
		}
	}
}
