package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMergedHoldsOfAnEntryEndWithTheLast(t *testing.T) {
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	names, err := ParsePatterns([]string{"web", "db"})
	if err != nil {
		t.Fatal(err)
	}
	sooner, later := Holds{{Pattern: names[0], Until: noon.Add(time.Hour)}}, Holds{{Pattern: names[0], Until: noon.Add(2 * time.Hour)}, {Pattern: names[1], Until: noon}}
	for _, merged := range []Holds{sooner.Merge(later), later.Merge(sooner)} {
		got := map[string]time.Time{}
		for _, h := range merged {
			got[h.String()] = h.Until
		}
		if d := cmp.Diff(map[string]time.Time{"web": noon.Add(2 * time.Hour), "db": noon}, got); d != "" || len(merged) != 2 {
			t.Errorf("%d holds: %s", len(merged), d)
		}
	}
	if !sooner[0].Until.Equal(noon.Add(time.Hour)) {
		t.Error("the holds that were merged have changed")
	}
}
