package restarter

import (
	"errors"
	"slices"
	"time"

	"defib/engine"
)

const (
	// holdPatience is how long a reconcile waits for the hold file. A disk answers a
	// thousand times sooner.
	holdPatience = 250 * time.Millisecond
	// holdAgain is how soon a file system that hangs is looked at again.
	holdAgain = time.Second
)

var errHoldFileHangs = errors.New("the file system of the hold file does not answer")

// reading is what a hold file said.
type reading struct {
	holds Holds
	err   error
}

// holdReader reads the hold file beside the loop, which a network file system must
// not stop. There is at most one read under way.
type holdReader struct {
	read    func() (Holds, error)
	results chan reading
	reading bool
}

func newHoldReader(file string) *holdReader {
	return &holdReader{
		read:    rereadHolds(file),
		results: make(chan reading, 1), // so that a read ends also if nobody asks any more
	}
}

// ask returns what the file says, nil if that is not known, and whether it is of now.
// While a read hangs it does not wait.
func (h *holdReader) ask() (got *reading, current bool) {
	if h.reading {
		select {
		case late := <-h.results: // the file may have changed since: it is read again
			got = &late
		default:
			return nil, false
		}
	}
	h.reading = true
	go func() {
		holds, err := h.read()
		h.results <- reading{holds, err}
	}()
	select {
	case now := <-h.results:
		h.reading = false
		return &now, true
	case <-time.After(holdPatience):
		return got, false
	}
}

// readHolds looks into the hold file, which other commands write, and returns when to
// look again without news; zero: on news only. What cannot be read closes: as long as
// the file has never been understood everything is on hold, and later what was on hold
// stays so until it expires. What the file does say holds in any case.
func (r *Restarter) readHolds(now time.Time, p *engine.Snapshot) (again time.Time) {
	if r.policy.HoldFile == "" {
		return time.Time{}
	}
	holds, fault := r.policy.Holds.after(now), error(nil)
	got, current := r.holdFile.ask()
	if got != nil {
		holds, fault = holds.and(got.holds), got.err
		if fault == nil {
			holds, r.policy.HoldAll = got.holds, false
		}
	}
	if !current {
		fault, again = errHoldFileHangs, now.Add(holdAgain)
	}
	r.warnOfUnmatched(now, p, holds)
	if !slices.Equal(holds, r.policy.Holds) {
		r.policy.Holds = holds
		r.history.forgetRules()
	}
	r.metrics.onHold.Set(float64(holds.Active(now)))
	r.noteHoldFault(fault)
	return again
}

// warnOfUnmatched warns of each new hold that matches no container: it may be
// misspelt, and what was meant is healed.
func (r *Restarter) warnOfUnmatched(now time.Time, p *engine.Snapshot, holds Holds) {
	fresh := slices.DeleteFunc(slices.Clone(holds), func(h Hold) bool {
		return slices.ContainsFunc(r.policy.Holds, func(old Hold) bool { return old.text == h.text })
	})
	for _, h := range fresh.Unmatched(now, p.Containers) {
		r.logger.Warn("no container matches a hold", "entry", h.String(), "until", h.Until)
	}
}

// noteHoldFault says once what is wrong with the hold file, and once that it is over.
func (r *Restarter) noteHoldFault(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == r.holdFault {
		return
	}
	r.holdFault = text
	r.metrics.holdFileBroken.Set(bit(err != nil))
	switch {
	case err == nil:
		r.logger.Info("the hold file can be read again")
	case r.policy.HoldAll:
		r.logger.Warn("the hold file cannot be read: everything is on hold until it can", "err", err)
	default:
		r.logger.Warn("the hold file cannot be read: what was on hold stays so until it expires", "err", err)
	}
}
