// Package cgroup finds the cgroups of containers in what is mounted here.
package cgroup

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Hierarchy is one tree of cgroups, by what can be read there.
type Hierarchy int

// The hierarchies. What has version 2 alone has Unified alone; a hybrid has all.
const (
	Unified Hierarchy = iota
	CPUAcct
	CPU
	Memory
	Blkio
	numHierarchies
)

var controllers = [numHierarchies]string{CPUAcct: "cpuacct", CPU: "cpu", Memory: "memory", Blkio: "blkio"}

// Tree is where each hierarchy is mounted; "" if it is not.
type Tree [numHierarchies]string

// Find finds what is mounted below what is /sys/fs/cgroup on most hosts. Controllers
// that share a hierarchy may be below cpu,cpuacct alone, or linked to that: links are
// resolved, since no walk begins at one.
func Find(root string) Tree {
	root = filepath.Clean(root)
	isUnified := func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "cgroup.controllers"))
		return err == nil
	}
	if isUnified(root) {
		return Tree{Unified: root}
	}
	var t Tree
	if dir := filepath.Join(root, "unified"); isUnified(dir) {
		t[Unified] = dir
	}
	mounts, _ := os.ReadDir(root)
	for _, m := range mounts {
		dir, err := filepath.EvalSymlinks(filepath.Join(root, m.Name()))
		if err != nil || !isDir(dir) {
			continue
		}
		for name := range strings.SplitSeq(m.Name(), ",") {
			if h := slices.Index(controllers[:], name); h >= 0 {
				t[h] = dir
			}
		}
	}
	return t
}

// Main is the hierarchy whose paths stand for a container.
func (t *Tree) Main() Hierarchy {
	if t[CPUAcct] != "" {
		return CPUAcct
	}
	return Unified
}

// String tells what is mounted.
func (t *Tree) String() string {
	switch {
	case t[t.Main()] == "":
		return "none"
	case t.Main() == Unified:
		return "v2"
	case t[Unified] != "":
		return "v1, and v2 for the pressure"
	}
	return "v1"
}

func isDir(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// Paths are those of a container's cgroup, by hierarchy; "" where it has none of its own.
type Paths [numHierarchies]string

// reported reads /proc/PID/cgroup, and takes only paths that bear the ID: anything else
// is another process, as the engine may be on another host, or count processes in
// another namespace.
// Source: cgroups(7), section "/proc files".
func reported(data []byte, id string) (p Paths, ok bool) {
	for line := range bytes.Lines(data) {
		_, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(":"))
		names, at, _ := bytes.Cut(rest, []byte(":"))
		own := ownPath(string(at), id)
		if own == "" {
			continue
		}
		if len(names) == 0 {
			p[Unified], ok = own, true
		}
		for name := range bytes.SplitSeq(names, []byte(",")) {
			for h, controller := range controllers {
				if controller != "" && string(name) == controller {
					p[h], ok = own, true
				}
			}
		}
	}
	return p, ok
}

// ownPath cuts a path behind the name that bears the ID: what follows are cgroups that
// the container, or Podman, made below its own.
func ownPath(p, id string) string {
	at := strings.LastIndex(p, id)
	if at < 0 {
		return ""
	}
	if slash := strings.IndexByte(p[at:], '/'); slash >= 0 {
		return p[:at+slash]
	}
	return p
}

// cgroupName matches ID, docker-ID.scope and the like. No container's are systemd's units
// for a mount or a health check of one.
var cgroupName = regexp.MustCompile(`^(?:.+-)?([0-9a-f]{64})(?:\.scope)?$`)

// conmon is how the cgroup of the process begins that Podman has beside each container.
const conmon = "libpod-conmon-"

// index returns the path of each cgroup below a root whose name bears a container's ID:
// of several the outermost.
func index(root string) map[string]string {
	found := map[string]string{}
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // it went away meanwhile, or may not be read
		}
		named := cgroupName.FindStringSubmatch(d.Name())
		if named == nil || strings.HasPrefix(d.Name(), conmon) {
			return nil
		}
		if id := named[1]; found[id] == "" {
			found[id] = strings.TrimPrefix(name, root)
		}
		return nil
	})
	return found
}

// Locator finds the cgroups of containers. It is for one goroutine at a time.
type Locator struct {
	Tree Tree

	procfs  string
	parents map[string]string // from what the kernel calls a parent to its path below the root, where these differ
	indexed map[string]string // by ID; nil: nobody has looked since Refresh
}

// maxParents is how many are remembered: in some trees each container has its own.
const maxParents = 1000

// NewLocator returns a Locator that looks for processes below procfs, where the host's
// /proc is, and for cgroups in a tree.
func NewLocator(procfs string, tree Tree) *Locator {
	return &Locator{Tree: tree, procfs: procfs, parents: map[string]string{}}
}

// Refresh has the tree searched anew, if that is needed.
func (l *Locator) Refresh() { l.indexed = nil }

// Place is where a container's cgroup is.
type Place struct {
	Path string // what the host calls it, as /docker/ID
	Dirs Paths  // absolute
	Proc bool   // its process is one of this /proc
}

// Locate finds the cgroup of a container by its process, else by its name. Self says that
// Defib runs in it: the kernel calls the reader's own cgroup "/" where each container has
// a namespace of cgroups.
func (l *Locator) Locate(id string, pid int, self bool) (at Place, ok bool) {
	data, err := os.ReadFile(filepath.Join(l.procfs, strconv.Itoa(pid), "cgroup"))
	said, seen := reported(data, id)
	at.Proc = seen || self && err == nil
	main := said[l.Tree.Main()]
	if l.enter(&at, said) {
		at.Path = main
		return at, true
	}
	// What is mounted here may begin elsewhere than the paths that the kernel tells.
	parent, known := l.parents[path.Dir(main)]
	if known && l.enter(&at, l.everywhere(path.Join(parent, path.Base(main)))) {
		at.Path = outermost(main, path.Join(parent, path.Base(main)))
		return at, true
	}
	if l.indexed == nil {
		l.indexed = index(l.Tree[l.Tree.Main()])
	}
	own := l.indexed[id]
	if own == "" || !l.enter(&at, l.everywhere(own)) {
		return at, false
	}
	l.learn(main, own)
	at.Path = outermost(main, own)
	return at, true
}

// learn remembers where the parent of a cgroup is. What is forgotten costs a walk.
func (l *Locator) learn(told, own string) {
	if told == "" {
		return
	}
	if len(l.parents) >= maxParents {
		clear(l.parents)
	}
	l.parents[path.Dir(told)] = path.Dir(own)
}

// outermost is the path by which the host knows a cgroup: what the kernel tells, unless
// it tells it from within a namespace.
func outermost(told, own string) string {
	if told == "" || strings.HasPrefix(told, "/..") {
		return own
	}
	return told
}

// everywhere is the same path in each hierarchy.
func (l *Locator) everywhere(own string) (p Paths) {
	for h := range p {
		p[h] = own
	}
	return p
}

// enter notes which of these cgroups there are, and reports whether the main one is.
func (l *Locator) enter(at *Place, p Paths) bool {
	for h, root := range l.Tree {
		at.Dirs[h] = ""
		if root == "" || p[h] == "" || strings.HasPrefix(p[h], "/..") {
			continue
		}
		if dir := root + p[h]; isDir(dir) {
			at.Dirs[h] = dir
		}
	}
	return at.Dirs[l.Tree.Main()] != ""
}
