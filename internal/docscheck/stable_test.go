package docscheck

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"defib/alerts"
	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/state"
)

var update = flag.Bool("update", false, "add what is new to the list of what is stable")

// list is what was recorded of the program, a line for each thing.
type list struct{ file, head, gone string }

// stableList has what docs/stability.md calls stable.
var stableList = list{
	file: "internal/docscheck/testdata/stable.txt",
	head: `# What is stable, as docs/stability.md explains. A line that is new is an addition: have it
# written by
#   go test ./internal/docscheck -run TestNothingStableHasChanged -update
# and describe it in CHANGELOG.md. A line that the program no longer has is a break, which
# needs a new major version: only then is it removed here, by hand.
`,
	gone: "Stable things have gone or changed. That needs a new major version.",
}

// followedList has what follows cAdvisor, and so may change.
var followedList = list{
	file: "internal/docscheck/testdata/cadvisor.txt",
	head: `# The metrics that follow cAdvisor, which docs/stability.md does not call stable. If a line is
# gone or changed here, that is a [CHANGE] in CHANGELOG.md. New lines are written by
#   go test ./internal/docscheck -run TestNothingStableHasChanged -update
`,
	gone: "Metrics that follow cAdvisor have gone or changed. If they are to, remove these lines from the list, and describe it as a [CHANGE] in CHANGELOG.md.",
}

// followed begins each line of that list.
const followed = "metric of cAdvisor's: "

func TestNothingStableHasChanged(t *testing.T) {
	program := slices.Concat(
		stableMetrics(t), stableFlags(t), stableCommands(), stableExitCodes(t),
		stableLabels(), stableAlertLabels(t), stableWebhook(t), stableStatus(t), stablePaths(t),
		stableRules(t), stablePlaces(t),
	)
	slices.Sort(program)
	program = slices.Compact(program)
	isFollowed := func(line string) bool { return strings.HasPrefix(line, followed) }
	stableList.compare(t, slices.DeleteFunc(slices.Clone(program), isFollowed))
	followedList.compare(t, slices.DeleteFunc(program, func(line string) bool { return !isFollowed(line) }))
}

// compare compares the program with what was recorded of it.
func (l list) compare(t *testing.T, program []string) {
	t.Helper()
	var recorded []string
	for line := range strings.Lines(read(t, l.file)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			recorded = append(recorded, line)
		}
	}
	if broken := without(recorded, program); len(broken) > 0 {
		t.Errorf("%s The program no longer has\n\t%s", l.gone, strings.Join(broken, "\n\t"))
	}
	if *update {
		program = slices.Concat(program, recorded)
		slices.Sort(program)
		l.write(t, slices.Compact(program))
		return
	}
	if added := without(program, recorded); len(added) > 0 {
		t.Errorf("Things have come to %s, or taken the place of what has gone. Run this test with -update, and describe in CHANGELOG.md\n\t%s", l.file, strings.Join(added, "\n\t"))
	}
}

// without returns those lines that are not among others.
func without(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
}

// write writes the list, with a blank line between one kind and the next.
func (l list) write(t *testing.T, lines []string) {
	t.Helper()
	text, last := l.head, ""
	for _, line := range lines {
		if kind, _, _ := strings.Cut(line, ": "); kind != last {
			text, last = text+"\n", kind
		}
		text += line + "\n"
	}
	if err := os.WriteFile(at(l.file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// closed are the labels of metrics whose values are a list.
var closed = []string{"call", "code", "event", "outcome", "reason", "state", "status", "trigger"}

// stableMetrics are name, type and labels of every metric, and the values of labels that
// have few. Those of an _info metric stand alone, since it may have more.
func stableMetrics(t *testing.T) (lines []string) {
	t.Helper()
	families, err := fullExposition(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		name := f.GetName()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue // of the client library
		}
		kind := "metric: "
		if strings.HasPrefix(name, "container_") || strings.HasPrefix(name, "machine_") {
			kind = followed
		}
		var labels []string
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
				if slices.Contains(closed, l.GetName()) {
					lines = append(lines, fmt.Sprintf("%s%s{%s=%q}", kind, name, l.GetName(), l.GetValue()))
				}
			}
		}
		typ, set, _ := strings.Cut(describe(strings.ToLower(f.GetType().String()), labels), " ")
		if strings.HasSuffix(name, "_info") {
			for label := range strings.SplitSeq(set, ",") {
				lines = append(lines, kind+name+"{"+label+"}")
			}
			set = ""
		}
		if set != "" {
			set = "{" + set + "}"
		}
		lines = append(lines, kind+name+set+" "+typ)
	}
	for reason := range outcome.Reasons { // of which the exposition has two
		lines = append(lines, fmt.Sprintf("metric: defib_container_held{reason=%q}", reason))
	}
	return lines
}

// stableLabels are the labels of containers, with values that are understood.
func stableLabels() (lines []string) {
	values := map[string][]string{
		policy.LabelEnable:       {"true", "false", "yes", "no", "on", "off"},
		policy.LabelPolicy:       {"always", "unless-stopped", "on-failure", "on-failure:3"},
		policy.LabelTriggers:     {"", "exited,alert"},
		policy.LabelStoppedDelay: {"0s", "1m30s"},
		policy.LabelUnhealthyFor: {"0s", "1m30s"},
		policy.LabelMaxAttempts:  {"1", "5"},
		policy.LabelCooldown:     {"5m"},
		policy.LabelRecreate:     {"true", "false"},
		policy.LabelSwarm:        {"restart"},
	}
	for _, trigger := range policy.AllTriggers {
		values[policy.LabelTriggers] = append(values[policy.LabelTriggers], string(trigger))
	}
	for _, label := range policy.KnownLabels {
		lines = append(lines, "container label: "+label)
		for _, value := range values[label] {
			c := &engine.Container{Labels: map[string]string{label: value}}
			if len(policy.ReadLabels(c, policy.Settings{}).Mislabelled()) == 0 {
				lines = append(lines, "container label: "+label+"="+value)
			}
		}
	}
	return lines
}

// stableRules are the names of the bundled alerts, and the labels that routes go by.
func stableRules(t *testing.T) (lines []string) {
	t.Helper()
	rule := regexp.MustCompile(`(?ms)^ +- alert: (\w+)\n(.*?)annotations:`)
	label := regexp.MustCompile(`(?m)^ +((?:severity|heal): \w+)$`)
	for _, m := range rule.FindAllStringSubmatch(alerts.Rules(), -1) {
		line := "bundled alert: " + m[1]
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			line += ", " + l[1]
		}
		lines = append(lines, line)
	}
	if len(lines) < 20 {
		t.Errorf("only %d alerts were found: this test does not see them", len(lines))
	}
	return lines
}

// stablePlaces are what users mount and set of the image, the systemd unit and the package, and
// the version of the state file, of which no older Defib reads a newer one.
func stablePlaces(t *testing.T) (lines []string) {
	t.Helper()
	for _, i := range stages(t)[1] {
		if slices.Contains([]string{"USER", "VOLUME", "EXPOSE", "ENTRYPOINT"}, i.name) {
			lines = append(lines, "image: "+i.name+" "+i.args)
		}
	}
	unit := regexp.MustCompile(`(?m)^(?:User|Group|StateDirectory|EnvironmentFile)=.*$`)
	for _, line := range unit.FindAllString(read(t, "deploy/systemd/defib.service"), -1) {
		lines = append(lines, "systemd unit: "+line)
	}
	for _, m := range regexp.MustCompile(`dst: (/usr/bin/\S+|/etc/\S+|\S+\.service),`).FindAllStringSubmatch(read(t, "deploy/debian/nfpm.yaml"), -1) {
		lines = append(lines, "Debian package: "+m[1])
	}
	return append(lines, fmt.Sprintf("state file: version %d", state.Version))
}
