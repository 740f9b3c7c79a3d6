package history

import (
	"slices"

	"defib/engine"
	"defib/restarter/policy"
)

// NetworkParent is what is known of the container whose network another one shares, or shared. The
// zero value is that of none. A published value never changes.
type NetworkParent struct {
	ID      string   `json:"id"`
	Names   []string `json:"names"` // that it had, the newest last
	Project string   `json:"project,omitzero"`
	Service string   `json:"service,omitzero"`
}

// maxNames is how many names of a parent are kept: who replaces a container may rename it
// more than once.
const maxNames = 4

// note returns what is known of the parent once it was seen as it is, and whether that is
// news.
func (known NetworkParent) note(parent *engine.Container) (NetworkParent, bool) {
	if _, _, passing := engine.ParsePassingName(parent.Name); passing || parent.Name == "" {
		return known, false
	}
	if known.ID != parent.ID {
		known = NetworkParent{ID: parent.ID, Project: parent.Project(), Service: parent.Service()}
	}
	if slices.Contains(known.Names, parent.Name) {
		return known, false
	}
	names := append(slices.Clone(known.Names), parent.Name)
	known.Names = names[max(0, len(names)-maxNames):]
	return known, true
}

// noteParent takes note of the container whose network this one shares, in case that is
// re-created, and reports whether there is news. Only those that may be re-created
// themselves have use for it.
func (r *Record) noteParent(p *engine.Snapshot, c *engine.Container, rule policy.Rule) (news bool) {
	if !rule.Recreate {
		return false
	}
	if parent, _ := p.ParentOf(c, engine.Network); parent != nil {
		r.Parent, news = r.Parent.note(parent)
	}
	return news
}

// succeed has the record of a container go on as that of the one that has taken its place:
// what was tried so far counts on. Whole says that nothing is left to be done about the old
// one but to remove it.
func (h *History) succeed(old, successor *engine.Container, whole bool) {
	rec := h.Records[old.ID]
	next := *rec
	next.Acting, next.Parent, next.Joined = false, h.At(successor.ID).Parent, nil
	next.ruled, next.last = nil, successor
	h.Records[successor.ID] = &next
	if whole {
		h.Records[old.ID] = &Record{last: rec.last}
	}
}
