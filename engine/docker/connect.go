package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"defib/engine/docker/call"
	"defib/engine/docker/libpod"
	"defib/engine/internal/notation"
	"defib/engine/internal/refusal"
	"defib/engine/internal/store"
)

// An engine that cannot tell of itself is asked so often, and at this pace.
const (
	infoTries = 10
	infoPause = 200 * time.Millisecond
)

// minAPIVersion is the oldest API that the client library speaks (Docker 1.12).
const minAPIVersion = "1.24"

// engineInfo is what an engine says of itself.
type engineInfo struct {
	id, host, version, apiVersion, os, arch string
	podman                                  libpod.Podman
	now, then                               time.Time // its clock, and ours at that moment or a little before
	timed                                   bool      // it told its time; else its clock is taken to be ours
}

// dial makes a client for one connection, agrees on an API version and asks the
// engine who it is. A client never raises a version that it once agreed on, so
// each connection has its own: the engine may have been upgraded meanwhile.
func (e *Engine) dial(ctx context.Context) (*client.Client, engineInfo, error) {
	api, err := e.client()
	if err != nil {
		return nil, engineInfo{}, err
	}
	a, err := e.handshake(ctx, api)
	if err != nil {
		_ = api.Close()
		return nil, engineInfo{}, err
	}
	return api, a, nil
}

// client makes a client, which has not connected yet.
func (e *Engine) client() (*client.Client, error) {
	api, err := client.NewClientWithOpts(e.clientOptions()...)
	if err != nil {
		return nil, fmt.Errorf("set up the connection to %s: %w (see DOCKER_CERT_PATH and DOCKER_TLS_VERIFY)", e.Host, err)
	}
	return api, nil
}

func (e *Engine) clientOptions() []client.Opt {
	opts := []client.Opt{client.WithTLSClientConfigFromEnv(), client.WithHost(e.Host), client.WithVersionFromEnv(), client.WithAPIVersionNegotiation(), keepConnections}
	if e.transport != nil {
		opts = append(opts, client.WithHTTPClient(&http.Client{Transport: e.transport}))
	}
	return opts
}

// keepConnections keeps one for each inspect that may be under way. By itself the client
// closes all but two of them, and opens others.
func keepConnections(api *client.Client) error {
	if t, ok := api.HTTPClient().Transport.(*http.Transport); ok {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, store.Inspectors
	}
	return nil
}

// handshake asks for version and information at once: Docker runs programs to answer
// either, such as runc --version.
func (e *Engine) handshake(ctx context.Context, api *client.Client) (engineInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	err := e.call(ctx, call.Ping, func(ctx context.Context) error {
		p, err := ping(ctx, api)
		if err == nil {
			api.NegotiateAPIVersionPing(p) // else the client would ask once more, while all others wait
		}
		return err
	})
	if err != nil {
		return engineInfo{}, err
	}
	var a engineInfo
	var wg sync.WaitGroup
	wg.Go(func() { a = e.ask(ctx, api) })
	v, err := api.ServerVersion(ctx)
	switch {
	case err != nil:
		err = fmt.Errorf("get the version: %w", e.answered(ctx, call.Version, "", err))
	case versions.LessThan(v.APIVersion, minAPIVersion):
		err = fmt.Errorf("the engine is too old: it supports API %s, Defib requires %s (Docker 1.12) or newer", v.APIVersion, minAPIVersion)
	}
	if err != nil {
		cancel()
	}
	wg.Wait()
	a.version, a.apiVersion, a.os, a.arch = v.Version, v.APIVersion, v.Os, v.Arch
	if a.podman = libpod.Read(v); a.podman.Is {
		a.id = "" // it makes up a new one each time
	}
	return a, err
}

// ask returns what an engine says of itself, but for its version. A proxy may refuse it:
// then the host has no name, and its clock is taken to be ours. Podman fails as long as
// one of its containers is being removed.
func (e *Engine) ask(ctx context.Context, api *client.Client) (a engineInfo) {
	for range infoTries {
		a.then = time.Now()
		a.now = a.then
		info, err := api.Info(ctx)
		if err = e.answered(ctx, call.Info, "", err); err == nil {
			a.id, a.host = info.ID, info.Name
			if t := notation.Time(info.SystemTime); !t.IsZero() {
				a.now, a.timed = t, true
			}
		}
		if err == nil || refusal.Refused(err) {
			return a
		}
		select {
		case <-ctx.Done():
			return a
		case <-time.After(infoPause):
		}
	}
	return a
}

// ping asks for a sign of life. The client takes redirects for one.
func ping(ctx context.Context, api *client.Client) (types.Ping, error) {
	p, err := api.Ping(ctx)
	if err == nil && p.APIVersion == "" {
		err = errors.New("the server at this address does not speak the Docker API")
	}
	return p, err
}

// pingOnly is ping for those who only want to know whether there is an answer.
func pingOnly(ctx context.Context, api *client.Client) error {
	_, err := ping(ctx, api)
	return err
}

// explain explains in one sentence why the engine cannot be reached, and what to
// do about it. The client library hides the cause of a failed connection: dial
// once more to learn it.
func (e *Engine) explain(ctx context.Context, err error) error {
	switch {
	case refusal.Refused(err):
		return err // which says what to allow
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer within %s: the engine hangs, or a proxy or firewall drops the connection", err, e.Timeout)
	case !client.IsErrConnectionFailed(err):
		return refusal.ExplainTLS(err)
	}
	u, parseErr := client.ParseHostURL(e.Host)
	if parseErr != nil {
		return err
	}
	network, addr := u.Scheme, u.Host
	if network != "unix" {
		network = "tcp"
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	conn, dialErr := (&net.Dialer{}).DialContext(ctx, network, addr)
	if dialErr == nil {
		_ = conn.Close()
		return refusal.ExplainTLS(err)
	}
	return refusal.ExplainDial(network, addr, dialErr)
}
