// Package notation reads how engines write states, times, signals and names. It is pure.
package notation

import (
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	"golang.org/x/sys/unix"

	"defib/engine"
)

// Name picks the container's own name of those that a list has: aliases that links give it
// contain a second slash.
func Name(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

// State reads Docker's seven states and the others that Podman has.
func State(s string) engine.State {
	switch s {
	case "stopped":
		return engine.Exited
	case "configured", "initialized":
		return engine.Created
	case "stopping":
		return engine.Running
	}
	return engine.State(s)
}

// Time reads the engine's RFC 3339 times; year 1 and nonsense are never.
func Time(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// sigRTMin is the first real-time signal as Docker counts them (SIGRTMIN+3 is
// systemd's). Source: https://github.com/moby/sys/blob/main/signal/signal_linux.go
const sigRTMin = 34

// Signal reads a signal as Docker takes it: 15, TERM, SIGTERM, SIGRTMIN+3.
// 0 is none, or one that it does not know.
func Signal(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	s = strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if offset, ok := strings.CutPrefix(s, "RTMIN"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(offset, "+"))
		return sigRTMin + n
	}
	return int(unix.SignalNum("SIG" + s))
}

// Image writes the name of an image in the one way that all its spellings come to: with
// registry and tag, or with the digest alone, which decides. It is "" for what is
// no name, a full ID for example. A short ID looks like a name that nobody has.
func Image(s string) string {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return ""
	}
	if d, ok := named.(reference.Digested); ok {
		return named.Name() + "@" + d.Digest().String()
	}
	return reference.TagNameOnly(named).String()
}
