package docker

import (
	"context"
	"fmt"

	"defib/engine/docker/libpod"
	"defib/engine/internal/refusal"
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
	callLogs:    "GET /containers/*/logs",
	callCreate:  "POST /containers/create",
	callRename:  "POST /containers/*/rename",
	callUpdate:  "POST /containers/*/update",
	callStop:    "POST /containers/*/stop",
	callRemove:  "DELETE /containers/*",

	callServices: "GET /services/*",
	callTasks:    "GET /tasks",

	libpod.CallInspect: "GET /libpod/containers/*/json",
}

// withHint adds to the error of a refused call what would have to be allowed.
func withHint(call string, err error) error {
	if !refusal.Refused(err) {
		return err
	}
	return fmt.Errorf("%w: refused by a socket proxy: allow %s (docs/privileges.md lists every call that Defib needs)", err, requests[call])
}

// dispensable are the calls without which Defib carries on, but with less than it
// is there for. A refusal of any other ends the connection, which is said; images
// are not listed at all where somebody wants it so.
var dispensable = map[string]bool{
	callInfo: true, callInspect: true, callStart: true, callRestart: true, callLogs: true, libpod.CallInspect: true,
	callCreate: true, callRename: true, callUpdate: true, callStop: true, callRemove: true,
	callServices: true, callTasks: true,
}

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
	case refusal.Refused(err):
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
