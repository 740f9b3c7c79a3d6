package main

import (
	"strings"
	"testing"

	"defib/internal/cli"
)

func TestPageHasEveryCommandAndFlagWithItsVariable(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	if err := write(&page, "1.2.3~dev", "2026-01-31"); err != nil {
		t.Fatal(err)
	}
	want := []string{`.TH DEFIB 1 "2026-01-31" "Defib 1.2.3~dev"`, "\ndefib \\- Prometheus exporter", `(DEFIB_DOCKER_TIMEOUT)`, `[\fBserve\fR]`, `\fBhold\fR [\fIname\fR...] \fB\-\-for\fR=\fITIME\fR`}
	model := cli.Model()
	for _, command := range model.Commands {
		if command.Name == "help" {
			continue
		}
		want = append(want, roff(command.Help))
		for _, flag := range command.Flags {
			want = append(want, roff(flag.Help))
		}
		for _, arg := range command.Args {
			want = append(want, roff(arg.Help))
		}
	}
	for _, flag := range model.Flags {
		if flag.Hidden {
			continue
		}
		want = append(want, roff(flag.Name)+`\fR`, "\n"+roff(flag.Help))
		if flag.Name != "help" && flag.Name != "version" {
			want = append(want, "(DEFIB_"+strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(flag.Name))+")")
		}
	}
	for _, text := range want {
		if !strings.Contains(page.String(), text) {
			t.Errorf("no %s", text)
		}
	}
	if strings.Contains(page.String(), "<no value>") || strings.Contains(page.String(), "\n\n") {
		t.Errorf("a hole in the page:\n%s", page.String())
	}
}

func TestRoffLeavesTextAsItIs(t *testing.T) {
	t.Parallel()
	const text = "--a\\b 'c'\n.d"
	if got, want := roff(text), "\\-\\-a\\eb \\(aqc\\(aq\n\\&.d"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
