package docscheck

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"

	"defib/internal/cli"
	"defib/restarter/policy"
)

// stableFlags are every flag, its default, and the environment variables.
func stableFlags(t *testing.T) (lines []string) {
	t.Helper()
	var help bytes.Buffer
	cli.Run(t.Context(), []string{"--help"}, &help, &help)
	for _, m := range regexp.MustCompile(`\(\$(\w+)\)`).FindAllStringSubmatch(help.String(), -1) {
		lines = append(lines, "environment variable: "+m[1])
	}
	t.Setenv("DOCKER_HOST", "")
	for _, f := range cli.Model().Flags {
		if !f.Hidden {
			lines = append(lines, "flag: "+flagLine(f))
		}
	}
	lines = append(lines, flagValues()...)
	t.Setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
	if defaultOf("docker.host") == os.Getenv("DOCKER_HOST") {
		lines = append(lines, "flag: --docker.host, default DOCKER_HOST if that is set")
	}
	return lines
}

// flagValues are the values of flags that are one of a list.
func flagValues() (lines []string) {
	values := map[string][]string{"log.level": promslog.LevelFlagOptions, "log.format": promslog.FormatFlagOptions}
	for _, mode := range []policy.Mode{policy.Always, policy.UnlessStopped, policy.OnFailure} {
		if _, err := policy.ParseMode(string(mode)); err == nil {
			values["restart.policy"] = append(values["restart.policy"], string(mode))
		}
	}
	for _, trigger := range policy.AllTriggers {
		values["restart.triggers"] = append(values["restart.triggers"], string(trigger))
	}
	for flag, all := range values {
		for _, value := range all {
			lines = append(lines, "flag: --"+flag+"="+value)
		}
	}
	return lines
}

// defaultOf is the default of a flag.
func defaultOf(name string) string {
	flags := cli.Model().Flags
	i := slices.IndexFunc(flags, func(f *kingpin.FlagModel) bool { return f.Name == name })
	return strings.Join(flags[i].Default, ",")
}

func flagLine(f *kingpin.FlagModel) string {
	line := "--" + f.Name
	if f.Short != 0 {
		line += ", -" + string(f.Short)
	}
	cumulative, ok := f.Value.(interface{ IsCumulative() bool })
	switch {
	case f.IsBoolFlag():
		line += ", switch"
	case f.Required:
		line += ", required"
	case strings.Join(f.Default, "") != "":
		line += ", default " + strings.Join(f.Default, ",")
	}
	if ok && cumulative.IsCumulative() {
		line += ", repeatable"
	}
	return line
}

// stableCommands are the commands with their arguments and flags of their own.
func stableCommands() (lines []string) {
	for _, c := range cli.Model().Commands {
		if c.Hidden || c.Name == "help" { // which is kingpin's own
			continue
		}
		line := "command: " + c.Name
		for _, a := range c.Args {
			line += " [" + a.Name + "]"
		}
		if c.Default {
			line += ", the default"
		}
		lines = append(lines, line)
		for _, f := range c.Flags {
			if !f.Hidden {
				lines = append(lines, "command: "+c.Name+" "+flagLine(f))
			}
		}
	}
	return lines
}

// stableExitCodes runs the program.
func stableExitCodes(t *testing.T) (lines []string) {
	t.Helper()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := "--web.listen-address=127.0.0.1:0"
	file := "--restart.hold-file=" + filepath.Join(t.TempDir(), "holds")
	none := "--docker.host=unix://" + filepath.Join(t.TempDir(), "docker.sock")
	for what, args := range map[string][]string{
		"--version":                              {"--version"},
		"--help":                                 {"--help"},
		"serve, ended by a signal":               {"serve", free, none},
		"serve, on a port that is taken":         {"serve", "--web.listen-address=" + taken.Addr().String(), none},
		"an unknown flag":                        {"--no-such-flag"},
		"an unknown command":                     {"no-such-command"},
		"values that cannot work":                {"serve", "--docker.timeout=0s", free, none},
		"check, while the engine is unavailable": {"check", none},
		"check, with values that cannot work":    {"check", "--docker.timeout=0s", none},
		"healthcheck, if nothing answers":        {"healthcheck", "--web.listen-address=" + closedPort(t)},
		"rules":                                  {"rules"},
		"hold":                                   {"hold", "web", "--for=1h", file, none},
		"hold, without a hold file":              {"hold", "web", "--for=1h", none},
		"release":                                {"release", file, none},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if what == "serve, ended by a signal" {
			cancel()
		}
		var out, log bytes.Buffer
		code := cli.Run(ctx, args, &out, &log)
		cancel()
		lines = append(lines, fmt.Sprintf("exit code: %d of %s", code, what))
	}
	return lines
}

// closedPort is an address on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
