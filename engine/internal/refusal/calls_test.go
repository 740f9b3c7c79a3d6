package refusal

import (
	"testing"
	"time"
)

func TestWhenARefusalEnds(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var c Calls
	if c.Ends(noon, "start", "a") {
		t.Error("what was never refused ends")
	}
	if !c.Begins(noon, "start", "a") || c.Begins(noon, "start", "b") {
		t.Error("a refusal begins once")
	}
	if c.Ends(noon.Add(time.Minute), "start", "a") || c.Ends(noon.Add(time.Minute), "stop", "b") {
		t.Error("it ends by what gets through for another container, or another call")
	}
	if !c.Ends(noon.Add(time.Minute), "start", "b") || !c.Begins(noon, "start", "b") {
		t.Error("it does not end when the last one that was refused gets through")
	}
	if !c.Ends(noon.Add(10*time.Minute), "start", "c") { // b may be gone
		t.Error("it does not end when any gets through long after the last refusal")
	}
	if !c.Begins(noon, "images", "") || !c.Ends(noon, "images", "") {
		t.Error("that of a call about no container does not end")
	}
}
