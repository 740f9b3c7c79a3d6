// Package beside runs what a file system may have hang, for callers that must not wait so long.
package beside

import "context"

// Run does something and returns what comes of it; once the context has ended, it returns
// late instead. Then what it does goes on, and what comes of it is lost.
func Run[T any](ctx context.Context, do func() (T, error), late func(ctx context.Context) error) (T, error) {
	type result struct {
		value T
		err   error
	}
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
		return none, late(ctx)
	}
}
