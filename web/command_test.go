package web

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter"
)

func commandsOf(s restarter.Standing) []string {
	return patient{Standing: s, now: night}.commands()
}

// compose makes the container one of this service.
func compose(project, service, files string) func(s *restarter.Standing) {
	return as(func(c *engine.Container) {
		c.Labels = map[string]string{"com.docker.compose.project": project, "com.docker.compose.service": service, labelFiles: files}
	})
}

func TestCommandsToCopy(t *testing.T) {
	since := night.Add(-minAgo - before).UTC().Format("2006-01-02T15:04:05Z")
	logs := "docker logs --since " + since + " web"
	for name, row := range map[string]struct {
		s    restarter.Standing
		want []string
	}{
		"fine":                            {runs("web", hour), nil},
		"it is being healed":              {died("web", minAgo, 1, held(restarter.BackOff, hour)), []string{logs}},
		"in a loop":                       {died("web", minAgo, 1, held(restarter.BackOff, hour), streak(9)), []string{logs}},
		"not whitelisted":                 {died("web", minAgo, 1, bare), []string{logs, "docker start web"}},
		"its trigger is off":              {died("web", minAgo, 1, held(restarter.TriggerDisabled, 0)), []string{logs, "docker start web"}},
		"stopped by hand":                 {died("web", minAgo, 1, bare, ending(engine.EndedStopped)), []string{"docker start web"}},
		"paused":                          {but(runs("web", hour), state(engine.Paused), vetoed(restarter.Paused), bare), []string{"docker unpause web"}},
		"finished":                        {died("web", minAgo, 0, bare), nil},
		"dead":                            {died("web", minAgo, 1, held(restarter.Dead, 0), state(engine.Dead)), []string{logs, "docker rm --force web"}},
		"unhealthy, not whitelisted":      {but(runs("web", hour), unhealthy, bare), []string{"docker logs --since 10m web", "docker inspect --format '{{json .State.Health}}' web", "docker restart web"}},
		"its network is gone, no compose": {died("web", minAgo, 1, held(restarter.ParentGone, 0)), []string{logs}},
		"its network is gone, compose": {
			died("web", minAgo, 1, held(restarter.ParentGone, 0), compose("shop", "front", "")),
			[]string{logs, "docker compose --project-name shop up --detach --force-recreate front"},
		},
		"it cannot start, compose, of a file with a blank": {
			died("web", minAgo, 128, held(restarter.BackOff, hour), compose("shop", "front", "/srv/a.yml,/srv/b c.yml"), as(func(c *engine.Container) { c.Error = "no such image" })),
			[]string{logs},
		},
		"it cannot start, compose, of two files": {
			died("web", minAgo, 128, held(restarter.BackOff, hour), compose("shop", "front", "/srv/a.yml,/srv/b.yml"), as(func(c *engine.Container) { c.Error = "no such image" })),
			[]string{logs, "docker compose --project-name shop --file /srv/a.yml --file /srv/b.yml up --detach --force-recreate front"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(row.want, commandsOf(row.s)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Whoever makes an image chooses labels: what somebody copies from the page into
// a root shell must not be theirs to choose.
func TestNoLabelGetsIntoAShell(t *testing.T) {
	plain := regexp.MustCompile(`^docker [A-Za-z0-9 _./:-]+( '\{\{json \.State\.Health\}\}' [0-9a-f]+)?$`)
	for _, evil := range []string{
		"x; rm -rf /", "$(reboot)", "`reboot`", "a\nreboot", "a b", "--privileged", "-v/:/host", "a'b", `a"b`, "a|b", "a&b", "a>b", "../x", "", "\u202ecod", "x\x00",
	} {
		for name, s := range map[string]restarter.Standing{
			"service": died("web", minAgo, 1, held(restarter.ParentGone, 0), compose("shop", evil, "/srv/a.yml")),
			"project": died("web", minAgo, 1, held(restarter.ParentGone, 0), compose(evil, "web", "/srv/a.yml")),
			"file":    died("web", minAgo, 1, held(restarter.ParentGone, 0), compose("shop", "web", "/srv/"+evil+","+evil)),
			"name":    but(runs(evil, hour), unhealthy, bare),
		} {
			for _, command := range commandsOf(s) {
				if !plain.MatchString(command) {
					t.Errorf("%s %q gets into %q", name, evil, command)
				}
				if name != "file" && evil != "" && regexp.MustCompile(regexp.QuoteMeta(evil)).MatchString(command) {
					t.Errorf("%s %q gets into %q", name, evil, command)
				}
			}
		}
	}
}
