package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	toolkitflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"defib/engine/docker/address"
	"defib/restarter/policy"
	"defib/restarter/webhook"
	"defib/stats"
)

// flags are what the user asked for, checked.
type flags struct {
	host            string
	timeout, resync time.Duration
	policy          policy.Policy
	labels          []string
	resources       bool
	logLines        int // --postmortem.log-lines
	procFS          string
	cgroupFS        string
	stateFile       string
	metricsPath     string
	web             *toolkit.FlagConfig
	log             *promslog.Config

	guard   webhook.Guard
	matches []webhook.Match

	whitelist, exclude, labelLists, matchTexts []string
	mode, triggers, tokenFile                  string
	unread, unreadOwn                          []error // values that are not of their flag's kind: of all commands, of the one's own

	flagErrors error // for the command check, which tells them itself
	command    string
	nameTexts  []string // of hold and release
	names      []policy.Pattern
	holdFor    time.Duration
}

// newApp declares every flag. Each is also an environment variable: DEFIB_ and
// its name in capitals, dots and dashes as underscores.
func newApp(f *flags) *kingpin.Application {
	app := kingpin.New("defib", "Prometheus exporter for Docker that restarts containers.")
	app.Version(version.Print("defib")).VersionFlag.NoEnvar().Help("Print the version.") // DEFIB_VERSION may well be an image's tag
	app.HelpFlag.Short('h').NoEnvar().Help("Show this help, or that of a command: defib COMMAND --help.")
	app.UsageTemplate(helpTemplate).UsageFuncs(helpFuncs)
	app.DefaultEnvars()

	app.Flag("docker.host", "Address of the engine: unix:///path or tcp://host:port. DOCKER_CERT_PATH and DOCKER_TLS_VERIFY configure TLS.").
		Default(cmp.Or(os.Getenv("DOCKER_HOST"), address.Default)).StringVar(&f.host)
	app.Flag("docker.timeout", "Timeout of a list or an inspect.").
		Default("10s").DurationVar(&f.timeout)
	app.Flag("docker.resync-interval", "Interval at which all containers are listed, in case an event was lost.").
		Default("30s").DurationVar(&f.resync)

	app.Flag("restart.whitelist", "Containers that Defib may start and restart: names, globs, compose project/service or label:KEY=VALUE, comma-separated (token,explorer,web-*,shop/db,label:team=core). Repeatable.").
		PlaceHolder("LIST").StringsVar(&f.whitelist)
	app.Flag("restart.exclude", "Containers never to act on, in the same form. Takes precedence. Repeatable.").
		PlaceHolder("LIST").StringsVar(&f.exclude)
	app.Flag("restart.triggers", "What to heal: exited, unhealthy, alert, dependency, depends_on. Comma-separated.").
		Default(unlessEmpty("DEFIB_RESTART_TRIGGERS", "exited,alert,dependency")).StringVar(&f.triggers)
	app.Flag("restart.policy", "Which exits to heal: always, unless-stopped or on-failure.").
		Default(string(policy.Always)).StringVar(&f.mode)
	app.Flag("restart.stopped-delay", "How long to leave a container alone that was stopped (under the policy always), or whose exit Defib did not see.").
		Default("10s").DurationVar(&f.policy.StoppedDelay)
	app.Flag("restart.unhealthy-for", "How long a container must be unhealthy before it is restarted, with the trigger unhealthy.").
		Default("0s").DurationVar(&f.policy.UnhealthyFor)
	app.Flag("restart.backoff-initial", "Wait before the second attempt; doubles with each further attempt.").
		Default("1s").DurationVar(&f.policy.Backoff.Initial)
	app.Flag("restart.backoff-max", "Longest wait between two attempts.").
		Default("5m").DurationVar(&f.policy.Backoff.Max)
	app.Flag("restart.backoff-reset", "How long a container must stay up, and not unhealthy, for its back-off to be reset.").
		Default("15m").DurationVar(&f.policy.Backoff.Reset)
	app.Flag("restart.max-attempts", "After how many restarts that do not help Defib gives up restarting a running container.").
		Default("5").IntVar(&f.policy.MaxAttempts)
	app.Flag("restart.concurrency", "Maximum number of starts, and of restarts, at the same time. Removals of what was re-created take what starts leave.").
		Default("4").IntVar(&f.policy.Concurrency)
	app.Flag("restart.max-per-minute", "Maximum number of restarts of running containers on this host in any minute.").
		Default("10").IntVar(&f.policy.MaxPerMinute)
	app.Flag("restart.hold-file", "File with holds for maintenance, written by defib hold and defib release.").
		PlaceHolder("FILE").StringVar(&f.policy.HoldFile)
	app.Flag("state.file", "File in which to remember across restarts of Defib what it did and saw: limits, alerts, how containers exited. Its directory must be writable.").
		PlaceHolder("FILE").StringVar(&f.stateFile)
	app.Flag("dry-run", "Decide, log and count, but start and restart nothing.").
		BoolVar(&f.policy.DryRun)

	app.Flag("webhook.token-file", "File with the bearer token that Alertmanager must send. Without it, the webhook accepts requests only from this host, or from callers that --web.config.file authenticates.").
		PlaceHolder("FILE").StringVar(&f.tokenFile)
	app.Flag("webhook.match", "Label that an alert must have to be meant for this host. Repeatable.").
		PlaceHolder("LABEL=VALUE").StringsVar(&f.matchTexts)
	app.Flag("webhook.cooldown", "How long an alert is not acted on again after an action for it. Must be shorter than Alertmanager's repeat_interval.").
		Default("5m").DurationVar(&f.policy.Cooldown)
	app.Flag("webhook.min-uptime", "How long a container must be up before an alert may restart it.").
		Default("1m").DurationVar(&f.policy.MinUptime)

	app.Flag("collector.container-labels", "Container labels to expose in docker_container_labels and container_*, comma-separated. Repeatable.").
		PlaceHolder("LIST").StringsVar(&f.labelLists)
	app.Flag("collector.resources", "Expose what containers use, under the names of cAdvisor. Not beside a cAdvisor that the same Prometheus scrapes: every sum would double.").
		BoolVar(&f.resources)
	app.Flag("path.procfs", "The /proc of the engine's host. Default in a container: /host/proc, if it is mounted.").
		Default(ofHost(procFS)).StringVar(&f.procFS)
	app.Flag("path.cgroupfs", "The /sys/fs/cgroup of the engine's host. Default in a container: /host/sys/fs/cgroup, if it is mounted.").
		Default(ofHost(cgroupFS)).StringVar(&f.cgroupFS)

	app.Flag("postmortem.log-lines", "How many of the last lines of a container's log to keep of each death that Defib heals, with what else is known of it. Whoever may read the page reads them. 0: keep nothing.").
		Default("0").IntVar(&f.logLines)

	app.Flag("web.telemetry-path", "Path under which metrics are exposed.").
		Default("/metrics").StringVar(&f.metricsPath)
	addCommands(app, f)
	f.web = toolkitflag.AddFlags(app, ":10911")
	app.GetFlag("web.config.file").PlaceHolder("FILE")
	f.log = &promslog.Config{}
	promslogflag.AddFlags(app, f.log)
	tolerate(app.GetFlag, app.Model().Flags, &f.unread)
	for _, command := range app.Model().Commands {
		tolerate(app.GetCommand(command.Name).GetFlag, command.Flags, &f.unreadOwn)
	}
	return app
}

// Model describes the commands and flags of the program.
func Model() *kingpin.ApplicationModel {
	app := newApp(&flags{})
	_, _ = app.ParseContext(nil) // gives each flag its variable
	return app.Model()
}

// tolerate has flags note what is not of their kind.
func tolerate(get func(name string) *kingpin.FlagClause, all []*kingpin.FlagModel, unread *[]error) {
	for _, flag := range all {
		get(flag.Name).SetValue(value{Value: flag.Value, flag: flag, unread: unread})
	}
}

// value notes what is not of the flag's kind and goes on with the default.
// Kingpin would end at the first such value, without the name of its flag.
type value struct {
	kingpin.Value
	flag   *kingpin.FlagModel
	unread *[]error
}

func (v value) Set(s string) error {
	if err := v.Value.Set(s); err != nil {
		*v.unread = append(*v.unread, fmt.Errorf("--%s: %q: %w", v.flag.Name, s, err))
		if len(v.flag.Default) > 0 {
			return v.Value.Set(v.flag.Default[0])
		}
	}
	return nil
}

// IsBoolFlag and IsCumulative are how kingpin asks for the kind of a flag.
func (v value) IsBoolFlag() bool { return v.flag.IsBoolFlag() }

func (v value) IsCumulative() bool {
	c, ok := v.Value.(interface{ IsCumulative() bool })
	return ok && c.IsCumulative()
}

// parse reads the command line and the environment. Done means that help or the
// version was asked for and given. Every value that cannot work is part of the
// error.
func parse(ctx context.Context, args []string, stdout io.Writer) (f *flags, done bool, err error) {
	f = &flags{}
	app := newApp(f)
	app.UsageWriter(stdout)
	app.Terminate(func(int) { done = true })
	f.command, err = app.Parse(args)
	switch {
	case done: // whatever else is wrong
		return nil, true, nil
	case err != nil:
		return nil, false, err
	}
	switch f.command {
	case commandHealthcheck, commandRules:
		return f, false, nil // what the running Defib did with the other values is not the question
	case commandHold, commandRelease:
		return f, false, f.checkHold() // nor is it here
	case commandCheck:
		f.flagErrors = f.check(ctx) // they are what is asked for
		return f, false, nil
	}
	return f, false, f.check(ctx)
}

// Where a host has its file systems of this kind.
const (
	procFS   = "/proc"
	cgroupFS = "/sys/fs/cgroup"
)

// unlessEmpty returns the default of a flag of which nothing is a value, too: kingpin takes
// a variable that is set and empty for one that is not set.
func unlessEmpty(variable, otherwise string) string {
	if value, set := os.LookupEnv(variable); set && value == "" {
		return ""
	}
	return otherwise
}

// ofHost returns where the host's directory of this path is: in a container below /host,
// by the mounts that the documentation has.
func ofHost(directory string) string { return below("/host", directory) }

// below returns a directory below another one, if there is one, else the directory.
func below(root, directory string) string {
	if info, err := os.Stat(root + directory); err == nil && info.IsDir() {
		return root + directory
	}
	return directory
}

// statsOptions says where to read what containers use. What an engine on another host
// runs is not found below these paths.
func (f *flags) statsOptions(logger *slog.Logger) stats.Options {
	return stats.Options{ProcFS: f.procFS, CgroupFS: f.cgroupFS, Local: strings.HasPrefix(f.host, "unix://"), Logger: logger}
}

// split reads comma-separated values, each once, without blanks around them.
func split(lists []string) []string {
	var values []string
	for v := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}
