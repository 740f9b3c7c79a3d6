// Package refusal tells what the error of a call to an engine means: that a proxy forbids
// the call, that there is no such container, or why there is no connection.
package refusal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
)

// Refused reports whether the engine, or a proxy before it, forbids a call: by 403
// or 401, by 405 where a proxy allows no path at all for the method, of which the
// client library tells nothing but the text, or by a 404 that hides the path.
// Source: https://github.com/wollomatic/socket-proxy
func Refused(err error) bool {
	return errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err) || errdefs.IsNotFound(err) && !Absent(err) && !NoImage(err) ||
		err != nil && strings.Contains(err.Error(), http.StatusText(http.StatusMethodNotAllowed))
}

// Absent reports whether the engine says that a container does not exist. A proxy
// that hides a path has other words for its 404.
func Absent(err error) bool {
	return errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such container")
}

// NoImage reports whether the engine says that an image does not exist.
func NoImage(err error) bool {
	return errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such image")
}

// noNetwork matches what an engine says of a network that a container needs.
// Source: https://github.com/moby/moby/issues/25503
var noNetwork = regexp.MustCompile(`(?i)\bnetwork \S+ not found\b`)

// Revealed tells a 404 for something else that a start or restart needs, such as the
// container's network, from one that hides the path: only the engine itself speaks of a
// network, and knows that a made-up ID is no container's. A proxy that lets only certain
// containers through hides that ID, too.
func Revealed(err error, act func(id string) error) error {
	if errdefs.IsNotFound(err) && !Absent(err) && (noNetwork.MatchString(err.Error()) || Absent(act(StrangeID()))) {
		return errors.New(err.Error()) // and no longer a 404
	}
	return err
}

// StrangeID is a container ID that no container has.
func StrangeID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // which never fails
	return hex.EncodeToString(b)
}
