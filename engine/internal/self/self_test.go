package self

import (
	"strings"
	"testing"

	"defib/engine"
)

func TestDefibKnowsItsOwnContainer(t *testing.T) {
	mine, other, outer := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	mounts := func(source string) string {
		return "707 620 0:50 / / rw,relatime - overlay overlay rw\n" +
			"720 707 0:52 / /dev/shm rw - tmpfs shm rw\n" +
			"733 707 254:1 " + source + "/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n" +
			"734 707 254:1 " + source + "/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n"
	}
	docker := func(id string) string { return mounts("/var/lib/docker/containers/" + id) }
	command := []string{"/defib", "--restart.whitelist=*"}
	sharing := []*engine.Container{
		{ID: other, Command: []string{"/vpn"}},
		{ID: outer, Parents: []engine.Parent{{Namespace: engine.Network, Container: other}}, Command: []string{"/torrent"}},
		{ID: mine, Parents: []engine.Parent{{Namespace: engine.Network, Container: other}}, Command: command},
	}
	for name, row := range map[string]struct {
		cgroup, mounts string
		cs             []*engine.Container
		want           string
	}{
		"cgroup v1":                                           {"12:pids:/docker/" + mine + "\n0::/docker/" + mine + "\n", docker(mine), nil, mine},
		"cgroup v1, systemd":                                  {"12:pids:/system.slice/docker-" + mine + ".scope\n", "", nil, mine},
		"cgroup v2, the host's namespace":                     {"0::/system.slice/docker-" + mine + ".scope\n", docker(mine), nil, mine},
		"cgroup v2, with an init of its own":                  {"0::/system.slice/docker-" + mine + ".scope/init.scope\n", docker(mine), nil, mine},
		"cgroup v2, a private namespace":                      {"0::/\n", docker(mine), nil, mine},
		"an engine within a container":                        {"0::/docker/" + outer + "/docker/" + mine + "\n", docker(mine), nil, mine},
		"Podman":                                              {"0::/machine.slice/libpod-" + mine + ".scope/container\n", "", nil, mine},
		"Podman, a private namespace":                         {"0::/\n", mounts("/storage/overlay-containers/" + mine + "/userdata"), nil, mine},
		"another's network":                                   {"0::/docker/" + mine + "\n", docker(other), sharing, mine},
		"another's network, a private namespace":              {"0::/\n", docker(other), sharing, mine},
		"no container":                                        {"0::/user.slice/user-1000.slice/session-3.scope\n", "25 30 0:23 / /sys rw - sysfs sysfs rw\n", nil, ""},
		"on a host that mounts a container's files elsewhere": {"0::/\n", strings.ReplaceAll(docker(mine), " /etc/", " /srv/"), nil, ""},
		"no proc": {"", "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(row.cgroup, row.mounts, command).Find(row.cs); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
