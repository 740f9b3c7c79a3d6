package cli

import (
	"context"
	"fmt"
	"time"

	"defib/internal/keeper"
)

// checkState tells what is in the state file, and whether it can be written. Whether
// another Defib has it is not the question: one that runs does.
func (f *flags) checkState(ctx context.Context, s *report) {
	if f.stateFile == "" {
		return
	}
	memory, err := keeper.Look(ctx, f.stateFile)
	switch {
	case err != nil:
		s.line(fails, "--state.file: "+err.Error())
	case memory == nil:
		s.line(works, "--state.file: not there yet")
	default:
		s.line(works, fmt.Sprintf("--state.file: saved %s, with %d containers", memory.Saved.Format(time.RFC3339), len(memory.Engine.Containers)))
	}
}
