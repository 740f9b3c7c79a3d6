package cli

import (
	"regexp"
	"strings"
	"testing"
)

func TestHelpHasEveryFlagAndCommandUnderItsHeading(t *testing.T) {
	code, help, stderr := ended(t, "--help")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	heading, of := "", map[string]string{} // the heading of each entry
	entry := regexp.MustCompile(`^ +(?:-h, )?(--[^ =]+|[a-z]+)`)
	for line := range strings.Lines(help) {
		line = strings.TrimSuffix(line, "\n")
		if words := strings.Fields(line); len(strings.TrimRight(line, " ")) > 80 && len(words) > 1 {
			t.Errorf("longer than 80 characters: %s", line)
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		m := entry.FindStringSubmatch(line)
		switch {
		case indent == 0 && strings.HasSuffix(line, ":"):
			heading = line
		case m == nil, indent != 2 && !strings.HasPrefix(m[1], "--"), indent > 6:
		default:
			name := strings.Replace(m[1], "[no-]", "", 1)
			if of[name] != "" {
				t.Errorf("%s stands there twice", name)
			}
			of[name] = heading
		}
	}
	model := newApp(&flags{}).Model()
	headings := map[string]string{
		"docker": "The engine:", "restart": "What is healed, and how often:", "dry-run": "What is healed, and how often:", "webhook": "Healing for alerts:",
		"state": "What Defib remembers:", "postmortem": "What Defib remembers:",
		"collector": "Metrics:", "path": "Metrics:", "web": "What Defib serves:", "log": "Log:", "help": "Everything else:", "version": "Everything else:",
	}
	for _, flag := range model.Flags {
		beginning, _, _ := strings.Cut(flag.Name, ".")
		if got, want := of["--"+flag.Name], headings[beginning]; !flag.Hidden && (got != want || want == "") {
			t.Errorf("--%s stands under %q, want %q", flag.Name, got, want)
		}
	}
	for _, command := range model.Commands {
		if command.Name != "help" && !strings.HasPrefix(of[command.Name], "Commands") {
			t.Errorf("%s stands under %q", command.Name, of[command.Name])
		}
	}
	for _, want := range []string{
		"  --restart.whitelist=LIST ", "  --docker.timeout=10s ", "  --[no-]dry-run ", "  hold [<name>...]\n", "($DEFIB_DOCKER_TIMEOUT)",
		"  serve (default)\n      Watch and heal containers, and serve metrics.\n",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestEachCommandHasItsOwnHelp(t *testing.T) {
	for _, command := range newApp(&flags{}).Model().Commands {
		for _, args := range [][]string{{command.Name, "--help"}, {"help", command.Name}} {
			if command.Name == "help" || command.Name == commandServe {
				continue
			}
			code, help, stderr := ended(t, args...)
			if code != exitOK || stderr != "" || !strings.HasPrefix(help, "usage: defib "+command.Name+" ") || !strings.Contains(help, command.Help[:20]) {
				t.Errorf("%q: exit code %d, %s\n%s", args, code, stderr, help)
			}
		}
	}
	if _, help, _ := ended(t, "hold", "--help"); !strings.Contains(help, "usage: defib hold [<name>...] [<flags>]\n") || !strings.Contains(help, "\n  --for=TIME ") {
		t.Error(help)
	}
}
