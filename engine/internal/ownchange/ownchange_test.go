package ownchange

import (
	"strings"
	"testing"
	"time"

	"defib/engine"
)

// The ID of what is created in another one's place is not known before.
func TestWhatIsCreatedInAnothersPlaceIsKnownByItsName(t *testing.T) {
	var c Changes
	old, now := strings.Repeat("a", 64), time.Unix(0, 0)
	c.Begin(old)
	c.Named("new", engine.PassingName("web", old))
	c.Named("other", engine.PassingName("web", strings.Repeat("b", 64)))
	c.Named("third", "web")
	c.End(now, old)
	c.Named("late", engine.PassingName("web", old))
	for id, want := range map[string]bool{old: true, "new": true, "other": false, "third": false, "late": false} {
		if got := c.Has(id, now); got != want {
			t.Errorf("%s counts as our own: %t", id, got)
		}
		if c.Has(id, now.Add(2*Tail)) {
			t.Errorf("%s counts as our own long after that", id)
		}
	}
	c.Forget(now.Add(2 * Tail))
	if len(c.until) > 0 {
		t.Errorf("it keeps %v", c.until)
	}
}

// Another action on the container may have ended in between, and been forgotten.
func TestAnActionThatIsNotKnownMayEnd(t *testing.T) {
	var c Changes
	c.End(time.Unix(0, 0), "a")
	if c.Has("a", time.Unix(0, 0)) {
		t.Error("it has begun")
	}
}
