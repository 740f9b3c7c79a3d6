// Package keeper opens and writes the files in which Defib leaves to its next life what it
// knows. No file system that hangs stops its callers for longer than a moment.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"defib/internal/beside"
	"defib/restarter"
	"defib/restarter/postmortem"
	"defib/restarter/state"
)

const (
	// openTimeout is how long the file system of the state file may take when Defib starts:
	// nothing is healed before.
	openTimeout = 2 * time.Second
	// leaveTimeout is how long it may take at the end. With the starts under way that is
	// less than docker stop waits.
	leaveTimeout = time.Second
)

// Past is a state file that is open, and what was in it.
type Past struct {
	Memory *restarter.Memory // nil: nothing

	file, deaths *state.File
	recalled     []postmortem.Death
}

// deathsDocument is what stands in the file of deaths.
type deathsDocument struct {
	Version int                `json:"version"`
	Deaths  []postmortem.Death `json:"deaths"`
}

// Keeper writes what the next life is to know into the state file and the one beside it.
// It is a restarter.Keeper.
type Keeper struct {
	state    *state.Writer
	evidence *postmortem.Collector // nil: none is kept
	deaths   *state.Writer
}

// New has evidence, which may be nil, go on from what an earlier life has left, and kept for
// the next. Close ends it.
func New(past *Past, evidence *postmortem.Collector, saves *state.Metrics, logger *slog.Logger) *Keeper {
	k := &Keeper{state: state.NewWriter(past.file, saves, logger), deaths: state.NewWriter(past.deaths, saves, logger), evidence: evidence}
	if evidence != nil {
		evidence.Load(past.recalled)
		evidence.Save = func(all []postmortem.Death) { k.deaths.Put(deathsDocument{state.Version, all}) }
	}
	return k
}

// Put has a memory written into the state file.
func (k *Keeper) Put(memory any) { k.state.Put(memory) }

// SetAside sets both files aside: what an earlier life has left is of another engine.
func (k *Keeper) SetAside(why string) {
	k.state.SetAside(why)
	k.deaths.SetAside(why)
	if k.evidence != nil {
		k.evidence.Forget()
	} else {
		k.deaths.Put(deathsDocument{Version: state.Version})
	}
}

// Close writes both to their end at once: one file system may hang for both.
func (k *Keeper) Close(ctx context.Context) {
	var closing sync.WaitGroup
	closing.Go(func() { k.state.Close(ctx, leaveTimeout) })
	closing.Go(func() { k.deaths.Close(ctx, leaveTimeout) })
	closing.Wait()
}

// Open opens the state file of this path and reads what an earlier life has left, with
// evidence of deaths if that is wanted. Whatever is wrong with it is logged, and never keeps
// Defib from starting; nil: it goes on without.
func Open(ctx context.Context, path string, evidence bool, logger *slog.Logger) *Past {
	r, err := within(ctx, func() (*Past, error) { return open(path, evidence, logger) })
	if err != nil {
		logger.Warn("state file not used: what Defib learns ends with this process", "file", path, "err", err)
		return nil
	}
	return r
}

// open opens a state file and the one beside it, and reads them.
func open(path string, evidence bool, logger *slog.Logger) (*Past, error) {
	file, err := state.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Past{file: file, deaths: file.Beside("postmortem")}
	memory, document := new(restarter.Memory), new(deathsDocument)
	found, err := read(file, memory, logger)
	if found {
		r.Memory = memory
	}
	if err == nil && evidence {
		if found, err = read(r.deaths, document, logger); found {
			r.recalled = document.Deaths
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return r, nil
}

// read reads a document, if there is one. One that is not understood is set aside. An error
// says that it cannot be read: it may be something else than a state file.
func read(file *state.File, document any, logger *slog.Logger) (found bool, err error) {
	found, err = file.Read(document)
	if errors.Is(err, state.ErrBroken) {
		file.SetAside(time.Now(), err.Error(), logger)
		err = nil
	}
	return found, err
}

// within does something in the time that the file system has when Defib starts.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, state.ErrHangs)
	defer cancel()
	return beside.Run(ctx, do, context.Cause)
}

// Look reads the state file of this path and changes nothing; nil: there is none yet. An
// error says why Defib could not use it.
func Look(ctx context.Context, path string) (*restarter.Memory, error) {
	return within(ctx, func() (*restarter.Memory, error) {
		if err := unix.Access(filepath.Dir(path), unix.W_OK); err != nil {
			return nil, fmt.Errorf("its directory must exist, and be writable: %w", err)
		}
		memory := new(restarter.Memory)
		found, err := state.At(path).Read(memory)
		if !found {
			return nil, err
		}
		return memory, nil
	})
}

// Close ends the lock of the file.
func (p *Past) Close() { _ = p.file.Close() }
