package engine

import "errors"

// What a start, a restart, a re-creation or the end of a task may fail with.
var (
	// ErrGone says that the container does not exist any more.
	ErrGone = errors.New("the container no longer exists")
	// ErrRefused says that the engine, or a proxy before it, forbids the call.
	ErrRefused = errors.New("refused")
	// ErrNoAnswer says that the engine has not answered: it may still carry on.
	ErrNoAnswer = errors.New("no answer")
	// ErrChanged says that somebody has changed the containers of a re-creation in the
	// middle of it.
	ErrChanged = errors.New("changed by somebody else")
	// ErrNotReplaced says that Swarm would not replace the task.
	ErrNotReplaced = errors.New("not replaced by Swarm")
	// ErrServiceUpdating says that Swarm replaces the task anyway, or may replace it by
	// another version of it.
	ErrServiceUpdating = errors.New("its service is changing")
	// ErrServiceShort says that other tasks of the service do not run.
	ErrServiceShort = errors.New("its service is short of tasks")
	// ErrNotBegun says that the end of a task was not even begun.
	ErrNotBegun = errors.New("not begun")
	// ErrUnsupported says that the engine cannot do it at all.
	ErrUnsupported = errors.New("not with this engine")
)

// ErrNoLog says, as what the log of a container is asked for fails with, that the engine
// cannot read back what its logging driver has taken.
var ErrNoLog = errors.New("its logging driver cannot be read")
