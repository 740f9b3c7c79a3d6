package web

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// sickLogs shows what the sample container named web wrote before it fell ill.
var sickLogs = "docker logs --since " + night.Add(-2*time.Minute-before).UTC().Format("2006-01-02T15:04:05Z") + " web"

func commandsOf(s restarter.ContainerStatus) []string {
	return view{ContainerStatus: s, now: night}.commands()
}

// compose makes the container one of this service.
func compose(project, service, file string) func(s *restarter.ContainerStatus) {
	return as(func(c *engine.Container) {
		c.Labels = map[string]string{
			"com.docker.compose.project": project, "com.docker.compose.service": service,
			"com.docker.compose.project.config_files": file, "com.docker.compose.project.working_dir": file,
		}
	})
}

func TestCommandsToCopy(t *testing.T) {
	since := night.Add(-minAgo - before).UTC().Format("2006-01-02T15:04:05Z")
	logs := "docker logs --since " + since + " web"
	for name, row := range map[string]struct {
		s    restarter.ContainerStatus
		want []string
	}{
		"fine":                       {runs("web", hour), nil},
		"it is being healed":         {died("web", minAgo, 1, held(outcome.BackOff, hour)), []string{logs}},
		"in a loop":                  {died("web", minAgo, 1, held(outcome.BackOff, hour), streak(9)), []string{logs}},
		"not whitelisted":            {died("web", minAgo, 1, bare), []string{logs, "docker start web"}},
		"its trigger is off":         {died("web", minAgo, 1, held(outcome.TriggerDisabled, 0)), []string{logs, "docker start web"}},
		"stopped by hand":            {died("web", minAgo, 1, bare, ending(engine.CauseStopped)), []string{"docker start web"}},
		"paused":                     {but(runs("web", hour), state(engine.Paused), vetoed(outcome.Paused), bare), []string{"docker unpause web"}},
		"finished":                   {died("web", minAgo, 0, bare), nil},
		"dead":                       {died("web", minAgo, 1, held(outcome.Dead, 0), state(engine.Dead)), []string{logs, "docker rm --force web"}},
		"unhealthy, not whitelisted": {but(runs("web", hour), unhealthy, bare), []string{sickLogs, "docker inspect --format '{{json .State.Health}}' web", "docker restart web"}},
		"unhealthy, on an engine whose clock is far off": {
			but(runs("web", hour), unhealthy, as(func(c *engine.Container) { c.Started = engineTime })),
			[]string{
				"docker logs --since 2026-01-02T04:00:05Z web", // fell ill after 58 minutes
				"docker inspect --format '{{json .State.Health}}' web", "docker restart web",
			},
		},
		"its label is not understood, down":    {died("web", minAgo, 1, held(outcome.BadLabel, 0)), []string{logs, "docker start web"}},
		"its label is not understood, up":      {but(runs("web", hour), held(outcome.BadLabel, 0)), nil},
		"its label is not understood, compose": {but(runs("web", hour), held(outcome.BadLabel, 0), compose("shop", "front", "")), []string{"docker compose --project-name shop up --detach --force-recreate front"}},
		"its network is gone, no compose":      {died("web", minAgo, 1, held(outcome.ParentGone, 0)), []string{logs}},
		"its network is gone, compose": {
			died("web", minAgo, 1, held(outcome.ParentGone, 0), compose("shop", "front", "")),
			[]string{logs, "docker compose --project-name shop up --detach --force-recreate front"},
		},
		"it cannot start, compose": {
			died("web", minAgo, 128, held(outcome.BackOff, hour), compose("shop", "front", "/srv/a.yml"), as(func(c *engine.Container) { c.Error = "no such image" })),
			[]string{logs, "docker compose --project-name shop up --detach --force-recreate front"},
		},
		"unhealthy, in a loop that Defib has not given up": {
			but(runs("web", hour), unhealthy, held(outcome.BackOff, hour), streak(5)),
			[]string{sickLogs, "docker inspect --format '{{json .State.Health}}' web"},
		},
		"unhealthy, in a loop that Defib has given up": {
			but(runs("web", hour), unhealthy, held(outcome.GaveUp, 0), streak(5), func(s *restarter.ContainerStatus) { s.GaveUp = true }),
			[]string{sickLogs, "docker inspect --format '{{json .State.Health}}' web", "docker restart web"},
		},
		"its own policy loops": {
			died("web", minAgo, 1, bare, state(engine.Restarting), vetoed(outcome.EngineRestarting), streak(9)), []string{logs},
		},
		"a deploy left it behind": {
			died("web", minAgo, 1, state(engine.Created), held(outcome.NotStarted, 0), compose("shop", "web", ""), as(func(c *engine.Container) { c.Started = time.Time{} })), []string{"docker start web"},
		},
		"on hold, down":             {died("web", minAgo, 1, held(outcome.OnHold, hour)), []string{"docker start web"}},
		"on hold, up and unhealthy": {but(runs("web", hour), unhealthy, held(outcome.OnHold, hour)), nil},
		"on hold, paused":           {but(runs("web", hour), state(engine.Paused), held(outcome.OnHold, hour)), nil},
		"Swarm's, unhealthy":        {but(runs("web", hour), unhealthy, held(outcome.SwarmTask, 0), vetoed(outcome.SwarmTask)), nil},
		"Swarm's, not inspected": {
			but(runs("web", hour), bare, vetoed(outcome.SwarmTask), as(func(c *engine.Container) { c.Inspected = false })), nil,
		},
		"Swarm's, unhealthy, not whitelisted": {
			but(runs("web", hour), unhealthy, bare, vetoed(outcome.SwarmTask)), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(row.want, commandsOf(row.s)); d != "" {
				t.Error(d)
			}
		})
	}
}

// To restart what cannot join its network takes down what runs.
func TestNothingIsRestartedIntoANetworkThatIsGone(t *testing.T) {
	const logs, again = "docker logs --since 10m web", "docker compose --project-name shop up --detach --force-recreate web"
	service := compose("shop", "web", "")
	tie := func(why outcome.Reason, lost bool) func(s *restarter.ContainerStatus) {
		return tied(decision.Tie{Namespace: engine.Network, Reason: why, Lost: lost})
	}
	stopped := ending(engine.CauseStopped)
	for name, row := range map[string]struct {
		s    restarter.ContainerStatus
		want []string
	}{
		"the parent was started after it":      {but(runs("web", hour), bare, tie("", true)), []string{logs, "docker restart web"}},
		"the same, of compose":                 {but(runs("web", hour), bare, service, tie("", true)), []string{logs, "docker restart web"}},
		"the parent is gone":                   {but(runs("web", hour), bare, tie(outcome.ParentGone, true)), []string{logs}},
		"the parent is gone, of compose":       {but(runs("web", hour), bare, service, tie(outcome.ParentGone, true)), []string{logs, again}},
		"unhealthy, and the parent is down":    {but(runs("web", hour), bare, unhealthy, tie(outcome.ParentDown, true)), []string{sickLogs, "docker inspect --format '{{json .State.Health}}' web"}},
		"stopped by hand, the parent is down":  {died("web", minAgo, 1, bare, stopped, tie(outcome.ParentDown, false)), nil},
		"stopped by hand, and the parent runs": {died("web", minAgo, 1, bare, stopped, tie("", false)), []string{"docker start web"}},
	} {
		s := newStatus(night, newHost(row.s).report, nil, nil)
		if d := cmp.Diff(row.want, s.Containers[0].Commands); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAHoldIsReleasedInDefibsOwnContainer(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own, web := runs("defib", hour), died("web", minAgo, 1, held(outcome.OnHold, time.Hour))
	h := newHost(own, web)
	h.report.HoldFile, h.report.Holds = "/var/lib/defib/holds", policy.Holds{{Pattern: patterns("web")[0], Until: night.Add(time.Hour)}}
	for self, want := range map[string]string{
		own.Container.ID:           "docker exec defib " + program + " release --restart.hold-file=/var/lib/defib/holds 'web'",
		"":                         "defib release --restart.hold-file=/var/lib/defib/holds 'web'",
		"of another host's engine": "defib release --restart.hold-file=/var/lib/defib/holds 'web'",
	} {
		h.report.Snapshot.Self = self
		for _, c := range newStatus(night, h.report, nil, nil).Containers {
			if c.Name == "web" && (len(c.Commands) == 0 || c.Commands[0] != want) {
				t.Errorf("Defib's own container %q: %q, want %q", self, c.Commands, want)
			}
		}
	}
}

func TestTheHoldThatHoldsIsReleased(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	for name, row := range map[string]struct {
		file, entries, command, sentence string
	}{
		"one of several, which ends last": {"/srv/holds", "web,we?,w*,other", "defib release --restart.hold-file=/srv/holds 'w*'", " by the entry “w*”"},
		"everything":                      {"/srv/holds", "*", "defib release --restart.hold-file=/srv/holds '*'", " by the entry “*”"},
		"a name":                          {"/srv/holds", "web", "defib release --restart.hold-file=/srv/holds 'web'", " by the entry “web”"},
		"project and service":             {"/srv/holds", "shop/we[ab]", "defib release --restart.hold-file=/srv/holds 'shop/we[ab]'", " by the entry “shop/we[ab]”"},
		"a file of Defib's own directory": {"holds", "web", "defib release --restart.hold-file=" + filepath.Join(here, "holds") + " 'web'", " by the entry “web”"},
		"what means more to a shell":      {"/srv/holds", "w*[a-z'$;]b", "", " by the entry “w*[a-z'$;]b”"},
		"what means more to an old shell": {"/srv/holds", "w[!a]b", "defib release --restart.hold-file=/srv/holds 'w[!a]b'", " by the entry “w[!a]b”"},
		"a label's value":                 {"/srv/holds", "label:com.docker.compose.project=sh?p", "defib release --restart.hold-file=/srv/holds 'label:com.docker.compose.project=sh?p'", " by the entry “label:com.docker.compose.project=sh?p”"},
		"a file that does":                {"/srv/ho;lds", "web", "", " by the entry “web”"},
	} {
		until, s := night, died("web", minAgo, 1, compose("shop", "web", ""))
		p := view{now: night, holdFile: row.file}
		for _, e := range patterns(row.entries) {
			until = until.Add(hour)
			p.holds = append(p.holds, policy.Hold{Pattern: e, Until: until})
		}
		s.Reason, s.Until = outcome.OnHold, p.holds.Until(s.Container)
		p.ContainerStatus = s
		var want []string
		if row.command != "" {
			want = append(want, row.command)
		}
		if d := cmp.Diff(append(want, "docker start web"), p.commands()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if got := p.nextAction().String(); !strings.Contains(got, "maintenance"+row.sentence+". The hold ends ") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Whoever makes an image chooses labels: what somebody copies from the page into
// a root shell must not be theirs to choose.
func TestNoLabelGetsIntoAShell(t *testing.T) {
	plain := regexp.MustCompile(`^docker [A-Za-z0-9 _./:-]+( '\{\{json \.State\.Health\}\}' [0-9a-f]+)?$`)
	for _, evil := range []string{
		"x; rm -rf /", "$(reboot)", "`reboot`", "a\nreboot", "a b", "--privileged", "-v/:/host", "a'b", `a"b`, "a|b", "a&b", "a>b", "../x", "/home/mallory/compose.yml", "", "\u202ecod", "x\x00",
	} {
		for name, s := range map[string]restarter.ContainerStatus{
			"service": died("web", minAgo, 1, held(outcome.ParentGone, 0), compose("shop", evil, "/srv/a.yml")),
			"project": died("web", minAgo, 1, held(outcome.ParentGone, 0), compose(evil, "web", "/srv/a.yml")),
			"file":    died("web", minAgo, 1, held(outcome.ParentGone, 0), compose("shop", "web", evil)),
			"files":   died("web", minAgo, 1, held(outcome.ParentGone, 0), compose("shop", "web", "/srv/"+evil+","+evil)),
			"name":    but(runs(evil, hour), unhealthy, bare),
		} {
			for _, command := range commandsOf(s) {
				if !plain.MatchString(command) {
					t.Errorf("%s %q gets into %q", name, evil, command)
				}
				if evil != "" && regexp.MustCompile(regexp.QuoteMeta(evil)).MatchString(command) {
					t.Errorf("%s %q gets into %q", name, evil, command)
				}
			}
		}
	}
}
