package history

import (
	"defib/engine"
	"defib/restarter/policy"
	"defib/restarter/succession"
)

// noteParent takes note of the container whose network this one shares, in case that is
// re-created, and reports whether there is news. Only those that may be re-created
// themselves have use for it.
func (r *Record) noteParent(p *engine.Snapshot, c *engine.Container, rule policy.Rule) (news bool) {
	if !rule.Recreate {
		return false
	}
	if parent, _ := p.ParentOf(c, engine.Network); parent != nil {
		r.Parent, news = r.Parent.Note(parent)
	}
	return news
}

// succeed has the record of a container go on as that of the one that has taken its place:
// what was tried so far counts on. Whole says that nothing is left to be done about the old
// one but to remove it.
func (h *History) succeed(old, successor *engine.Container, whole bool) {
	rec := h.Records[old.ID]
	next := *rec
	next.Acting, next.Parent, next.Joined = false, succession.Parent{}, nil
	next.ruled, next.last = nil, successor
	h.Records[successor.ID] = &next
	if whole {
		h.Records[old.ID] = &Record{last: rec.last}
	}
}
