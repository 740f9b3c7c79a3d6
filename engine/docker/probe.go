package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/libpod"
	"defib/engine/internal/refusal"
	"defib/engine/internal/store"
)

// CallResult tells how the engine takes one of the calls that Defib makes.
type CallResult struct {
	Call    string // as in the label call of the metrics; version and info too
	Request string // method and path, for the settings of a proxy
	Err     error  // why it does not work; nil: it does
	Refused bool   // the engine, or a proxy before it, forbids it
}

// Probe is what an engine says of itself and how it takes each call. What it
// does not say is "".
type Probe struct {
	Host, Version, APIVersion, OS, Arch string
	Calls                               []CallResult // only of ping if that fails

	recreates bool // a container may be re-created
	podman    libpod.Podman
}

// Probe makes each call that Defib will ever make, once, and changes nothing:
// containers are inspected, started and so on by an ID that none has, and one is
// created from an image that does not exist. It needs no Run. The error says that there cannot be a connection.
func (e *Engine) Probe(ctx context.Context) (Probe, error) {
	api, err := e.client()
	if err != nil {
		return Probe{}, err
	}
	defer api.Close()
	s := Probe{}
	for _, q := range s.calls(api, e) {
		if q.call == callLogs && !e.ReadsLogs || recreates[q.call] && !s.recreates || q.call == libpod.CallInspect && s.podman.StopsTold() != store.StopsRecorded {
			continue
		}
		err := e.within(ctx, q.ask)
		if q.call == callPing && err != nil {
			err = e.explain(ctx, err)
		}
		s.Calls = append(s.Calls, CallResult{Call: q.call, Request: requests[q.call], Err: err, Refused: refusal.Refused(err)})
		if q.call == callPing && err != nil {
			break
		}
	}
	return s, nil
}

// probeCall is one call of a survey.
type probeCall struct {
	call string
	ask  func(context.Context) error
}

// calls are all calls, of which some note what the engine says of itself.
func (s *Probe) calls(api *client.Client, e *Engine) []probeCall {
	nobody := refusal.StrangeID()
	return append([]probeCall{
		{callPing, func(ctx context.Context) error { return pingOnly(ctx, api) }},
		{callVersion, func(ctx context.Context) error {
			v, err := api.ServerVersion(ctx)
			s.Version, s.APIVersion, s.OS, s.Arch = v.Version, v.APIVersion, v.Os, v.Arch
			s.podman = libpod.Read(v)
			return err
		}},
		{callInfo, func(ctx context.Context) error {
			info, err := api.Info(ctx)
			s.Host = info.Name
			return err
		}},
		{callList, func(ctx context.Context) error {
			list, err := api.ContainerList(ctx, container.ListOptions{All: true})
			for _, c := range list {
				s.recreates = s.recreates || e.Recreates != nil && e.Recreates(answer.ListItem(c).Container())
			}
			return err
		}},
		{callInspect, func(ctx context.Context) error {
			_, err := api.ContainerInspect(ctx, nobody)
			return known(err)
		}},
		{libpod.CallInspect, func(ctx context.Context) error {
			return known(s.podman.Probe(ctx, e.clientOptions(), nobody))
		}},
		{callEvents, func(ctx context.Context) error { return listens(ctx, api) }},
		{callImages, func(ctx context.Context) error {
			_, err := api.ImageList(ctx, image.ListOptions{})
			return err
		}},
		{callStart, func(ctx context.Context) error {
			return known(api.ContainerStart(ctx, nobody, container.StartOptions{}))
		}},
		{callRestart, func(ctx context.Context) error {
			return known(api.ContainerRestart(ctx, nobody, container.StopOptions{}))
		}},
		{callLogs, func(ctx context.Context) error {
			body, err := api.ContainerLogs(ctx, nobody, container.LogsOptions{ShowStdout: true, Tail: "0"})
			if err == nil {
				_ = body.Close()
			}
			return known(err)
		}},
	}, recreationCalls(api, nobody)...)
}

// recreationCalls are those that only a re-creation needs.
func recreationCalls(api *client.Client, nobody string) []probeCall {
	return []probeCall{
		{callCreate, func(ctx context.Context) error {
			_, err := api.ContainerCreate(ctx, &container.Config{Image: "sha256:" + nobody}, nil, nil, nil, "")
			return known(err)
		}},
		{callRename, func(ctx context.Context) error { return known(api.ContainerRename(ctx, nobody, nobody)) }},
		{callUpdate, func(ctx context.Context) error {
			_, err := api.ContainerUpdate(ctx, nobody, container.UpdateConfig{})
			return known(err)
		}},
		{callStop, func(ctx context.Context) error { return known(api.ContainerStop(ctx, nobody, container.StopOptions{})) }},
		{callRemove, func(ctx context.Context) error {
			return known(api.ContainerRemove(ctx, nobody, container.RemoveOptions{}))
		}},
	}
}

// within gives one call the time that a list may take.
func (e *Engine) within(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	err := ask(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", e.Timeout)
	}
	return err
}

// known reads the answer to a call for a container or an image that does not exist.
func known(err error) error {
	switch {
	case err == nil:
		return errors.New("the server answered for a container that does not exist")
	case refusal.Absent(err), refusal.NoImage(err):
		return nil
	}
	return err
}

// listens asks for the events of a moment long past, which ends by itself. Of a
// stream that goes on, the client does not say at once that it has been refused.
func listens(ctx context.Context, api *client.Client) error {
	long := stamp(time.Unix(1, 0))
	past, ended := api.Events(ctx, events.ListOptions{Since: long, Until: long, Filters: eventFilters()})
	for {
		select {
		case <-past:
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// List asks once for all containers. Of each only what a list says is known: it has
// not been inspected. It needs no Run.
func (e *Engine) List(ctx context.Context) ([]*engine.Container, error) {
	api, err := e.client()
	if err != nil {
		return nil, err
	}
	defer api.Close()
	var containers []*engine.Container
	err = e.within(ctx, func(ctx context.Context) error {
		list, err := api.ContainerList(ctx, container.ListOptions{All: true})
		for _, s := range list {
			containers = append(containers, answer.ListItem(s).Container())
		}
		return err
	})
	if err != nil {
		return nil, e.explain(ctx, err)
	}
	return containers, nil
}

// FirstSnapshot runs the watch until there is a snapshot of all containers, and returns
// it. It takes the place of Run.
func (e *Engine) FirstSnapshot(ctx context.Context) (*engine.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout+store.SyncTimeout)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.Run(ctx) // which only ever ends
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for {
		p := e.Snapshot()
		if p.Connected {
			return p, nil
		}
		select {
		case <-e.Changed():
		case <-ctx.Done():
			return nil, e.unavailable("no snapshot of its containers within " + (e.Timeout + store.SyncTimeout).String())
		}
	}
}
