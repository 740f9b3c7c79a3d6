package docscheck

import (
	"context"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
	"defib/engine/docker"
	"defib/engine/docker/address"
	"defib/internal/cli"
	"defib/internal/exposition"
	"defib/restarter"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/state"
	"defib/restarter/webhook"
	"defib/stats"
)

// Pages of reference.
const (
	metricsPage  = "docs/reference/metrics.md"
	flagsPage    = "docs/reference/flags.md"
	commandsPage = "docs/reference/commands.md"
	outcomesPage = "docs/reference/outcomes.md"
	reasonsPage  = "docs/reference/reasons.md"
)

// table returns the rows of all tables of a page by the name in their first cell, each
// without it. A row whose first cell is empty goes by the second.
func table(t *testing.T, page string) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	lines := 0
	for line := range strings.Lines(read(t, page)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			lines = 0
			continue
		}
		if lines++; lines <= 2 { // the head, and the line below it
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		names := quoted(cells[0])
		if strings.TrimSpace(cells[0]) == "" {
			names = quoted(cells[1])
		}
		if len(names) != 1 || rows[names[0]] != nil {
			t.Fatalf("%s: want one name, not yet seen, at the beginning of %s", page, line)
		}
		for i, cell := range cells {
			cells[i] = strings.TrimSpace(cell)
		}
		rows[names[0]] = cells[1:]
	}
	if len(rows) == 0 {
		t.Fatalf("%s: no table", page)
	}
	return rows
}

var backQuotes = regexp.MustCompile("`([^`]*)`")

// quoted returns what stands in back quotes.
func quoted(text string) []string {
	var words []string
	for _, m := range backQuotes.FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

// compare holds what a page says to what the program has.
func compare(t *testing.T, page string, program, written any) {
	t.Helper()
	if d := cmp.Diff(program, written); d != "" {
		t.Errorf("correct %s, where - is what the program has and + what the page says:\n%s", page, d)
	}
}

// whitelisting has one whitelisted container, token, in a dry run, which exposes more.
func whitelisting(t *testing.T) policy.Policy {
	t.Helper()
	whitelist, err := policy.ParsePatterns([]string{"token"})
	if err != nil {
		t.Fatal(err)
	}
	return policy.Policy{
		Whitelist: whitelist, Triggers: policy.AllTriggers, Mode: policy.Always,
		Settings:    policy.Settings{StoppedDelay: 10 * time.Second, MaxAttempts: 1, Cooldown: time.Minute},
		Concurrency: 1, MaxPerMinute: 1, DryRun: true,
		Backoff: policy.Backoff{Initial: time.Second, Max: time.Minute, Reset: time.Minute},
	}
}

// fakeEngine is an engine without Docker.
type fakeEngine struct {
	snapshot func() *engine.Snapshot
	news     func() <-chan struct{}
	start    func(context.Context, *engine.Container) error
	restart  func(context.Context, *engine.Container) error
}

func (f fakeEngine) Snapshot() *engine.Snapshot                           { return f.snapshot() }
func (f fakeEngine) Changed() <-chan struct{}                             { return f.news() }
func (f fakeEngine) Start(ctx context.Context, c *engine.Container) error { return f.start(ctx, c) }

func (f fakeEngine) Restart(ctx context.Context, c *engine.Container) error { return f.restart(ctx, c) }

func (f fakeEngine) EndTask(ctx context.Context, c *engine.Container) error { return f.restart(ctx, c) }

func (f fakeEngine) Recreate(context.Context, <-chan struct{}, engine.Recreation) (*engine.Container, error) {
	return nil, nil
}

func (f fakeEngine) Discard(context.Context, *engine.Container) error { return nil }

// fakeStats are what containers use, by ID.
type fakeStats map[string]*stats.Usage

func (f fakeStats) Read(now time.Time, _ *engine.Snapshot) *stats.Reading {
	return &stats.Reading{At: now, Containers: f, Host: stats.Host{Known: true, Cores: 1, MemoryTotal: 1}}
}

// fullUsage is what a container uses of which everything is known.
func fullUsage() *stats.Usage {
	stall := stats.Stall{Known: true}
	return &stats.Usage{
		Path:       "/docker/5a",
		CPU:        stats.CPU{Known: true, Quota: true},
		Memory:     stats.Memory{Known: true, PeakIsKnown: true},
		Disks:      []stats.Disk{{Device: "/dev/sda"}},
		Interfaces: []stats.Interface{{Name: "eth0"}},
		Pressure:   stats.Pressure{CPU: stall, Memory: stall, IO: stall},
		Limits:     stats.Limits{CPUKnown: true, CPUQuota: 1},
	}
}

// fullExposition is that of the program, over a snapshot in which there is
// something for every metric to say.
func fullExposition(t *testing.T) exposition.All {
	t.Helper()
	now := time.Now()
	p := &engine.Snapshot{
		Connected: true, Listed: now, First: now,
		Containers: []*engine.Container{{
			ID: "4f", Name: "token", Inspected: true, State: engine.Exited, HealthCheck: true, Labels: map[string]string{"team": "core", policy.LabelRecreate: "true"},
			Created: now.Add(-time.Hour), Started: now.Add(-time.Minute), Finished: now, Exit: engine.Exit{Known: true, Code: 3},
			ExitCause: engine.CauseStopped, ExitSeenAt: now, Parents: []engine.Parent{{Namespace: engine.Network, Container: "gone"}},
			ImageStatus: engine.ImageOutdated,
		}, {
			ID: "5a", Name: "worker", Image: "x", Inspected: true, State: engine.Running, Created: now.Add(-time.Hour), Started: now,
			Labels: map[string]string{"team": "core"},
		}},
	}
	watch, err := docker.New(docker.Options{Host: address.Default, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	// The restarter looks once: as it waits for news, the end comes.
	ctx, cancel := context.WithCancel(t.Context())
	healer := restarter.New(fakeEngine{
		snapshot: func() *engine.Snapshot { return p },
		news:     func() <-chan struct{} { cancel(); return nil },
		start: func(context.Context, *engine.Container) error {
			t.Error("it starts a container that somebody stopped just now")
			return nil
		},
	}, whitelisting(t), slog.New(slog.DiscardHandler))
	if err := healer.Run(ctx); err != nil {
		t.Fatal(err)
	}
	all, err := cli.NewExposition(func() (*engine.Snapshot, error) { return p, nil }, fakeStats{"5a": fullUsage()}, watch, healer, webhook.New(healer, webhook.Guard{}, nil, slog.New(slog.DiscardHandler)), state.NewMetrics(), []string{"team"})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// exposed returns "type labels" by metric, and the names of all that was
// described.
func exposed(t *testing.T) (families map[string]string, described []string) {
	t.Helper()
	all := fullExposition(t)
	gathered, err := all.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families = map[string]string{}
	for _, f := range gathered {
		var labels []string
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
		}
		families[f.GetName()] = describe(strings.ToLower(f.GetType().String()), labels)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		all.Describe(descs)
		close(descs)
	}()
	name := regexp.MustCompile(`fqName: "([^"]*)"`)
	for d := range descs {
		described = append(described, name.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(described)
	return families, slices.Compact(described)
}

// describe writes a type and its labels, each once, in order. What users choose
// the labels' names for is one label.
func describe(kind string, labels []string) string {
	for i, l := range labels {
		for _, prefix := range []string{"label_", "container_label_"} {
			if strings.HasPrefix(l, prefix) {
				labels[i] = prefix + "*"
			}
		}
	}
	slices.Sort(labels)
	return kind + " " + strings.Join(slices.Compact(labels), ",")
}

func TestReadmeNamesTheGoReleaseThatItTakes(t *testing.T) {
	_, release, _ := strings.Cut(read(t, "go.mod"), "\ngo ")
	release, _, _ = strings.Cut(release, "\n")
	if want := "With Go " + release + " or newer,"; !strings.Contains(read(t, "README.md"), want) {
		t.Errorf("README.md does not say %q", want)
	}
}

func TestDocsHaveEveryMetricAndNoOther(t *testing.T) {
	families, described := exposed(t)
	// The usual ones are named by their beginnings, before the table.
	prose, _, _ := strings.Cut(read(t, metricsPage), "\n|")
	for _, word := range quoted(prose) {
		beginning, ok := strings.CutSuffix(word, "*")
		if !ok {
			continue
		}
		usual := func(name string) bool { return strings.HasPrefix(name, beginning) }
		if !slices.ContainsFunc(described, usual) {
			t.Errorf("%s speaks of %s, of which there are none", metricsPage, word)
		}
		described = slices.DeleteFunc(described, usual)
		maps.DeleteFunc(families, func(name, _ string) bool { return usual(name) })
	}
	written := map[string]string{}
	for name, cells := range table(t, metricsPage) {
		written[name] = describe(cells[0], quoted(cells[1]))
	}
	compare(t, metricsPage, described, slices.Sorted(maps.Keys(written)))
	for _, name := range described {
		if families[name] == "" {
			t.Fatalf("%s: nothing in fullExposition, in this file, has it: its type and labels cannot be compared", name)
		}
	}
	compare(t, metricsPage, families, written)
}

func TestDocsHaveEveryFlagWithItsDefaultAndNoOther(t *testing.T) {
	program, written := map[string]string{}, map[string]string{}
	for _, flag := range cli.Model().Flags {
		if !flag.Hidden {
			program["--"+flag.Name] = strings.Join(flag.Default, ",")
		}
	}
	for name, cells := range table(t, flagsPage) {
		if !strings.HasPrefix(name, "--") {
			continue // what only a label says
		}
		written[name] = ""
		if values := quoted(cells[1]); len(values) > 0 { // the last is that without DOCKER_HOST
			written[name] = values[len(values)-1]
		}
		written[name] = strings.TrimPrefix(written[name], "false")
	}
	compare(t, flagsPage, program, written)
}

func TestDocsHaveEveryCommandAndNoOther(t *testing.T) {
	var program []string
	for _, command := range cli.Model().Commands {
		if command.Name != "help" { // kingpin's own
			program = append(program, command.Name)
		}
	}
	slices.Sort(program)
	compare(t, commandsPage, program, slices.Sorted(maps.Keys(table(t, commandsPage))))
}

// A label stands in the row of the flag that is called the same, if there is one.
func TestDocsHaveEveryContainerLabelBesideItsFlagAndNoOther(t *testing.T) {
	program, written := map[string]string{}, map[string]string{}
	for _, label := range policy.KnownLabels {
		program[label] = ""
		for _, flag := range cli.Model().Flags {
			if _, of, _ := strings.Cut(flag.Name, "."); "defib."+of == label {
				program[label] = "--" + flag.Name
			}
		}
	}
	for name, cells := range table(t, flagsPage) {
		flag, is := strings.CutPrefix(name, "--")
		for _, label := range quoted(cells[0]) {
			written[label] = ""
			if is {
				written[label] = "--" + flag
			}
		}
	}
	compare(t, flagsPage, program, written)
}

func TestDocsHaveEveryOutcomeWithItsStatusAndNoOther(t *testing.T) {
	program, written := map[string]string{}, map[string]string{}
	for o := range outcome.Outcomes {
		program[string(o)] = strconv.Itoa(webhook.Status(o))
	}
	for name, cells := range table(t, outcomesPage) {
		written[name] = strings.TrimSpace(cells[0])
	}
	compare(t, outcomesPage, program, written)
}

func TestDocsHaveEveryReasonAndNoOther(t *testing.T) {
	program := slices.Sorted(maps.Keys(outcome.Reasons))
	var written []outcome.Reason
	for name := range table(t, reasonsPage) {
		written = append(written, outcome.Reason(name))
	}
	slices.Sort(written)
	compare(t, reasonsPage, program, written)
}

func TestTheOrderOfTheChecksHasEveryReason(t *testing.T) {
	const page = "docs/decisions.md"
	_, section, _ := strings.Cut(read(t, page), "\n## The order of the checks\n")
	prose, checks, _ := strings.Cut(section, "\n```\n")
	checks, _, _ = strings.Cut(checks, "\n```\n")
	written := quoted(prose)
	for line := range strings.Lines(checks) { // the question, padded, and its reasons
		written = append(written, regexp.MustCompile(`\w+`).FindAllString(line[min(len(line), 32):], -1)...)
	}
	for reason := range outcome.Reasons {
		if !slices.Contains(written, string(reason)) {
			t.Errorf("%s: the order of the checks lacks %s", page, reason)
		}
	}
}
