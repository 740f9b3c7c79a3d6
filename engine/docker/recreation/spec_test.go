package recreation

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/google/go-cmp/cmp"
)

func TestVolumesWithoutANameAreFoundByTheNameThatTheyWereGiven(t *testing.T) {
	vol := func(name, at string) container.MountPoint {
		return container.MountPoint{Type: mount.TypeVolume, Name: name, Destination: at, RW: true}
	}
	added := func(name, at string) mount.Mount {
		return mount.Mount{Type: mount.TypeVolume, Source: name, Target: at, VolumeOptions: &mount.VolumeOptions{NoCopy: true}}
	}
	for name, tc := range map[string]struct {
		anonymous  []string // Config.Volumes
		binds      []string
		mounts     []mount.Mount
		there      []container.MountPoint
		wantBinds  []string
		wantMounts []mount.Mount
	}{
		"none": {},
		"of the image or of -v": {
			anonymous: []string{"/b/", "/a"}, there: []container.MountPoint{vol("one", "/a"), vol("two", "/b")},
			wantMounts: []mount.Mount{added("one", "/a"), added("two", "/b/")},
		},
		"covered by one with a name": {
			anonymous: []string{"/a"}, binds: []string{"named:/a:ro"}, there: []container.MountPoint{vol("named", "/a")},
			wantBinds: []string{"named:/a:ro"},
		},
		"a folder of the host that is called like a volume's place": {
			anonymous: []string{"/a"}, binds: []string{"/a:/b"}, there: []container.MountPoint{{Type: mount.TypeBind, Source: "/a", Destination: "/b"}, vol("one", "/a")},
			wantBinds: []string{"/a:/b"}, wantMounts: []mount.Mount{added("one", "/a")},
		},
		"a bind without a source": {
			binds: []string{"/a"}, there: []container.MountPoint{vol("one", "/a")},
			wantBinds: []string{"one:/a"},
		},
		"a mount without a source": {
			mounts: []mount.Mount{{Type: mount.TypeVolume, Target: "/a/", ReadOnly: true}, {Type: mount.TypeTmpfs, Target: "/t"}}, there: []container.MountPoint{vol("one", "/a")},
			wantMounts: []mount.Mount{{Type: mount.TypeVolume, Source: "one", Target: "/a/", ReadOnly: true}, {Type: mount.TypeTmpfs, Target: "/t"}},
		},
		"covered by a file system in memory": {anonymous: []string{"/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			old := container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{Binds: tc.binds, Mounts: tc.mounts}}, Mounts: tc.there}
			anonymous := map[string]struct{}{}
			for _, target := range tc.anonymous {
				anonymous[target] = struct{}{}
			}
			binds, mounts := volumesByName(old, anonymous)
			if diff := cmp.Diff(tc.wantBinds, binds); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.wantMounts, mounts); diff != "" {
				t.Error(diff)
			}
			if len(tc.mounts) > 0 && tc.mounts[0].Source != "" {
				t.Error("the old one's was changed")
			}
		})
	}
}

func TestWhatTheEngineRefusesBesideAnothersNetworkIsLeftOut(t *testing.T) {
	f := newFake(t)
	old := f.containers[oldID]
	old.Config.Hostname, old.Config.Domainname = "vpn", "example.org"
	if err := errors.Join(json.Unmarshal([]byte(`{"ExposedPorts": {"80/tcp": {}}}`), old.Config), json.Unmarshal([]byte(`{"PortBindings": {"80/tcp": null}}`), old.HostConfig)); err != nil {
		t.Fatal(err)
	}
	old.HostConfig.DNS, old.HostConfig.ExtraHosts, old.HostConfig.Links = []string{"192.0.2.1"}, []string{"a:192.0.2.2"}, []string{"a:b"}
	old.HostConfig.PublishAllPorts = true
	s, err := specOf(*old, "app", parentID)
	if err != nil {
		t.Fatal(err)
	}
	if c := s.config; c.Hostname != "" || c.Domainname != "" || c.ExposedPorts != nil {
		t.Errorf("%+v", c)
	}
	if h := s.host; h.DNS != nil || h.ExtraHosts != nil || h.Links != nil || h.PortBindings != nil || h.PublishAllPorts {
		t.Errorf("%+v", h)
	}
	if old.Config.Hostname == "" || old.HostConfig.Links == nil {
		t.Error("the old one's was changed")
	}
}

func TestWhatCannotBeCreatedAnewIsDeclined(t *testing.T) {
	for says, change := range map[string]func(*container.HostConfig){
		"shares no other container's network":  func(h *container.HostConfig) { h.NetworkMode = "bridge" },
		"shares another container's processes": func(h *container.HostConfig) { h.PidMode = "container:x" },
		"another container's processes or IPC": func(h *container.HostConfig) { h.IpcMode = "container:x" },
		"it is removed when it ends (--rm)":    func(h *container.HostConfig) { h.AutoRemove = true },
	} {
		f := newFake(t)
		change(f.containers[oldID].HostConfig)
		if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err == nil || !strings.Contains(err.Error(), says) || len(f.calls) > 0 {
			t.Errorf("%v: %v", err, f.calls)
		}
	}
}
