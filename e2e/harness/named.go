package harness

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// Lookup returns the container that has a name now, and what the engine says of it; nil if
// there is none.
func (s *Env) Lookup(name string) (*Container, container.InspectResponse) {
	s.Helper()
	b := &Container{Env: s, Name: name}
	var found container.InspectResponse
	s.Must("looking up "+name, func(ctx context.Context) (err error) {
		found, err = s.Engine.ContainerInspect(ctx, name)
		if errdefs.IsNotFound(err) {
			return nil
		}
		return err
	})
	if found.ContainerJSONBase == nil {
		return nil, found
	}
	b.ID = found.ID
	return b, found
}

// Names are those of the containers of the Env that are there, in order, without the prefix.
func (s *Env) Names() (names []string) {
	s.Helper()
	s.Must("listing containers", func(ctx context.Context) error {
		all, err := s.List(ctx)
		for _, c := range all {
			names = append(names, strings.TrimPrefix(c.Names[0], "/"+s.Prefix))
		}
		return err
	})
	slices.Sort(names)
	return names
}

// passingName is the end of a name that a container bears while Defib creates it anew.
var passingName = regexp.MustCompile(`\.defib-[0-9a-f]{12}$`)

// BaseName is the name that a container has or is to have, whose re-creation by Defib may
// be under way.
func BaseName(name string) string { return passingName.ReplaceAllString(name, "") }

// Doubles says when two containers of one name ran at a time: one that has the name, and
// one whose passing name is made of it. All runs end when the engine does.
func Doubles(all []Event, name string, ends ...time.Time) (found []string) {
	running := map[string]string{} // base names by ID
	for _, e := range all {
		ends = slices.DeleteFunc(ends, func(end time.Time) bool {
			over := end.Before(e.At)
			if over {
				clear(running)
			}
			return over
		})
		_, runs := running[e.ID]
		switch {
		case e.Action == "start", e.Action == "rename" && runs:
			running[e.ID] = BaseName(e.Name)
		case e.Action == "die", e.Action == "destroy":
			delete(running, e.ID)
			continue
		default:
			continue
		}
		n := 0
		for _, base := range running {
			if base == name {
				n++
			}
		}
		if n > 1 && running[e.ID] == name {
			found = append(found, fmt.Sprintf("%s %s: %d run", e.At.Format("15:04:05.000"), name, n))
		}
	}
	return found
}
