package restarter_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/policy"
)

// The world fails the test at a line that has more of the ID.
func TestLogLinesHaveIDsAsDockerShowsThem(t *testing.T) {
	ids := []string{strings.Repeat("a1", 32), strings.Repeat("b2", 32)}
	of := func(id, name, directory string) *engine.Container {
		c := Up(id, name)
		First(c)
		Labelled("defib.enable", "true", "defib.enabel", "true", "com.docker.compose.project.working_dir", directory)(c)
		return c
	}
	for dry, want := range map[bool][]string{
		false: {"unknown label", "used in two directories", "container state", "container started", "state=removed"},
		true:  {"would start container", "would restart container"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := NewWorld(t, Usual(func(p *policy.Policy) { p.DryRun = dry }), of(ids[0], "db-1", "/a"), of(ids[1], "db-2", "/b"))
			w.Dies(ids[0])
			w.TurnsUnhealthy(ids[1])
			w.Set()
			synctest.Wait()
			for _, line := range want {
				if !strings.Contains(w.Log.String(), line) {
					t.Errorf("dry run %t: the log does not say %q:\n%s", dry, line, w.Log.String())
				}
			}
		})
	}
}

func TestExitCodeThatIsNotKnownIsNotLogged(t *testing.T) {
	for dry, messages := range map[bool][]string{false: {"container restarted", "container started"}, true: {"would restart container", "would start container"}} {
		synctest.Test(t, func(t *testing.T) {
			runs, down := Up("a1", "web"), Up("b2", "batch-1")
			runs.Exit, down.Exit = engine.Exit{}, engine.Exit{}
			w := NewWorld(t, Usual(func(p *policy.Policy) { p.DryRun = dry }), runs, down)
			w.TurnsUnhealthy("a1")
			w.Dies("b2")
			log := w.Log.String()
			for _, what := range messages {
				if !strings.Contains(log, what) {
					t.Errorf("the log does not say %q", what)
				}
			}
			if strings.Contains(log, "exit_code") {
				t.Errorf("the log has an exit code:\n%s", log)
			}
		})
	}
}
