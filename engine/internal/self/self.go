// Package self finds the container that this process runs in.
package self

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"defib/engine"
)

var (
	// cgroupID matches the end of a line of /proc/self/cgroup within a container:
	// /docker/ID, /system.slice/docker-ID.scope, /libpod-ID. The last ID is the
	// innermost container's.
	cgroupID = regexp.MustCompile(`[/-]([0-9a-f]{64})(?:\.scope)?(?:/[a-z.]+)?$`)
	// mountID matches the source of a file that an engine mounts into each of its
	// containers: Docker's DIR/containers/ID/hosts, Podman's
	// DIR/overlay-containers/ID/userdata/hosts.
	mountID = regexp.MustCompile(`containers/([0-9a-f]{64})/(?:userdata/)?(?:hostname|hosts|resolv\.conf)$`)
)

// Self is what this process can tell of the container that it runs in. Within a
// private cgroup namespace, the usual with cgroup v2, its cgroup has no name.
type Self struct {
	id      string   // by its cgroup; "" if that does not tell
	network string   // ID of the container, perhaps another, whose network files it has
	command []string // its own command line
}

// Detect reads the kernel's files on this process.
func Detect() Self {
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return read(string(cgroup), string(mounts), os.Args)
}

// read reads /proc/self/cgroup and /proc/self/mountinfo, see cgroups(7) and
// proc(5). They may be empty.
func read(cgroup, mounts string, command []string) Self {
	s := Self{command: command}
	for line := range strings.Lines(cgroup) {
		if m := cgroupID.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			s.id = m[1]
			break
		}
	}
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasPrefix(fields[4], "/etc/") {
			continue
		}
		if m := mountID.FindStringSubmatch(fields[3]); m != nil {
			s.network = m[1]
			break
		}
	}
	return s
}

// Find is the ID of the container that this process runs in, which need not be one
// of these; "" if it seems to be in none. One with network_mode container:X has the
// files of X: then it is known among those who share them by its command.
func (s Self) Find(cs []*engine.Container) string {
	if s.id != "" || s.network == "" {
		return s.id
	}
	for _, c := range cs {
		if c.Shares(engine.Network) == s.network && slices.Equal(c.Command, s.command) {
			return c.ID
		}
	}
	return s.network
}
