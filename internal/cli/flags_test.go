package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine/docker/address"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// meaning is what the command line and the environment come to.
type meaning struct {
	Host            string
	Timeout, Resync time.Duration
	Policy          policy.Policy
	Labels          []string
	Resources       bool
	LogLines        int
	State           string
	Proc, Cgroup    string
	Path, Config    string
	Listen          []string
	Systemd         bool
	Level, Format   string
	Token           string
	Matches         []webhook.Match
}

func meant(t *testing.T, args ...string) meaning {
	t.Helper()
	f, done, err := parse(t.Context(), args, io.Discard)
	if err != nil || done {
		t.Fatalf("%q: done %v, error %v", args, done, err)
	}
	return meaning{
		Host: f.host, Timeout: f.timeout, Resync: f.resync, Policy: f.policy, Labels: f.labels,
		Resources: f.resources, LogLines: f.logLines, State: f.stateFile, Proc: f.procFS, Cgroup: f.cgroupFS,
		Path: f.metricsPath, Config: *f.web.WebConfigFile, Listen: *f.web.WebListenAddresses, Systemd: *f.web.WebSystemdSocket,
		Level: f.log.Level.String(), Format: f.log.Format.String(), Token: f.guard.TokenFile, Matches: f.matches,
	}
}

func diff(want, got any) string { return cmp.Diff(want, got, cmp.AllowUnexported(policy.Pattern{})) }

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	want := meaning{
		Host: "unix:///var/run/docker.sock", Timeout: 10 * time.Second, Resync: 30 * time.Second,
		Policy: policy.Policy{
			Triggers: []policy.Trigger{policy.TriggerExited, policy.TriggerAlert, policy.TriggerDependency},
			Mode:     policy.Always, Concurrency: 4, MaxPerMinute: 10, MinUptime: time.Minute,
			Settings: policy.Settings{StoppedDelay: 10 * time.Second, MaxAttempts: 5, Cooldown: 5 * time.Minute},
			Backoff:  policy.Backoff{Initial: time.Second, Max: 5 * time.Minute, Reset: 15 * time.Minute},
		},
		Proc: ofHost("/proc"), Cgroup: ofHost("/sys/fs/cgroup"),
		Path: "/metrics", Listen: []string{":10911"}, Level: "info", Format: "logfmt",
	}
	if d := diff(want, meant(t)); d != "" {
		t.Error(d)
	}
}

func TestEveryFlagIsAnEnvironmentVariable(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(config, []byte("basic_auth_users: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"docker.host": "tcp://box:2376", "docker.timeout": "3s", "docker.resync-interval": "7s",
		"restart.whitelist": "token,web-*", "restart.exclude": "shop/db", "restart.policy": "on-failure",
		"restart.stopped-delay": "1m", "restart.unhealthy-for": "5s", "restart.backoff-initial": "2s", "restart.backoff-max": "3m",
		"restart.backoff-reset": "1h", "restart.concurrency": "9", "dry-run": "true",
		"restart.triggers": "alert", "restart.max-attempts": "2", "restart.max-per-minute": "3", "restart.hold-file": "/holds",
		"webhook.token-file": token, "webhook.match": "host=alpha", "webhook.cooldown": "1m", "webhook.min-uptime": "2m",
		"collector.container-labels": "team,a.b", "collector.resources": "true", "postmortem.log-lines": "50", "state.file": "/state.json", "path.procfs": t.TempDir(), "path.cgroupfs": t.TempDir(), "web.telemetry-path": "/elsewhere", "web.listen-address": ":1",
		"web.config.file": config, "web.systemd-socket": "true", "log.level": "debug", "log.format": "json",
	}
	defaults := meant(t)
	for _, flag := range newApp(&flags{}).Model().Flags {
		if flag.Hidden || flag.Name == "help" || flag.Name == "version" {
			continue
		}
		t.Run(flag.Name, func(t *testing.T) {
			arg := "--" + flag.Name
			if !flag.IsBoolFlag() {
				arg += "=" + values[flag.Name]
			}
			want := meant(t, arg)
			t.Setenv("DEFIB_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(flag.Name)), values[flag.Name])
			got := meant(t)
			if d := diff(want, got); d != "" {
				t.Error(d)
			}
			if diff(defaults, got) == "" {
				t.Error("it changes nothing")
			}
		})
	}
}

func TestNoTriggersCanBeAskedForByTheEnvironment(t *testing.T) {
	t.Setenv("DEFIB_RESTART_TRIGGERS", "")
	if got := meant(t); len(got.Policy.Triggers) > 0 {
		t.Errorf("an empty variable means %v", got.Policy.Triggers)
	}
	if got := meant(t, "--restart.triggers=alert"); len(got.Policy.Triggers) != 1 {
		t.Errorf("the flag beside it means %v", got.Policy.Triggers)
	}
}

func TestEngineIsThatOfDockerUnlessDefibIsToldOtherwise(t *testing.T) {
	host := func(want string, args ...string) {
		t.Helper()
		if got := meant(t, args...).Host; got != want {
			t.Errorf("engine %s, want %s", got, want)
		}
	}
	host(address.Default)
	t.Setenv("DOCKER_HOST", "tcp://docker:2375")
	host("tcp://docker:2375")
	t.Setenv("DEFIB_DOCKER_HOST", "tcp://defib:2375")
	host("tcp://defib:2375")
	host("unix:///flag.sock", "--docker.host=unix:///flag.sock")
}

func TestFileSystemsOfTheHostAreFoundWhereAContainerHasThem(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for directory, want := range map[string]string{
		"/proc":          root + "/proc",
		"/sys/fs/cgroup": "/sys/fs/cgroup", // not mounted
		"/file":          "/file",
	} {
		if got := below(root, directory); got != want {
			t.Errorf("%s: %s, want %s", directory, got, want)
		}
	}
}

func TestOnlyAnEngineOnASocketIsOnThisHost(t *testing.T) {
	for host, want := range map[string]bool{address.Default: true, "tcp://127.0.0.1:2375": false} {
		f, _, err := parse(t.Context(), []string{"--docker.host=" + host}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.statsOptions(nil).Local; got != want {
			t.Errorf("%s: local %v, want %v", host, got, want)
		}
	}
}

func TestListsAreRepeatableAndSeparatedByCommas(t *testing.T) {
	words := func(patterns []policy.Pattern) (words []string) {
		for _, p := range patterns {
			words = append(words, p.String())
		}
		return words
	}
	t.Setenv("DEFIB_RESTART_EXCLUDE", "x,y\nz")
	m := meant(t, "--restart.whitelist=token,explorer", "--restart.whitelist= web-* ,/shop/db,,token,label:a=b", "--restart.whitelist", "last",
		"--collector.container-labels=team, a.b", "--collector.container-labels=team,c")
	for name, row := range map[string]struct{ want, got []string }{
		"whitelist":                       {[]string{"token", "explorer", "web-*", "shop/db", "label:a=b", "last"}, words(m.Policy.Whitelist)},
		"exclude, lines of a variable":    {[]string{"x", "y", "z"}, words(m.Policy.Exclude)},
		"container labels":                {[]string{"team", "a.b", "c"}, m.Labels},
		"a flag replaces its variable":    {[]string{"w"}, words(meant(t, "--restart.exclude=w").Policy.Exclude)},
		"an empty list is an empty list":  {nil, words(meant(t, "--restart.exclude=").Policy.Exclude)},
		"several addresses to listen on":  {[]string{":1", "[::1]:http"}, meant(t, "--web.listen-address=:1", "--web.listen-address=[::1]:http").Listen},
		"an address that only Linux has":  {[]string{"vsock://:10911"}, meant(t, "--web.listen-address=vsock://:10911").Listen},
		"a path with a slash at its end":  {[]string{"/prom/"}, []string{meant(t, "--web.telemetry-path=/prom/").Path}},
		"a path with more than one level": {[]string{"/a/b.c"}, []string{meant(t, "--web.telemetry-path=/a/b.c").Path}},
	} {
		if d := diff(row.want, row.got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// ended runs the program to an end that it must find by itself.
func ended(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestImpossibleValuesAreRefusedAllAtOnce(t *testing.T) {
	rows := []struct{ flag, value, complaint string }{
		{"docker.host", "ssh://box", `engine address "ssh://box": ssh:// is not supported`},
		{"docker.host", "box", `engine address "box": must be unix:///path or tcp://host:port`},
		{"docker.host", "", `engine address "": must be unix:///path or tcp://host:port`},
		{"docker.host", "tcp://box", `engine address "tcp://box": must have a port`},
		{"docker.host", "tcp://box:99999", `engine address "tcp://box:99999": must have a port`},
		{"docker.host", "unix:///" + strings.Repeat("x", 120), "engine address \"unix:///x"},
		{"docker.timeout", "0s", "0s: must be greater than 0"},
		{"docker.timeout", "soon", `"soon": time: invalid duration`},
		{"docker.resync-interval", "-1s", "-1s: must be greater than 0"},
		{"restart.whitelist", "ok,[a", `"[a": a glob may contain`},
		{"restart.whitelist", "a/b/c", `"a/b/c": must be a name, a glob or project/service`},
		{"restart.whitelist", "label:=core", `"label:=core": must name a label`},
		{"restart.exclude", "[b", `"[b": a glob may contain`},
		{"restart.policy", "sometimes", `unknown policy "sometimes"`},
		{"restart.stopped-delay", "-1s", "-1s is negative"},
		{"restart.backoff-initial", "-1s", "-1s: must be greater than 0"},
		{"restart.backoff-max", "-2s", "-2s is less than --restart.backoff-initial"},
		{"restart.backoff-reset", "0s", "0s: must be greater than 0"},
		{"restart.concurrency", "0", "0: must be at least 1"},
		{"restart.concurrency", "many", `"many": `},
		{"restart.triggers", "exited,boredom", `unknown trigger "boredom"`},
		{"restart.max-attempts", "0", "0: must be at least 1"},
		{"restart.max-per-minute", "-1", "-1: must be at least 1"},
		{"webhook.cooldown", "0s", "0s: must be greater than 0"},
		{"webhook.min-uptime", "-1s", "-1s is negative"},
		{"webhook.match", "alpha", `"alpha": must be LABEL=VALUE`},
		{"webhook.token-file", "/nonexistent/token", "open /nonexistent/token: no such file"},
		{"collector.container-labels", "a.b,a-b", `container labels "a.b" and "a-b" map to the same metric label label_a_b`},
		{"path.procfs", "proc", `"proc": must be an absolute path`},
		{"path.procfs", "", `"": must be an absolute path`},
		{"path.procfs", "/nonexistent/proc", "stat /nonexistent/proc: no such file"},
		{"path.cgroupfs", "./cgroup", `"./cgroup": must be an absolute path`},
		{"path.cgroupfs", "/dev/null", `"/dev/null": must be a directory`},
		{"postmortem.log-lines", "-1", "-1: must be from 0 to 1000"},
		{"postmortem.log-lines", "1001", "1001: must be from 0 to 1000"},
		{"postmortem.log-lines", "all", `"all": `},
		{"web.telemetry-path", "metrics", `"metrics": must be a plain path`},
		{"web.telemetry-path", "/", `"/": must be a plain path`},
		{"web.telemetry-path", "/webhook", `"/webhook": must be a plain path`},
		{"web.telemetry-path", "/-/ready", `"/-/ready": must be a plain path`},
		{"web.telemetry-path", "/api/v1/status", `"/api/v1/status": must be a plain path`},
		{"web.telemetry-path", "/assets/x", `"/assets/x": must be a plain path`},
		{"web.telemetry-path", "/{m", `"/{m": must be a plain path`},
		{"web.telemetry-path", "/{$}", `"/{$}": must be a plain path`},
		{"web.telemetry-path", "//", `"//": must be a plain path`},
		{"web.telemetry-path", "/a b", `"/a b": must be a plain path`},
		{"web.telemetry-path", "/a/../b", `"/a/../b": must be a plain path`},
		{"web.telemetry-path", "//m", `"//m": must be a plain path`},
		{"web.telemetry-path", "/m?x", `"/m?x": must be a plain path`},
		{"web.listen-address", "box", `"box": must be host:port or :port`},
		{"web.listen-address", ":65536", `":65536": must be host:port or :port`},
		{"web.listen-address", "", `"": must be host:port or :port`},
		{"web.config.file", "/nonexistent/web.yml", "open /nonexistent/web.yml: no such file"},
		{"log.level", "loud", `"loud": unrecognized log level`},
		{"log.format", "xml", `"xml": unrecognized log format`},
	}
	var all, complaints []string
	seen := map[string]bool{}
	for _, row := range rows {
		arg, complaint := "--"+row.flag+"="+row.value, "--"+row.flag+": "+row.complaint
		if !seen[row.flag] {
			seen[row.flag] = true
			all, complaints = append(all, arg), append(complaints, complaint)
		}
		t.Run(arg, func(t *testing.T) { refused(t, []string{arg}, complaint) })
	}
	t.Run("all at once", func(t *testing.T) { refused(t, all, complaints...) })
	t.Run("labels that resources have", func(t *testing.T) {
		const labels = "com.docker.compose-service"
		refused(t, []string{"--collector.resources", "--collector.container-labels=" + labels},
			`--collector.container-labels: container labels "com.docker.compose.service" and "`+labels+`" map to the same metric label`)
	})
	t.Run("several in one list", func(t *testing.T) {
		refused(t, []string{"--restart.whitelist=[a,b/c/d"}, `--restart.whitelist: "[a": `, `--restart.whitelist: "b/c/d": `)
	})
	t.Run("from the environment too", func(t *testing.T) {
		t.Setenv("DEFIB_DRY_RUN", "maybe")
		t.Setenv("DEFIB_RESTART_CONCURRENCY", "few")
		refused(t, nil, `--dry-run: "maybe": `, `--restart.concurrency: "few": `)
	})
}

func TestUnknownFlagsAndArgumentsAreRefused(t *testing.T) {
	refused(t, []string{"--restart.whitelists=a"}, "unknown long flag '--restart.whitelists'")
	refused(t, []string{"token"}, "unexpected token")
}

// refused expects the program to end with one line for each of these complaints.
func refused(t *testing.T, args []string, complaints ...string) {
	t.Helper()
	code, stdout, stderr := ended(t, args...)
	if code != exitUsage || stdout != "" {
		t.Errorf("%q: exit code %d, want %d; output %q", args, code, exitUsage, stdout)
	}
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	for _, c := range append(complaints, "Try 'defib --help' or 'defib COMMAND --help'.") {
		i := slices.IndexFunc(lines, func(line string) bool {
			return strings.HasPrefix(strings.TrimPrefix(line, "defib: "), c)
		})
		if i < 0 {
			t.Errorf("%q: no complaint %s", args, c)
			continue
		}
		lines = slices.Delete(lines, i, i+1)
	}
	if len(lines) > 0 {
		t.Errorf("%q: complaints without reason: %q", args, lines)
	}
}

func TestHelpAndVersionAreGivenWhateverElseIsWrong(t *testing.T) {
	t.Setenv("DEFIB_DRY_RUN", "maybe")
	for arg, want := range map[string]string{
		"--help": "DEFIB_RESTART_WHITELIST", "-h": "--restart.whitelist", "--version": "defib, version ",
	} {
		code, stdout, stderr := ended(t, arg, "--docker.timeout=soon", "--restart.concurrency=0")
		if code != exitOK || !strings.Contains(stdout, want) || stderr != "" {
			t.Errorf("%s: exit code %d, want %d with %q\nstdout: %s\nstderr: %s", arg, code, exitOK, want, stdout, stderr)
		}
	}
}

func TestEnvironmentNeitherAsksForHelpNorForTheVersion(t *testing.T) {
	t.Setenv("DEFIB_VERSION", "1.2") // may well be an image's tag
	t.Setenv("DEFIB_HELP", "https://example.com")
	if d := diff("/metrics", meant(t).Path); d != "" {
		t.Error(d)
	}
}

func TestFlagsAreReadAsLabelsAre(t *testing.T) {
	p := meant(t, "--restart.policy= On-Failure:3", "--restart.triggers=Exited, ALERT").Policy
	if p.Mode != policy.OnFailure || !slices.Equal(p.Triggers, []policy.Trigger{policy.TriggerExited, policy.TriggerAlert}) {
		t.Errorf("policy %q, triggers %q", p.Mode, p.Triggers)
	}
}
