package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

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

// errHangs says that a file system does not answer.
var errHangs = errors.New("its file system does not respond")

// remembered is a state file that is open, and what was in it.
type remembered struct {
	file   *state.File
	memory *restarter.Memory // nil: nothing

	deaths   *state.File // beside it
	recalled []postmortem.Death
}

// deathsDocument is what stands in the file of deaths.
type deathsDocument struct {
	Version int                `json:"version"`
	Deaths  []postmortem.Death `json:"deaths"`
}

// keeper writes what the next life is to know into the state file and the one beside it.
type keeper struct {
	state    *state.Writer
	evidence *postmortem.Collector // nil: none is kept
	deaths   *state.Writer
}

// newKeeper has evidence go on from what an earlier life has left, and kept for the next.
func newKeeper(past *remembered, evidence *postmortem.Collector, saves *state.Metrics, logger *slog.Logger) *keeper {
	k := &keeper{state: state.NewWriter(past.file, saves, logger), deaths: state.NewWriter(past.deaths, saves, logger), evidence: evidence}
	if evidence != nil {
		evidence.Load(past.recalled)
		evidence.Save = func(all []postmortem.Death) { k.deaths.Put(deathsDocument{state.Version, all}) }
	}
	return k
}

// Put has a memory written into the state file.
func (k *keeper) Put(memory any) { k.state.Put(memory) }

// SetAside sets both files aside: what an earlier life has left is of another engine.
func (k *keeper) SetAside(why string) {
	k.state.SetAside(why)
	k.deaths.SetAside(why)
	if k.evidence != nil {
		k.evidence.Forget()
	} else {
		k.deaths.Put(deathsDocument{Version: state.Version})
	}
}

// close writes both to their end at once: one file system may hang for both.
func (k *keeper) close(ctx context.Context) {
	var closing sync.WaitGroup
	closing.Go(func() { k.state.Close(ctx, leaveTimeout) })
	closing.Go(func() { k.deaths.Close(ctx, leaveTimeout) })
	closing.Wait()
}

// openState opens the state file and reads what an earlier life has left. Whatever is
// wrong with it is logged, and never keeps Defib from starting; nil: it goes on without.
func (f *flags) openState(ctx context.Context, logger *slog.Logger) *remembered {
	if f.stateFile == "" {
		return nil
	}
	r, err := within(ctx, openTimeout, func() (*remembered, error) { return f.readState(logger) })
	if err != nil {
		logger.Warn("state file not used: what Defib learns ends with this process", "file", f.stateFile, "err", err)
		return nil
	}
	return r
}

// readState opens a state file and the one beside it, and reads them.
func (f *flags) readState(logger *slog.Logger) (*remembered, error) {
	file, err := state.Open(f.stateFile)
	if err != nil {
		return nil, err
	}
	r := &remembered{file: file, deaths: file.Beside("postmortem")}
	memory, document := new(restarter.Memory), new(deathsDocument)
	found, err := read(file, memory, logger)
	if found {
		r.memory = memory
	}
	if err == nil && f.logLines > 0 {
		_, err = read(r.deaths, document, logger)
		r.recalled = document.Deaths
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

// checkState tells what is in the state file, and whether it can be written. Whether
// another Defib has it is not the question: one that runs does.
func (f *flags) checkState(ctx context.Context, s *report) {
	if f.stateFile == "" {
		return
	}
	found := false
	memory, err := within(ctx, openTimeout, func() (m restarter.Memory, err error) {
		if err = unix.Access(filepath.Dir(f.stateFile), unix.W_OK); err != nil {
			return m, fmt.Errorf("its directory must exist, and be writable: %w", err)
		}
		found, err = state.At(f.stateFile).Read(&m)
		return m, err
	})
	switch {
	case err != nil:
		s.line(fails, "--state.file: "+err.Error())
	case !found:
		s.line(works, "--state.file: not there yet")
	default:
		s.line(works, fmt.Sprintf("--state.file: saved %s, with %d containers", memory.Saved.Format(time.RFC3339), len(memory.Engine.Containers)))
	}
}

// within does something that a file system may let hang for ever, and returns after some
// time all the same. Then what it does goes on, and what comes of it is lost.
func within[T any](ctx context.Context, timeout time.Duration, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errHangs)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
