package restarter

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/hold"
	"defib/restarter/policy"
)

// holdRecheck is how soon a hold file whose file system hangs is looked at again.
const holdRecheck = time.Second

// readHolds looks into the hold file, which other commands write, and returns when to
// look again without news; zero: on news only. What cannot be read closes: as long as
// the file has never been understood everything is on hold, and later what was on hold
// stays so until it expires. What the file does say holds in any case.
func (r *Restarter) readHolds(now time.Time, p *engine.Snapshot) (again time.Time) {
	if r.policy.HoldFile == "" {
		return time.Time{}
	}
	holds, fault := r.policy.Holds.Current(now), error(nil)
	got, current := r.holdFile.Ask()
	if got != nil {
		holds, fault = holds.Merge(got.Holds), got.Err
		if fault == nil {
			holds, r.policy.HoldAll = got.Holds, false
		}
	}
	if !current {
		fault, again = hold.ErrHangs, now.Add(holdRecheck)
	}
	r.warnOfUnmatched(now, p, holds)
	if !slices.Equal(holds, r.policy.Holds) {
		r.policy.Holds = holds
		r.history.ForgetRules()
	}
	r.metrics.onHold.Set(float64(holds.Active(now)))
	r.noteHoldFault(fault)
	return again
}

// warnOfUnmatched warns of each new hold that matches no container: it may be
// misspelt, and what was meant is healed.
func (r *Restarter) warnOfUnmatched(now time.Time, p *engine.Snapshot, holds policy.Holds) {
	fresh := slices.DeleteFunc(slices.Clone(holds), func(h policy.Hold) bool {
		return slices.ContainsFunc(r.policy.Holds, func(old policy.Hold) bool { return old.String() == h.String() })
	})
	for _, h := range fresh.Unmatched(now, p.Containers) {
		r.logger.Warn("hold matches no container", "entry", h.String(), "until", h.Until)
	}
}

// noteHoldFault says once what is wrong with the hold file, and once that it is over.
func (r *Restarter) noteHoldFault(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if !r.holdFault.Changed(r.policy.HoldFile, text) {
		return
	}
	r.metrics.holdFileBroken.Set(bit(err != nil))
	switch {
	case err == nil:
		r.logger.Info("hold file is valid again")
	case r.policy.HoldAll:
		r.logger.Warn("cannot read the hold file: everything is on hold until it is fixed", "err", err)
	default:
		r.logger.Warn("cannot read the hold file: what was on hold stays on hold until it expires", "err", err)
	}
}
