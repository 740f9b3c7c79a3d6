package decision

import (
	"testing"
	"time"

	. "defib/restarter/internal/fixture"
)

func TestLaw10WhatIsRememberedOfFiringsIsBounded(t *testing.T) {
	fs := firings{}
	ask := func(i int, now time.Time) firingKey {
		a := Alert{ID: AlertID{byte(i), byte(i >> 8)}, Since: Noon, Asked: now}
		fs.hear(now, a, "web")
		return firingKey{a.ID, Noon.UnixNano(), "web"}
	}
	oldest, newest := ask(0, Noon), firingKey{}
	for i := range maxFirings {
		newest = ask(i+1, Noon.Add(time.Duration(i+1)*time.Second))
	}
	fs.forget(Noon)
	if len(fs) != maxFirings || fs[oldest] != nil || fs[newest] == nil {
		t.Errorf("%d firings, want the %d that were last heard of", len(fs), maxFirings)
	}
	fs.forget(Noon.Add(maxFirings*time.Second + firingWindow))
	if len(fs) != 0 {
		t.Errorf("%d firings, want none: nobody has spoken of them for days", len(fs))
	}
}

func TestOfAnAlertThatDoesNotSaySinceWhenNoFiringIsKept(t *testing.T) {
	fs := firings{}
	if f := fs.hear(Noon, Alert{Asked: Ago(time.Second)}, "web"); len(fs) != 0 || !f.heard.Equal(Ago(time.Second)) {
		t.Errorf("%d firings are kept; %+v", len(fs), f)
	}
}
