package engine

import (
	"testing"
	"time"
)

func TestAParentIsFoundAsDockerFindsIt(t *testing.T) {
	cs := []*Container{{ID: "4f01", Name: "web"}, {ID: "4f02", Name: "vpn"}, {ID: "5aaa", Name: "4f"}, {ID: "5abb", Name: "db"}}
	p := &Snapshot{Containers: cs}
	for of, want := range map[string]*Container{
		"4f02": cs[1], "vpn": cs[1], "4f0": nil, "4f": cs[2], "5ab": cs[3], "5abbb": nil, "nobody": nil, "": nil,
	} {
		if got := p.Parent(Parent{Network, of}); got != want {
			t.Errorf("%q: %v, want %v", of, got, want)
		}
	}
}

func TestWhatOutlivedItsParentIsOrphaned(t *testing.T) {
	now := time.Now()
	parent := &Container{ID: "aa", State: Running, Started: now}
	for name, row := range map[string]struct {
		c    *Container
		with []*Container
		want bool
	}{
		"it came before its parent": {&Container{ID: "bb", State: Running, Started: now.Add(-time.Second)}, []*Container{parent}, true},
		"it came after its parent":  {&Container{ID: "bb", State: Running, Started: now.Add(time.Second)}, []*Container{parent}, false},
		"its parent is gone":        {&Container{ID: "bb", State: Running, Started: now}, nil, true},
		"it is down":                {&Container{ID: "bb", State: Exited}, nil, false},
	} {
		p := &Snapshot{Containers: append(row.with, row.c)}
		if got := row.c.Orphaned(p.Parent(Parent{IPC, "aa"})); got != row.want {
			t.Errorf("%s: orphaned %t", name, got)
		}
	}
}
