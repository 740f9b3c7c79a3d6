package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// idOf makes an ID of a number.
func idOf(n int) string { return fmt.Sprintf("%064x", n) }

func TestOneWalkFindsTheWayForAll(t *testing.T) {
	root, procfs := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(root, "cgroup.controllers"), "cpu\n")
	for i := range 10 { // as the kernel tells a reader in a namespace of cgroups
		write(filepath.Join(root, "docker", idOf(i), "cpu.stat"), "usage_usec 1\n")
		write(filepath.Join(procfs, fmt.Sprint(i+1), "cgroup"), "0::/../"+idOf(i)+"\n")
	}
	l := NewLocator(procfs, Find(root))
	if _, ok := l.Locate(idOf(0), 1, false); !ok {
		t.Fatal("the first is not found")
	}
	l.indexed = map[string]string{} // a walk would find nothing
	for i := range 10 {
		at, ok := l.Locate(idOf(i), i+1, false)
		if !ok || at.Path != "/docker/"+idOf(i) || !at.Proc {
			t.Errorf("%d: %+v, %t", i, at, ok)
		}
	}
}

func TestParentsAreNotRememberedWithoutEnd(t *testing.T) {
	l := NewLocator("", Tree{})
	for i := range 10_000 { // as of the pod of each container
		l.learn("/../pod-"+idOf(i)+"/"+idOf(i), "/pod-"+idOf(i)+"/"+idOf(i))
	}
	if n := len(l.parents); n > maxParents {
		t.Errorf("%d parents are remembered", n)
	}
}

// FuzzReported reads anything as a /proc/PID/cgroup. No path may be taken that does not
// bear the container's ID.
func FuzzReported(f *testing.F) {
	for _, seed := range []string{"", "::\n", "0::/docker/" + idOf(1) + "\n", "2:cpu,cpuacct:/a/../" + idOf(1) + "/x\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _ := reported(data, idOf(1))
		for _, own := range p {
			if own != "" && !strings.Contains(own, idOf(1)) {
				t.Errorf("%q does not bear the ID", own)
			}
		}
	})
}
