package engine

import (
	"strings"
)

// Recreation is a container that is re-created, since the one whose network it shares
// was: what it shares cannot be changed. Nothing but the names tells how far one has come,
// so that any life of Defib finds it in the engine's list:
//
//   - The new one is created under a passing name that holds the old one's ID.
//   - The old one gets a passing name that holds the new one's ID, the new one the name.
//     From here on there is no way back but for the Defib that has begun it.
//   - The old one is stopped, the new one is started, and once that has proven itself,
//     the old one is removed.
type Recreation struct {
	Name   string     // that the old one has, or had, and the new one is to have
	Old    *Container // never nil
	New    *Container // nil: it has not been created yet
	Parent *Container // whose network the new one is given; nil unless it is still to be created
}

const passingMark = ".defib-"

// PassingName is the name that a container bears while another one, with this ID, has its
// name, or it is to get the other one's.
func PassingName(name, otherID string) string { return name + passingMark + ShortID(otherID) }

// ParsePassingName takes a passing name apart: the name, and the beginning of the other
// one's ID. Ok is false for any other name.
func ParsePassingName(s string) (name, otherID string, ok bool) {
	i := strings.LastIndex(s, passingMark)
	if i <= 0 {
		return "", "", false
	}
	name, otherID = s[:i], s[i+len(passingMark):]
	if len(otherID) != len(ShortID(strings.Repeat("0", 64))) || strings.Trim(otherID, "0123456789abcdef") != "" {
		return "", "", false
	}
	return name, otherID, true
}
