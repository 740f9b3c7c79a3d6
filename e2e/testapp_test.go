package e2e

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
		spec    spec
		do      func(*testContainer)
		code    int
		noKills bool
	}{
		"by itself with a code":               {spec: spec{args: []string{"-after=100ms", "-code=3"}}, code: 3, noKills: true},
		"with 0 on docker stop":               {do: (*testContainer).stop},
		"with 137 on docker kill":             {do: func(b *testContainer) { b.kill("KILL") }, code: 137},
		"of SIGKILL when stubborn":            {spec: spec{args: []string{"-stubborn"}, stopTimeout: 1}, do: (*testContainer).stop, code: 137},
		"of a crash that nobody announces":    {spec: spec{args: []string{"-code=5"}}, do: (*testContainer).crash, code: 5, noKills: true},
		"of a crash after it survived a HUP":  {spec: spec{args: []string{"-code=6"}}, do: func(b *testContainer) { b.kill("HUP"); b.crash() }, code: 6},
		"of memory that it was not to have":   {spec: spec{args: []string{"-oom"}, host: memory}, code: 137, noKills: true},
		"late on docker stop when it is slow": {spec: spec{args: []string{"-slow=1s"}}, do: (*testContainer).stop},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newEnv(t, sharedEngine(t)).run("testapp", row.spec)
			if row.do != nil {
				row.do(b)
			}
			b.awaitEvents("die", 1)
			b.awaitState(container.StateExited)
			if got := b.inspect(); got.ExitCode != row.code {
				t.Errorf("exit code %d, want %d", got.ExitCode, row.code)
			}
			if kills := len(b.times("kill")); row.noKills && kills > 0 {
				t.Errorf("the engine announced %d kills", kills)
			}
		})
	}
}

func TestPrivateEngineLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	e := privateEngine(t)
	b := newEnv(t, e).run("survivor", spec{args: []string{"-stubborn"}})
	if err := e.daemon.end(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if len(descendants(e.daemon.dir)) == 0 {
		t.Error("no shim outlived a killed dockerd: this test tests nothing")
	}
	if err := e.close(t.Context()); err != nil {
		t.Error(err)
	}
	if left := descendants(e.daemon.dir + "/exec"); len(left) > 0 {
		t.Errorf("processes %v are left of %s", left, b.name)
	}
}
