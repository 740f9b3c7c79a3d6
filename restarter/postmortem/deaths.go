package postmortem

import (
	"slices"
	"time"
)

const (
	maxPerName = 5
	maxInAll   = 8 << 20 // bytes, about
)

// deaths are what is kept. A death is replaced, never changed, so that it can be handed out.
type deaths struct {
	byName map[string][]*Death // the newest last
	size   int
	number int // of the newest
}

// find returns the end of a run; nil: it is not kept.
func (ds *deaths) find(name string, r run) *Death {
	for _, d := range ds.byName[name] {
		if runOf(d.ID, d.Started) == r {
			return d
		}
	}
	return nil
}

// add keeps a death. Of the same name and in all, the newest stay.
func (ds *deaths) add(d *Death) {
	ds.number++
	d.number = ds.number
	ds.byName[d.Container] = append(ds.byName[d.Container], d)
	ds.size += d.size()
	if len(ds.byName[d.Container]) > maxPerName {
		ds.drop(d.Container)
	}
	ds.shrink()
}

// replace puts what is known by now in the place of a death, if that is still kept.
func (ds *deaths) replace(old, fresh *Death) {
	if i := slices.Index(ds.byName[old.Container], old); i >= 0 {
		ds.byName[old.Container][i] = fresh
		ds.size += fresh.size() - old.size()
		ds.shrink()
	}
}

// shrink drops the oldest until the rest is small enough.
func (ds *deaths) shrink() {
	for ds.size > maxInAll {
		oldest, number := "", 0
		for name, of := range ds.byName {
			if number == 0 || of[0].number < number {
				oldest, number = name, of[0].number
			}
		}
		ds.drop(oldest)
	}
}

// drop drops the oldest of a name.
func (ds *deaths) drop(name string) {
	of := ds.byName[name]
	ds.size -= of[0].size()
	if ds.byName[name] = slices.Clone(of[1:]); len(of) == 1 {
		delete(ds.byName, name)
	}
}

// all returns the deaths, the newest last.
func (ds *deaths) all() []Death {
	all := []Death{}
	for _, of := range ds.byName {
		for _, d := range of {
			all = append(all, *d)
		}
	}
	slices.SortFunc(all, func(a, b Death) int { return a.number - b.number })
	return all
}

// run is one of a container: its ID, and when it began.
type run struct {
	id    string
	began int64
}

func runOf(id string, started time.Time) run { return run{id, started.UnixNano()} }
