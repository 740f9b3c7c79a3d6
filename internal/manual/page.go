package main

import (
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"

	"defib/internal/cli"
)

// layout is that of the page. Kingpin's own has neither environment variables nor
// groups, nor what surrounds the program.
const layout = `.TH DEFIB 1 "{{.Date}}" "Defib {{roff .Version}}" "User Commands"
.SH NAME
defib \- {{roff .Summary}}
.SH SYNOPSIS
.nf
{{range .Commands}}{{template "command" .}} [\fIflags\fR]
{{end -}}
.fi
.SH DESCRIPTION
Defib watches a Docker Engine, exposes every container to Prometheus, and starts or restarts
those that are whitelisted: when they exit, when an alert of Alertmanager asks for it, and, if
told so, when they are unhealthy. It says why it leaves a whitelisted container alone.
.PP
The page for people is at http://localhost:10911/, the metrics are at /metrics below it.
.SH COMMANDS
{{range .Commands -}}
.TP
{{template "command" .}}
{{roff .Help}}{{if .Default}} The default.{{end}}
{{range .Args}}.br
\fI{{.Name}}\fR: {{roff .Help}}
{{end}}{{range .Flags}}.br
\fB\-\-{{roff .Name}}\fR: {{roff .Help}}
{{end}}{{end -}}
.SH OPTIONS
All commands take the same, on the command line or as the environment variable that stands
beside them, where those that can be repeated are separated by newlines.
{{range .Groups -}}
.SS {{.Heading}}
{{range .Flags}}{{if not .Hidden -}}
.TP
{{if .Short}}\fB\-{{printf "%c" .Short}}\fR, {{end}}{{template "flag" .}}{{with .Envar}}  ({{.}}){{end}}
{{roff .Help}}
{{end}}{{end}}{{end -}}
.SH ENVIRONMENT
.TP
.B DOCKER_HOST
The default of \fB\-\-docker.host\fR.
.TP
.BR DOCKER_CERT_PATH ", " DOCKER_TLS_VERIFY
TLS to an engine at tcp://, as for
.BR docker (1).
.TP
.B DOCKER_API_VERSION
The version of the engine's API, instead of one that is negotiated.
.SH EXIT STATUS
.TP
.B 0
All is well. On SIGTERM and SIGINT Defib ends in order, with this status.
.TP
.B 1
It failed; \fBcheck\fR and \fBhealthcheck\fR: something does not work.
.TP
.B 2
A flag, an argument or an environment variable is wrong.
.SH FILES
.TP
.I /etc/default/defib
Flags as environment variables, for defib.service.
.TP
.I /var/lib/defib/state.json
What Defib remembers across restarts (\fB\-\-state.file\fR).
.TP
.I /var/lib/defib/holds
Which containers are on hold (\fB\-\-restart.hold\-file\fR).
.TP
.I /var/run/docker.sock
The engine.
.TP
.I /usr/share/doc/defib
The documentation, and configurations to copy.
.SH EXAMPLES
Restart two containers when they exit:
.PP
.RS 4
defib \-\-restart.whitelist=token,explorer
.RE
.PP
What would be done now, with the settings of the service; and keep Defib from acting on a
container for two hours. Both as root:
.PP
.RS 4
.nf
set \-a; . /etc/default/defib; set +a
defib check
defib hold token \-\-for 2h
.fi
.RE
.SH SEE ALSO
.BR docker (1),
.BR dockerd (8),
.BR prometheus (1),
.BR systemctl (1)
{{define "command"}}\fBdefib\fR {{if .Default}}[\fB{{.Name}}\fR]{{else}}\fB{{.Name}}\fR{{end}}{{range .Args}} [\fI{{.Name}}\fR...]{{end}}{{range .Flags}} {{template "flag" .}}{{end}}{{end -}}
{{define "flag"}}\fB\-\-{{if .IsBoolFlag}}[no\-]{{end}}{{roff .Name}}\fR{{if not .IsBoolFlag}}=\fI{{roff .FormatPlaceHolder}}\fR{{end}}{{end -}}
`

// write writes the manual page of a release, in roff.
func write(w io.Writer, version, date string) error {
	model := cli.Model()
	page := struct {
		Version, Date, Summary string
		Commands               []*kingpin.CmdModel
		Groups                 []cli.Group
	}{version, date, strings.TrimSuffix(model.Help, "."), model.Commands, cli.GroupFlags(model.Flags)}
	page.Commands = slices.DeleteFunc(page.Commands, func(c *kingpin.CmdModel) bool { return c.Name == "help" })
	return template.Must(template.New("page").Funcs(template.FuncMap{"roff": roff}).Parse(layout)).Execute(w, page)
}

// roff is plain text so that roff prints it as it is.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "\n.", "\n\\&.").Replace(text)
}
