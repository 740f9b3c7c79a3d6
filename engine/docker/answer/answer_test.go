package answer

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestTheLastLineOfAHealthCheckIsKept(t *testing.T) {
	run := func(output string) *container.HealthcheckResult { return &container.HealthcheckResult{Output: output} }
	for want, log := range map[string][]*container.HealthcheckResult{
		"":                             nil,
		"503":                          {run("connection refused"), run("503\n")},
		"gave up":                      {run("trying\r\n  gave up  \r\n\n")},
		strings.Repeat("x", maxOutput): {run("y\n" + strings.Repeat("x", 4096))},
		"odd":                          {run("odd\xff")},
	} {
		if got := lastLine(log); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
