// Package call has the calls that Defib makes to an engine: their names, which are values of
// the label call of metrics, and what a socket proxy must let through for them.
package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/docker/docker/client"

	"defib/engine/internal/refusal"
)

// The calls.
const (
	Ping          = "ping"
	Version       = "version"
	Info          = "info"
	Events        = "events"
	List          = "list"
	Inspect       = "inspect"
	InspectLibpod = "inspect_libpod" // of Podman's own API
	Images        = "images"
	Start         = "start"
	Restart       = "restart"
	Logs          = "logs"
	Create        = "create"
	Rename        = "rename"
	Update        = "update"
	Stop          = "stop"
	Remove        = "remove"
	Services      = "services"
	Tasks         = "tasks"
)

// Requests is what a socket proxy must let through for each call. The table in
// docs/privileges.md says what needs them.
var Requests = map[string]string{
	Ping:          "GET /_ping",
	Version:       "GET /version",
	Info:          "GET /info",
	Events:        "GET /events",
	List:          "GET /containers/json",
	Inspect:       "GET /containers/*/json",
	InspectLibpod: "GET /libpod/containers/*/json",
	Images:        "GET /images/json",
	Start:         "POST /containers/*/start",
	Restart:       "POST /containers/*/restart",
	Logs:          "GET /containers/*/logs",
	Create:        "POST /containers/create",
	Rename:        "POST /containers/*/rename",
	Update:        "POST /containers/*/update",
	Stop:          "POST /containers/*/stop",
	Remove:        "DELETE /containers/*",
	Services:      "GET /services/*",
	Tasks:         "GET /tasks",
}

// Measured reports whether a call is counted and timed: the others are made once for each
// connection.
func Measured(name string) bool { return name != Version && name != Info }

// Dispensable reports whether Defib carries on without a call, but with less than it is
// there for. A refusal of any other ends the connection, which is said; images are not
// listed at all where somebody wants it so.
func Dispensable(name string) bool {
	switch name {
	case Ping, Version, Events, List, Images:
		return false
	}
	return true
}

// WithHint adds to the error of a refused call what would have to be allowed.
func WithHint(name string, err error) error {
	if !refusal.Refused(err) {
		return err
	}
	return fmt.Errorf("%w: refused by the engine or a socket proxy: allow %s (docs/privileges.md lists every call that Defib needs)", err, Requests[name])
}

// gateway is what a proxy says that has got no answer from the engine. The client keeps no more
// of it than the text.
var gateway = regexp.MustCompile(`(?i)bad gateway|gateway time-?out`)

// Unanswered reports whether a call's error leaves open what the engine has done, or will do.
func Unanswered(err error) bool {
	if err == nil {
		return false
	}
	return gateway.MatchString(err.Error()) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || client.IsErrConnectionFailed(err)
}
