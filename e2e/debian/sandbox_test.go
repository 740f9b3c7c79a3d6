package debian

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// How directives of the unit show in what the kernel says of the process: as a line of its
// status; as the last mount on a path, which has a root that ends so, and an option. What
// systemd-nspawn does to the whole system, such as a /proc/sys that is read-only, shows nothing.
var (
	statuses = map[string]string{
		"AmbientCapabilities=":   "CapAmb: 0000000000000000",
		"CapabilityBoundingSet=": "CapBnd: 0000000000000000",
		"NoNewPrivileges=yes":    "NoNewPrivs: 1",
		"UMask=0077":             "Umask: 0077",
	}
	mountPoints = map[string][3]string{ // path, end of the root, option
		"ProtectSystem=strict":      {"/", "/", "ro"},
		"StateDirectory=defib":      {"/var/lib/defib", "/var/lib/defib", "rw"},
		"ProtectHome=yes":           {"/root", "/inaccessible/dir", "ro"},
		"PrivateTmp=yes":            {"/tmp", "/tmp", "rw"},
		"PrivateDevices=yes":        {"/dev", "/", "ro"},
		"ProtectControlGroups=yes":  {"/sys/fs/cgroup", "/", "ro"},
		"ProtectKernelLogs=yes":     {"/proc/kmsg", "/inaccessible/reg", "ro"},
		"ProtectKernelTunables=yes": {"/proc/kallsyms", "/inaccessible/reg", "ro"},
	}
)

// probes are what the unit forbids and any user may do else. Perl is in every Debian.
var probes = map[string]string{
	"LockPersonality=yes":        "setarch --addr-no-randomize true",
	"MemoryDenyWriteExecute=yes": fmt.Sprintf(`perl -e 'exit(syscall(%d, 0, 4096, 7, 0x22, -1, 0) == -1)'`, map[string]int{"amd64": 9, "arm64": 222, "arm": 192}[runtime.GOARCH]), // mmap
	"RestrictAddressFamilies=":   `perl -e 'exit(!socket(S, 16, 3, 0))'`,                                                                                                          // netlink
	"RestrictNamespaces=yes":     "unshare --user true",
	"RestrictSUIDSGID=yes":       "f=$(mktemp) && chmod u+s $f",
	"SystemCallFilter=":          "chrt --batch 0 true",
}

// checkSandbox checks that the directives of the unit take effect.
func (s *system) checkSandbox() {
	s.Helper()
	pid := "/proc/$(systemctl show --value -p MainPID defib)/"
	status, _ := s.ask("tr '\\t' ' ' <" + pid + "status")
	lines := strings.Split(status, "\n")
	for directive, want := range statuses {
		s.took(directive, slices.Contains(lines, want), want)
	}
	uid, _ := s.ask("id -u defib")
	gid, _ := s.ask("getent group docker | cut -d: -f3")
	s.took("User=defib", uid != "0" && slices.Contains(lines, strings.TrimSuffix("Uid:"+strings.Repeat(" "+uid, 4), " ")), uid)
	s.took("SupplementaryGroups=docker", slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "Groups:") && slices.Contains(strings.Fields(l), gid)
	}), gid)
	for directive, namespace := range map[string]string{"PrivateUsers=yes": "user", "ProtectHostname=yes": "uts", "ProtectSystem=": "mnt"} {
		_, err := s.ask(fmt.Sprintf("[ $(readlink %sns/%s) != $(readlink /proc/1/ns/%s) ]", pid, namespace, namespace))
		s.took(directive, err == nil, "a namespace of its own: "+namespace)
	}
	info, _ := s.ask("cat " + pid + "mountinfo")
	for directive, want := range mountPoints {
		s.took(directive, mounted(info, want), strings.Join(want[:], " "))
	}
	s.probe()
}

// mounted reports whether the last mount on a path has this end of its root, and this option.
func mounted(info string, want [3]string) bool {
	found := false
	for line := range strings.Lines(info) {
		if f := strings.Fields(line); len(f) > 5 && f[4] == want[0] {
			found = strings.HasSuffix(f[3], want[1]) && slices.Contains(strings.Split(f[5], ","), want[2])
		}
	}
	return found
}

// probe tries what is forbidden, as the unit's user in a unit that differs by its program, and
// without one.
func (s *system) probe() {
	s.Helper()
	script := ""
	for directive, try := range probes {
		script += fmt.Sprintf("(%s) >/dev/null 2>&1 && echo 'allowed %s' || echo 'refused %s'\n", try, directive, directive)
	}
	const unit = "/usr/lib/systemd/system/defib.service"
	inside := s.do(`cat >/run/probe <<'END' && sed 's|^ExecStart=.*|ExecStart=/bin/bash /run/probe\nStandardOutput=file:/run/probe.said|; s/^Type=.*/Type=oneshot/; /^Restart/d' ` + unit + ` >/run/systemd/system/probe.service && systemctl daemon-reload && systemctl start probe && cat /run/probe.said
` + script + "END")
	outside, err := s.ask("cd /tmp && setpriv --reuid=defib --regid=defib --clear-groups bash /run/probe; rm /run/probe* /run/systemd/system/probe.service; systemctl daemon-reload")
	if err != nil {
		s.Fatal(err)
	}
	for directive, try := range probes {
		if !strings.Contains(outside, "allowed "+directive) {
			s.Logf("%s: nothing can be said, since here nobody may do: %s", directive, try)
			continue
		}
		s.took(directive, strings.Contains(inside, "refused "+directive), "refused: "+try)
	}
}

// took logs that a directive took effect, or fails.
func (s *system) took(directive string, effect bool, how string) {
	s.Helper()
	if !effect {
		s.Errorf("%s took no effect, want %s", directive, how)
		return
	}
	s.Logf("%s took effect: %s", directive, how)
}
