package recreation

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// spec is what a container is created of.
type spec struct {
	config   *container.Config
	host     *container.HostConfig
	platform *ocispec.Platform // nil: the engine's own
}

// specOf is what a container like old is made of, in the network of the parent, from this
// image. What an inspect shows and the engine refuses together with another's network is
// left out: it is of the parent, or of the image.
func specOf(old container.InspectResponse, image, parentID string) (spec, error) {
	if old.ContainerJSONBase == nil || old.Config == nil || old.HostConfig == nil {
		return spec{}, errors.New("the engine does not say what it is made of")
	}
	config, host := *old.Config, *old.HostConfig
	if err := possible(&host); err != nil {
		return spec{}, err
	}
	config.Image = image
	config.Hostname, config.Domainname, config.ExposedPorts = "", "", nil
	if len(config.Entrypoint) == 0 {
		config.Entrypoint = []string{""} // nil would mean the image's, which it was made without
	}
	host.NetworkMode = container.NetworkMode("container:" + parentID)
	host.PortBindings, host.PublishAllPorts, host.Links, host.DNS, host.ExtraHosts = nil, false, nil, nil, nil
	host.Binds, host.Mounts = volumesByName(old, config.Volumes)
	s := spec{config: &config, host: &host}
	if m := old.ImageManifestDescriptor; m != nil {
		s.platform = m.Platform // of an image of several platforms
	}
	return s, nil
}

// possible says what cannot be re-created.
func possible(h *container.HostConfig) error {
	switch {
	case !h.NetworkMode.IsContainer():
		return errors.New("it shares no other container's network")
	case h.PidMode.IsContainer(), h.IpcMode.IsContainer():
		return errors.New("it shares another container's processes or IPC")
	case h.AutoRemove:
		return errors.New("it is removed when it ends (--rm)")
	}
	return nil
}

// volumesByName are the mounts that a container was created with, those of volumes without
// a name by the names that they were given, so that no new ones are made. A volume stays as
// it is: an empty one is not filled from the image again.
func volumesByName(old container.InspectResponse, anonymous map[string]struct{}) (binds []string, mounts []mount.Mount) {
	volumes := map[string]container.MountPoint{} // by destination
	for _, m := range old.Mounts {
		if m.Type == mount.TypeVolume && m.Name != "" {
			volumes[m.Destination] = m
		}
	}
	take := func(target string) (name string) {
		target = path.Clean(target)
		defer delete(volumes, target)
		return volumes[target].Name
	}
	binds = slices.Clone(old.HostConfig.Binds)
	for i, b := range binds {
		source, rest, named := strings.Cut(b, ":")
		target, _, _ := strings.Cut(rest, ":")
		if named {
			take(target)
		} else if name := take(source); name != "" {
			binds[i] = name + ":" + b
		}
	}
	mounts = slices.Clone(old.HostConfig.Mounts)
	for i, m := range mounts {
		if name := take(m.Target); m.Type == mount.TypeVolume && m.Source == "" {
			mounts[i].Source = name
		}
	}
	for _, target := range slices.Sorted(maps.Keys(anonymous)) {
		readOnly := !volumes[path.Clean(target)].RW
		if name := take(target); name != "" {
			mounts = append(mounts, mount.Mount{
				Type: mount.TypeVolume, Source: name, Target: target, ReadOnly: readOnly, VolumeOptions: &mount.VolumeOptions{NoCopy: true},
			})
		}
	}
	return binds, mounts
}

// place is what is mounted where.
type place struct{ kind, what, where string }

// places are what a container has mounted.
func places(in container.InspectResponse) map[place]bool {
	all := map[place]bool{}
	for _, m := range in.Mounts {
		p := place{string(m.Type), m.Name, m.Destination}
		if m.Name == "" && m.Type != mount.TypeTmpfs {
			p.what = m.Source
		}
		all[p] = m.RW
	}
	return all
}

// digest is which image of several platforms a container has; "": there is but one.
func digest(in container.InspectResponse) string {
	if in.ImageManifestDescriptor == nil {
		return ""
	}
	return in.ImageManifestDescriptor.Digest.String()
}
