package docker

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/engine"
)

// alter answers the calls of a re-creation.
func (f *fakeEngine) alter(w http.ResponseWriter, r *http.Request, call, id string) {
	f.mu.Lock()
	c := f.known[id]
	f.mu.Unlock()
	switch {
	case call == "create":
		f.create(w, r)
		return
	case c == nil:
		answers(http.StatusNotFound, "No such container: "+id)(w, r)
		return
	}
	switch call {
	case "rename":
		f.change(id, func(c *container.InspectResponse) { c.Name = "/" + r.URL.Query().Get("name") })
		f.emit(id, "rename")
	case "update":
		var u container.UpdateConfig
		_ = json.NewDecoder(r.Body).Decode(&u)
		f.change(id, func(c *container.InspectResponse) { c.HostConfig.RestartPolicy = u.RestartPolicy })
		f.emit(id, "update")
		f.write(w, container.UpdateResponse{})
		return
	case "stop":
		f.emit(id, "kill")
		f.die(id)
		f.emit(id, "stop")
	case "remove":
		f.destroy(id)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeEngine) create(w http.ResponseWriter, r *http.Request) {
	var of struct {
		container.Config
		HostConfig container.HostConfig
	}
	_ = json.NewDecoder(r.Body).Decode(&of)
	if of.Image != "victim" && of.Image != "sha256:victim" {
		answers(http.StatusNotFound, "No such image: "+of.Image)(w, r)
		return
	}
	id := f.put(r.URL.Query().Get("name"))
	f.change(id, func(c *container.InspectResponse) {
		c.State = &container.State{Status: container.StateCreated}
		c.Image, c.Config, c.HostConfig = "sha256:victim", &of.Config, &of.HostConfig
	})
	f.emit(id, "create")
	w.WriteHeader(http.StatusCreated)
	f.write(w, container.CreateResponse{ID: id})
}

// orphan prepares a child whose parent was replaced.
func orphan(t *testing.T) (f *fakeEngine, w *watchedEngine, r engine.Recreation) {
	t.Helper()
	f = serving(t)
	old, parent := f.put("web"), f.put("vpn")
	f.change(old, func(c *container.InspectResponse) {
		c.Image, c.HostConfig.NetworkMode = "sha256:victim", "container:gone"
		c.HostConfig.RestartPolicy.Name = "always"
		c.Config.Labels = map[string]string{engine.LabelProject: "shop"}
	})
	w = connected(t, Options{Host: f.host()})
	return f, w, engine.Recreation{Name: "web", Old: w.Snapshot().Get(old), Parent: w.Snapshot().Get(parent)}
}

func TestRecreateReturnsAfterTheSnapshotShowsIt(t *testing.T) {
	t.Parallel()
	_, w, r := orphan(t)
	made, err := w.Recreate(t.Context(), nil, r)
	if err != nil {
		t.Fatal(err)
	}
	p := w.Snapshot()
	if now := p.Get(made.ID); !now.Up() || now.Name != "web" || now.Shares(engine.Network) != r.Parent.ID {
		t.Errorf("the new one: %+v", now)
	}
	if now := p.Get(r.Old.ID); now.State != engine.Exited || now.RestartPolicy != "no" || now.ExitCause != engine.CauseSelf {
		t.Errorf("the old one: %+v", now) // nobody stopped it but us
	}
	if at, touched := p.Projects["shop"]; touched {
		t.Errorf("the project was changed by somebody %v ago", time.Since(at))
	}
	if err := w.Discard(t.Context(), p.Get(r.Old.ID)); err != nil || w.Snapshot().Get(r.Old.ID) != nil {
		t.Errorf("the old one is still there: %v", err)
	}
	r.New = made
	if now, err := w.Recreate(t.Context(), nil, r); err != nil || now.ID != made.ID || !now.Started.Equal(made.Started) {
		t.Errorf("again: %+v, %v", now, err)
	}
}

func TestRecreateThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		call  string
		fault http.HandlerFunc
		want  error
		stays bool // nothing has changed
	}{
		"it may not be created": {"create", answers(http.StatusForbidden, "no way"), engine.ErrRefused, true},
		"it may not be updated": {"update", answers(http.StatusForbidden, "no way"), engine.ErrRefused, true},
		"it may not be stopped": {"stop", answers(http.StatusForbidden, "no way"), engine.ErrRefused, true},
		"the stop is cut off":   {"stop", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, engine.ErrNoAnswer, false},
		"it may not be started": {"start", answers(http.StatusForbidden, "no way"), engine.ErrRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w, r := orphan(t)
			f.on(tc.call, tc.fault)
			if _, err := w.Recreate(t.Context(), nil, r); !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			f.on(tc.call, nil)
			if tc.stays {
				w.until(t, "it is undone", func(p *engine.Snapshot) bool {
					old := p.Get(r.Old.ID)
					return len(p.Containers) == 2 && old.Up() && old.Name == "web" && old.RestartPolicy == "always"
				})
				return
			}
			r.New = w.Snapshot().Find("web")
			if made, err := w.Recreate(t.Context(), nil, r); err != nil || !made.Up() {
				t.Errorf("going on: %+v, %v", made, err)
			}
		})
	}
}

func TestRecreateIsNotForPodman(t *testing.T) {
	t.Parallel()
	f, w, r := orphan(t)
	w.podman.Store(true)
	if _, err := w.Recreate(t.Context(), nil, r); !errors.Is(err, engine.ErrUnsupported) || f.asked("create") > 0 {
		t.Error(err)
	}
}

func TestDiscardThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	f, w, r := orphan(t)
	f.on("remove", answers(http.StatusConflict, "it runs"))
	if err := w.Discard(t.Context(), r.Old); err == nil || w.Snapshot().Get(r.Old.ID) == nil {
		t.Error(err)
	}
	f.on("remove", answers(http.StatusNoContent, ""))
	if err := w.Discard(t.Context(), r.Old); err == nil {
		t.Error("no error, and it is there")
	}
}
