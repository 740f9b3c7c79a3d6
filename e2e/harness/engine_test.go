package harness

import (
	"testing"

	"github.com/docker/docker/api/types/container"
)

// TestTestappDiesAsItIsTold is about the tests themselves: what they all rest
// on, and what runs without Defib.
func TestTestappDiesAsItIsTold(t *testing.T) {
	t.Parallel()
	memory := func(h *container.HostConfig) { h.Memory, h.MemorySwap = 16<<20, 16<<20 }
	for name, row := range map[string]struct {
		spec    Spec
		do      func(*Container)
		code    int
		noKills bool
	}{
		"by itself with a code":               {spec: Spec{Args: []string{"-after=100ms", "-code=3"}}, code: 3, noKills: true},
		"with 0 on docker stop":               {do: (*Container).Stop},
		"with 137 on docker kill":             {do: func(b *Container) { b.Kill("KILL") }, code: 137},
		"of SIGKILL when stubborn":            {spec: Spec{Args: []string{"-stubborn"}, StopTimeout: 1}, do: (*Container).Stop, code: 137},
		"of a crash that nobody announces":    {spec: Spec{Args: []string{"-code=5"}}, do: (*Container).Crash, code: 5, noKills: true},
		"of a crash after it survived a HUP":  {spec: Spec{Args: []string{"-code=6"}}, do: func(b *Container) { b.Kill("HUP"); b.Crash() }, code: 6},
		"of memory that it was not to have":   {spec: Spec{Args: []string{"-oom"}, Host: memory}, code: 137, noKills: true},
		"late on docker stop when it is slow": {spec: Spec{Args: []string{"-slow=1s"}}, do: (*Container).Stop},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := NewEnv(t, SharedEngine(t)).Run("testapp", row.spec)
			if row.do != nil {
				row.do(b)
			}
			b.AwaitEvents("die", 1)
			b.AwaitState(container.StateExited)
			if got := b.Inspect(); got.ExitCode != row.code {
				t.Errorf("exit code %d, want %d", got.ExitCode, row.code)
			}
			if kills := len(b.Times("kill")); row.noKills && kills > 0 {
				t.Errorf("the engine announced %d kills", kills)
			}
		})
	}
}

func TestPrivateEngineLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	e := PrivateEngine(t)
	b := NewEnv(t, e).Run("survivor", Spec{Args: []string{"-stubborn"}})
	if err := e.Daemon.End(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if len(e.Daemon.processes()) == 0 {
		t.Error("no shim outlived a killed dockerd: this test tests nothing")
	}
	if err := e.close(t.Context()); err != nil {
		t.Error(err)
	}
	if left := e.Daemon.processes(); len(left) > 0 {
		t.Errorf("processes %v are left of %s", left, b.Name)
	}
}
