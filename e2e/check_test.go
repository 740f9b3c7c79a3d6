package e2e

import (
	"regexp"
	"strings"
	"testing"

	"defib/e2e/harness"
)

func TestCheckTellsWhatWouldBeDoneAndDoesNothing(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	down, up := s.Run("down", harness.Spec{Args: []string{"-code=3"}}), s.Run("up", harness.Spec{})
	down.Crash()
	down.AwaitState("exited")

	d := harness.Spawn(t, nil, "check", unhurried, "--docker.host="+s.Engine.Host, harness.Whitelist(down, up), "--restart.stopped-delay=0s")
	code := d.ExitCode()
	told := d.Tail(1000)
	if code != 0 || strings.Contains(told, "FAIL") {
		t.Errorf("exit code %d", code)
	}
	for _, pattern := range []string{
		`ok  inspect +GET /containers/\*/json\n`, `ok  start +POST /containers/\*/start\n`, `ok  restart +POST /containers/\*/restart\n`,
		`- +` + down.Name + ` +exited \(3\) +would be started: it is down\n`,
		`ok +` + up.Name + ` +running +nothing to do\n`,
	} {
		if !regexp.MustCompile(pattern).MatchString(told + "\n") {
			t.Errorf("nothing like %s", pattern)
		}
	}
	down.MustBe("exited")
	down.StartedTimes(1)
	if t.Failed() {
		t.Log(told)
	}
}
