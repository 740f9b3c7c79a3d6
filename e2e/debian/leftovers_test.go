package debian

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// everything is what a system has: its files but for their contents, its users and groups, and
// its units. Logs, caches and the back-ups of dpkg and of the user database are no part of it.
func (s *system) everything() []string {
	s.Helper()
	out, err := s.ask(`cd /
		find . -xdev \( -path ./var/log -o -path ./var/cache -o -path ./var/lib/apt -o -path './var/lib/dpkg/*-old' -o -path './etc/*-' \) -prune -o -printf '%M %u:%g %p %l\n'
		sed 's/^/passwd /' /etc/passwd; sed 's/^/group /' /etc/group; cut -d: -f1 /etc/shadow /etc/gshadow
		systemctl list-units --all --plain --no-legend '*defib*'
		dpkg -l | sed 's/^/dpkg /'
		grep -hsx defib /proc/[0-9]*/comm`)
	lines := strings.Split(out, "\n")
	if err != nil && len(lines) < 1000 { // grep finds none
		s.Fatalf("%v\n%s", err, out)
	}
	slices.Sort(lines)
	return lines
}

// compare fails if the system has something else than before.
func (s *system) compare(before []string) {
	s.Helper()
	if d := cmp.Diff(before, s.everything()); d != "" {
		s.Errorf("-before +after:\n%s", d)
		return
	}
	s.Logf("%d files, users, groups, units and packages are as before", len(before))
}
