package history

import (
	"testing"
	"time"

	. "defib/restarter/internal/fixture"
)

func TestLaw10WhatIsRememberedOfFiringsIsBounded(t *testing.T) {
	fs := Firings{}
	ask := func(i int, now time.Time) FiringKey {
		id := AlertID{byte(i), byte(i >> 8)}
		fs.Hear(now, now, id, Noon, "web")
		return FiringKey{id, Noon.UnixNano(), "web"}
	}
	oldest, newest := ask(0, Noon), FiringKey{}
	for i := range maxFirings {
		newest = ask(i+1, Noon.Add(time.Duration(i+1)*time.Second))
	}
	fs.Forget(Noon)
	if len(fs) != maxFirings || fs[oldest] != nil || fs[newest] == nil {
		t.Errorf("%d firings, want the %d that were last heard of", len(fs), maxFirings)
	}
	fs.Forget(Noon.Add(maxFirings*time.Second + firingWindow))
	if len(fs) != 0 {
		t.Errorf("%d firings, want none: nobody has spoken of them for days", len(fs))
	}
}

func TestOfAnAlertThatDoesNotSaySinceWhenNoFiringIsKept(t *testing.T) {
	fs := Firings{}
	if f := fs.Hear(Noon, Ago(time.Second), AlertID{}, time.Time{}, "web"); len(fs) != 0 || !f.Heard.Equal(Ago(time.Second)) {
		t.Errorf("%d firings are kept; %+v", len(fs), f)
	}
}
