package e2e

import (
	"regexp"
	"strings"
	"testing"
)

func TestCheckTellsWhatWouldBeDoneAndDoesNothing(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	down, up := s.run("down", spec{args: []string{"-code=3"}}), s.run("up", spec{})
	down.crash()
	down.awaitState("exited")

	d := spawn(t, nil, "check", unhurried, "--docker.host="+s.engine.host, whitelist(down, up), "--restart.stopped-delay=0s")
	code := d.exitCode()
	told := d.tail(1000)
	if code != 0 || strings.Contains(told, "FAIL") {
		t.Errorf("exit code %d", code)
	}
	for _, pattern := range []string{
		`ok  inspect +GET /containers/\*/json\n`, `ok  start +POST /containers/\*/start\n`, `ok  restart +POST /containers/\*/restart\n`,
		`- +` + down.name + ` +exited \(3\) +would be started: it is down\n`,
		`ok +` + up.name + ` +running +nothing to do\n`,
	} {
		if !regexp.MustCompile(pattern).MatchString(told + "\n") {
			t.Errorf("nothing like %s", pattern)
		}
	}
	down.mustBe("exited")
	down.startedTimes(1)
	if t.Failed() {
		t.Log(told)
	}
}
