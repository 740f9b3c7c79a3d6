package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
)

// The calls that are neither counted nor timed.
const (
	callVersion = "version"
	callInfo    = "info"
)

// requests is what a socket proxy must let through for each call. The table in
// docs/privileges.md says what needs them.
var requests = map[string]string{
	callPing:    "GET /_ping",
	callVersion: "GET /version",
	callInfo:    "GET /info",
	callEvents:  "GET /events",
	callList:    "GET /containers/json",
	callInspect: "GET /containers/*/json",
	callImages:  "GET /images/json",
	callStart:   "POST /containers/*/start",
	callRestart: "POST /containers/*/restart",
}

// refused reports whether the engine, or a proxy before it, forbids a call: by 403
// or 401, by 405 where a proxy allows no path at all for the method, of which the
// client library tells nothing but the text, or by a 404 that hides the path.
// Source: https://github.com/wollomatic/socket-proxy
func refused(err error) bool {
	return errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err) || errdefs.IsNotFound(err) && !absent(err) ||
		err != nil && strings.Contains(err.Error(), http.StatusText(http.StatusMethodNotAllowed))
}

// absent reports whether the engine says that a container does not exist. A proxy
// that hides a path has other words for its 404.
func absent(err error) bool {
	return errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such container")
}

// noNetwork matches what an engine says of a network that a container needs.
// Source: https://github.com/moby/moby/issues/25503
var noNetwork = regexp.MustCompile(`(?i)\bnetwork \S+ not found\b`)

// revealed tells a 404 for something else that a start or restart needs, such as the
// container's network, from one that hides the path: only the engine itself speaks of a
// network, and knows that a made-up ID is no container's. A proxy that lets only certain
// containers through hides that ID, too.
func revealed(err error, act func(id string) error) error {
	if errdefs.IsNotFound(err) && !absent(err) && (noNetwork.MatchString(err.Error()) || absent(act(strangeID()))) {
		return errors.New(err.Error()) // and no longer a 404
	}
	return err
}

// withHint adds to the error of a refused call what would have to be allowed.
func withHint(call string, err error) error {
	if !refused(err) {
		return err
	}
	return fmt.Errorf("%w: a socket proxy refuses it: allow %s (docs/privileges.md names all that Defib needs)", err, requests[call])
}

// dispensable are the calls without which Defib carries on, but with less than it
// is there for. A refusal of any other ends the connection, which is said; images
// are not listed at all where somebody wants it so.
var dispensable = map[string]bool{callInfo: true, callInspect: true, callStart: true, callRestart: true}

// answered explains the error of a refused call. It says so when a dispensable
// call begins to be refused, and when it is allowed again. An error that came of
// the context's end is no answer: it may tell why another call was refused.
func (e *Engine) answered(ctx context.Context, call string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	err = withHint(call, err)
	if !dispensable[call] {
		return err
	}
	switch {
	case refused(err):
		if e.states.Changed(call, "refused") {
			e.Logger.Warn("call refused", "call", call, "err", err)
		}
	case err == nil:
		if e.states.Changed(call, "") {
			e.Logger.Info("call allowed again", "call", call)
		}
	}
	return err
}
