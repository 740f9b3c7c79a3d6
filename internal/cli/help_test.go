package cli

import (
	"strings"
	"testing"
)

func TestHelpHasEveryFlagAndCommandUnderItsHeading(t *testing.T) {
	code, help, stderr := ended(t, "--help")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	heading, of := "", map[string]string{} // the heading of each entry
	for line := range strings.Lines(help) {
		line = strings.TrimSuffix(line, "\n")
		if words := strings.Fields(line); len(line) > helpWidth && len(words) > 1 {
			t.Errorf("longer than %d characters: %s", helpWidth, line)
		}
		switch name, isEntry := strings.CutPrefix(line, "  "); {
		case strings.HasSuffix(line, ":") && !isEntry:
			heading = line
		case isEntry && !strings.HasPrefix(name, " "):
			name, _, _ = strings.Cut(strings.TrimPrefix(name, "-h, "), "=")
			name, _, _ = strings.Cut(name, " ")
			if of[name] != "" {
				t.Errorf("%s stands there twice", name)
			}
			of[name] = heading
		}
	}
	model := newApp(&flags{}).Model()
	headings := map[string]string{
		"docker": "The engine:", "restart": "What is healed, and how often:", "dry-run": "What is healed, and how often:", "webhook": "Healing for alerts:",
		"collector": "Metrics:", "web": "What Defib serves:", "log": "Log:", "help": "Everything else:", "version": "Everything else:",
	}
	for _, flag := range model.Flags {
		beginning, _, _ := strings.Cut(flag.Name, ".")
		if got, want := of["--"+flag.Name], headings[beginning]; !flag.Hidden && (got != want || want == "") {
			t.Errorf("--%s stands under %q, want %q", flag.Name, got, want)
		}
	}
	for _, command := range model.Commands {
		if command.Name != "help" && of[command.Name] != "Commands:" {
			t.Errorf("%s stands under %q", command.Name, of[command.Name])
		}
	}
	for _, want := range []string{"  --restart.whitelist=LIST\n", "  --docker.timeout=10s\n", "  --dry-run\n", "  hold [NAME...]\n", "  serve\n      Watch, heal and serve metrics. This is the default.\n"} {
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
	if _, help, _ := ended(t, "hold", "--help"); !strings.Contains(help, "usage: defib hold [NAME...] [FLAGS]\n") || !strings.Contains(help, "\n  --for=TIME\n") {
		t.Error(help)
	}
}
