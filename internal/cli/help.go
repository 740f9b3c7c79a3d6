package cli

import (
	"cmp"
	"fmt"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"
)

// helpWidth is that of the narrowest terminal.
const helpWidth = 80

// helpTemplate leaves all to Go: kingpin's own lists all flags in one heap.
const helpTemplate = `{{Help .App .Context.SelectedCommand}}`

var helpFuncs = template.FuncMap{"Help": help}

// groups are the headings of flags, by the beginnings of their names; in order.
var groups = []struct{ beginning, heading string }{
	{"docker", "The engine"},
	{"restart", "What is healed, and how often"},
	{"webhook", "Healing for alerts"},
	{"collector", "Metrics"},
	{"web", "What Defib serves"},
	{"log", "Log"},
	{"", "Everything else"},
}

// group is the index of a flag's group. That of --dry-run does not show in its name.
func group(flag *kingpin.FlagModel) int {
	beginning, _, _ := strings.Cut(flag.Name, ".")
	if flag.Name == "dry-run" {
		beginning = "restart"
	}
	for i, g := range groups {
		if g.beginning == beginning {
			return i
		}
	}
	return len(groups) - 1
}

// help is what --help prints: of the program, or of one command.
func help(app *kingpin.ApplicationModel, command *kingpin.CmdModel) string {
	var b strings.Builder
	if command != nil && command.Name != commandServe {
		helpOfCommand(&b, app, command)
	} else {
		helpOfProgram(&b, app)
	}
	return b.String()
}

func helpOfProgram(b *strings.Builder, app *kingpin.ApplicationModel) {
	fmt.Fprintf(b, "usage: %s [COMMAND] [FLAGS]\n\n", app.Name)
	paragraph(b, 0, app.Help)
	b.WriteString("\nCommands:\n")
	for _, c := range app.Commands {
		if c.Name == "help" {
			continue // kingpin's own, which does no more than --help
		}
		text := c.Help
		if c.Default {
			text += " This is the default."
		}
		entry(b, c.Name+arguments(c), text)
	}
	fmt.Fprintf(b, "  %s COMMAND --help tells more about one.\n", app.Name)
	for i, g := range groups {
		fmt.Fprintf(b, "\n%s:\n", g.heading)
		for _, flag := range app.Flags {
			if group(flag) == i && !flag.Hidden {
				entry(b, written(flag), flag.Help)
			}
		}
	}
	b.WriteString("\n")
	paragraph(b, 0, "Every flag but --help and --version is an environment variable too: DEFIB_ and its name in capitals, "+
		"dots and dashes as underscores, as in "+envar(app, "restart.whitelist")+". All commands take the same.")
}

func helpOfCommand(b *strings.Builder, app *kingpin.ApplicationModel, command *kingpin.CmdModel) {
	fmt.Fprintf(b, "usage: %s %s [FLAGS]\n\n", app.Name, command.FullCommand+arguments(command))
	paragraph(b, 0, command.Help)
	if len(command.Flags)+len(command.Args) > 0 {
		b.WriteString("\n")
	}
	for _, arg := range command.Args {
		entry(b, strings.ToUpper(arg.Name), arg.Help)
	}
	for _, flag := range command.Flags {
		entry(b, written(flag), flag.Help)
	}
	b.WriteString("\n")
	paragraph(b, 0, "It takes the flags and environment variables of "+app.Name+" --help too.")
}

// arguments are what may follow a command, each any number of times.
func arguments(command *kingpin.CmdModel) string {
	var b strings.Builder
	for _, arg := range command.Args {
		b.WriteString(" [" + strings.ToUpper(arg.Name) + "...]")
	}
	return b.String()
}

// entry is a name and, below it, what it means.
func entry(b *strings.Builder, name, text string) {
	fmt.Fprintf(b, "  %s\n", name)
	paragraph(b, 6, text)
}

// written is a flag with its default, or with what is to be written there.
func written(flag *kingpin.FlagModel) string {
	text := "--" + flag.Name
	if flag.Short != 0 {
		text = fmt.Sprintf("-%c, %s", flag.Short, text)
	}
	if flag.IsBoolFlag() {
		return text
	}
	value := flag.PlaceHolder
	if len(flag.Default) > 0 {
		value = cmp.Or(value, flag.Default[0])
	}
	return text + "=" + cmp.Or(value, "VALUE")
}

func envar(app *kingpin.ApplicationModel, name string) string {
	for _, flag := range app.Flags {
		if flag.Name == name {
			return flag.Envar
		}
	}
	return ""
}

// paragraph breaks a text into lines.
func paragraph(b *strings.Builder, indent int, text string) {
	blanks := strings.Repeat(" ", indent)
	line := blanks
	for word := range strings.FieldsSeq(text) {
		if len(line) > indent && len(line)+1+len(word) > helpWidth {
			b.WriteString(line + "\n")
			line = blanks
		}
		if len(line) > indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}
