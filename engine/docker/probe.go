package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/docker/libpod"
	"defib/engine/docker/probe"
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

	recreates, ends bool // a container may be re-created; a task may be ended
	podman          libpod.Podman
}

// Probe makes each call that Defib will ever make, once, and changes nothing:
// containers are inspected, started and so on by an ID that none has, and one is
// created from an image that does not exist. It needs no Run. The error says that there
// cannot be a connection.
func (e *Engine) Probe(ctx context.Context) (Probe, error) {
	api, err := e.client()
	if err != nil {
		return Probe{}, err
	}
	defer api.Close()
	s := Probe{}
	for _, q := range s.calls(api, e) {
		if q.Name == call.Logs && !e.ReadsLogs || !s.needs(q.Name) {
			continue
		}
		err := e.within(ctx, q.Ask)
		if q.Name == call.Ping && err != nil {
			err = e.explain(ctx, err)
		}
		s.Calls = append(s.Calls, CallResult{Call: q.Name, Request: call.Requests[q.Name], Err: err, Refused: refusal.Refused(err)})
		if q.Name == call.Ping && err != nil {
			break
		}
	}
	return s, nil
}

// needs reports whether there is something that the call is for.
func (s *Probe) needs(name string) bool {
	switch name {
	case call.Stop:
		return s.recreates || s.ends
	case call.Create, call.Rename, call.Update, call.Remove:
		return s.recreates
	case call.Services, call.Tasks:
		return s.ends
	case call.InspectLibpod:
		return s.podman.StopsTold() == store.StopsRecorded
	}
	return true
}

// calls are all calls, of which some note what the engine says of itself.
func (s *Probe) calls(api *client.Client, e *Engine) []probe.Call {
	nobody := refusal.StrangeID()
	return slices.Concat([]probe.Call{
		{Name: call.Ping, Ask: func(ctx context.Context) error { return pingOnly(ctx, api) }},
		{Name: call.Version, Ask: func(ctx context.Context) error {
			v, err := api.ServerVersion(ctx)
			s.Version, s.APIVersion, s.OS, s.Arch = v.Version, v.APIVersion, v.Os, v.Arch
			s.podman = libpod.Read(v)
			return err
		}},
		{Name: call.Info, Ask: func(ctx context.Context) error {
			info, err := api.Info(ctx)
			s.Host = info.Name
			return err
		}},
		{Name: call.List, Ask: func(ctx context.Context) error {
			list, err := api.ContainerList(ctx, container.ListOptions{All: true})
			for _, c := range list {
				one := answer.ListItem(c).Container()
				s.recreates = s.recreates || e.Recreates != nil && e.Recreates(one)
				s.ends = s.ends || e.Ends != nil && e.Ends(one)
			}
			return err
		}},
		{Name: call.Inspect, Ask: func(ctx context.Context) error {
			_, err := api.ContainerInspect(ctx, nobody)
			return probe.Known(err)
		}},
		{Name: call.InspectLibpod, Ask: func(ctx context.Context) error {
			return probe.Known(s.podman.Probe(ctx, e.clientOptions(), nobody))
		}},
		{Name: call.Events, Ask: func(ctx context.Context) error {
			long := stamp(time.Unix(1, 0)) // of a stream that goes on, the client does not say at once that it has been refused
			return probe.Listens(ctx, api, events.ListOptions{Since: long, Until: long, Filters: eventFilters()})
		}},
		{Name: call.Images, Ask: func(ctx context.Context) error {
			_, err := api.ImageList(ctx, image.ListOptions{})
			return err
		}},
		{Name: call.Start, Ask: func(ctx context.Context) error {
			return probe.Known(api.ContainerStart(ctx, nobody, container.StartOptions{}))
		}},
		{Name: call.Restart, Ask: func(ctx context.Context) error {
			return probe.Known(api.ContainerRestart(ctx, nobody, container.StopOptions{}))
		}},
		{Name: call.Logs, Ask: func(ctx context.Context) error {
			body, err := api.ContainerLogs(ctx, nobody, container.LogsOptions{ShowStdout: true, Tail: "0"})
			if err == nil {
				_ = body.Close()
			}
			return probe.Known(err)
		}},
		probe.Stop(api, nobody),
	}, probe.Recreation(api, nobody), probe.Swarm(api, nobody))
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
		return nil, e.explain(ctx, call.WithHint(call.List, err))
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
