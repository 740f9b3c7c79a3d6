package cli

import (
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"
)

// helpTemplate is kingpin's own, but for the groups of flags, and for the flags of the
// program, which the help of a command does not repeat.
const helpTemplate = `{{define "Command"}}{{.FullCommand}}{{range .Args}} [<{{.Name}}>...]{{end}}{{end -}}
{{define "Flags"}}{{.|FlagsToTwoColumns|FormatTwoColumns}}{{end -}}

{{with Selected .Context.SelectedCommand -}}
usage: {{$.App.Name}} {{template "Command" .}} [<flags>]

{{.Help|Wrap 0}}
{{- with .Args}}
{{.|ArgsToTwoColumns|FormatTwoColumns}}{{end -}}
{{with .Flags}}
{{template "Flags" .}}{{end}}
{{printf "It takes the flags and environment variables of %s --help too." $.App.Name|Wrap 0 -}}
{{else -}}
usage: {{.App.Name}} [<command>] [<flags>]

{{.App.Help|Wrap 0}}
Commands ({{.App.Name}} <command> --help says more about one):
{{range .App.Commands}}{{if ne .Name "help"}}  {{template "Command" .}}{{if .Default}} (default){{end}}
{{.Help|Wrap 6}}{{end}}{{end -}}
{{range Groups .App.Flags}}
{{.Heading}}:
{{template "Flags" .Flags}}{{end -}}
{{end -}}
`

var helpFuncs = template.FuncMap{"Groups": GroupFlags, "Selected": selected}

// selected is the command that help is asked about; nil: the program.
func selected(command *kingpin.CmdModel) *kingpin.CmdModel {
	if command != nil && command.Default {
		return nil
	}
	return command
}

// Group is flags under a heading.
type Group struct {
	Heading string
	Flags   []*kingpin.FlagModel
}

// GroupFlags groups flags by the beginnings of their names.
func GroupFlags(flags []*kingpin.FlagModel) []Group {
	groups := []Group{
		{Heading: "The engine"},
		{Heading: "What is healed, and how often"},
		{Heading: "Healing for alerts"},
		{Heading: "What Defib remembers"},
		{Heading: "Metrics"},
		{Heading: "What Defib serves"},
		{Heading: "Log"},
		{Heading: "Everything else"},
	}
	beginnings := []string{"docker", "restart", "webhook", "state", "collector", "web", "log"}
	for _, flag := range flags {
		beginning, _, _ := strings.Cut(flag.Name, ".")
		switch beginning {
		case "dry-run":
			beginning = "restart"
		case "path":
			beginning = "collector"
		case "postmortem":
			beginning = "state"
		}
		i := slices.Index(beginnings, beginning)
		if i < 0 {
			i = len(beginnings)
		}
		groups[i].Flags = append(groups[i].Flags, flag)
	}
	return groups
}
