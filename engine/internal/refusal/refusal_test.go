package refusal_test

import (
	"errors"
	"testing"

	"github.com/containerd/errdefs"

	"defib/engine/internal/refusal"
)

func TestRefusalIsToldFromAnAnswer(t *testing.T) {
	status := func(kind error, text string) error { return errors.Join(kind, errors.New(text)) }
	for name, row := range map[string]struct {
		err             error
		refused, absent bool
	}{
		"no error":                         {},
		"403":                              {err: status(errdefs.ErrPermissionDenied, "Forbidden"), refused: true},
		"401":                              {err: status(errdefs.ErrUnauthenticated, "Unauthorized"), refused: true},
		"405, known by its text alone":     {err: errors.New("request returned Method Not Allowed"), refused: true},
		"404 of a path":                    {err: status(errdefs.ErrNotFound, "page not found"), refused: true},
		"404 of a container":               {err: status(errdefs.ErrNotFound, "No such container: 4f"), absent: true},
		"404 of an image":                  {err: status(errdefs.ErrNotFound, "No such image: sha256:4f")},
		"500, though it speaks of the one": {err: status(errdefs.ErrInternal, "No such container: 4f")},
	} {
		if got := refusal.Refused(row.err); got != row.refused {
			t.Errorf("%s: refused %v, want %v", name, got, row.refused)
		}
		if got := refusal.Absent(row.err); got != row.absent {
			t.Errorf("%s: absent %v, want %v", name, got, row.absent)
		}
	}
}

func TestNotFoundOfSomethingElseIsNoRefusal(t *testing.T) {
	notFound := func(text string) error { return errors.Join(errdefs.ErrNotFound, errors.New(text)) }
	for name, row := range map[string]struct {
		err, ofStranger error
		refused         bool
	}{
		"its network is missing":           {err: notFound("network shop_default not found")},
		"the engine knows no stranger":     {err: notFound("something else"), ofStranger: notFound("no such container")},
		"the path is hidden from everyone": {err: notFound("page not found"), ofStranger: notFound("page not found"), refused: true},
	} {
		got := refusal.Revealed(row.err, func(string) error { return row.ofStranger })
		if got == nil || refusal.Refused(got) != row.refused {
			t.Errorf("%s: refused %v, want %v (%v)", name, refusal.Refused(got), row.refused, got)
		}
	}
}
