package history

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
)

func TestParentIsKnownByEachNameThatItHad(t *testing.T) {
	named := func(id, name string) *engine.Container { return Running(Named(id, name), In("shop", "vpn")) }
	known := NetworkParent{}
	for _, row := range []struct {
		id, name string
		news     bool
		want     string
	}{
		{"a", "vpn", true, "vpn"},
		{"a", "vpn", false, "vpn"},
		{"a", "kXyWq", true, "vpn kXyWq"}, // an updater makes room
		{"a", "kXyWq.defib-0123456789ab", false, "vpn kXyWq"},
		{"a", "", false, "vpn kXyWq"},
		{"a", "1", true, "vpn kXyWq 1"},
		{"a", "2", true, "vpn kXyWq 1 2"},
		{"a", "3", true, "kXyWq 1 2 3"},
		{"b", "vpn", true, "vpn"}, // another container
	} {
		before := known
		fresh, news := known.note(named(row.id, row.name))
		if got := strings.Join(fresh.Names, " "); news != row.news || got != row.want {
			t.Errorf("%s seen as %q: %q, news %t; want %q, %t", row.id, row.name, got, news, row.want, row.news)
		}
		if diff := cmp.Diff(before, known); diff != "" {
			t.Error("what was handed out has changed:", diff)
		}
		known = fresh
	}
	if known.Project != "shop" || known.Service != "vpn" || known.ID != "b" {
		t.Errorf("knows %+v", known)
	}
}
