package harness

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// Alertmanager is one whose healing route leads to a relay.
type Alertmanager struct{ *Server }

// Alertmanager starts one with the example configuration, in haste, and with
// these edits.
func (r *Relay) Alertmanager(edits ...string) *Alertmanager {
	r.Helper()
	return r.alertmanagerWith([]string{"--cluster.listen-address="}, edits...)
}

// Pair starts two Alertmanagers, of one cluster or each by itself.
func (r *Relay) Pair(clustered bool, edits ...string) []*Alertmanager {
	r.Helper()
	if !clustered {
		return []*Alertmanager{r.Alertmanager(edits...), r.Alertmanager(edits...)}
	}
	first := loopback() + ":9094"
	pair := []*Alertmanager{
		r.alertmanagerWith([]string{"--cluster.listen-address=" + first, "--cluster.peer-timeout=1s"}, edits...),
		r.alertmanagerWith([]string{"--cluster.listen-address=" + loopback() + ":9094", "--cluster.peer=" + first, "--cluster.peer-timeout=1s"}, edits...),
	}
	for _, a := range pair {
		Eventually(r, a.name+" to know its peer", func() bool {
			var status struct {
				Cluster struct {
					Status string
					Peers  []any
				}
			}
			text, err := a.Ask(http.MethodGet, "/api/v2/status", nil)
			return err == nil && json.Unmarshal([]byte(text), &status) == nil &&
				status.Cluster.Status == "ready" && len(status.Cluster.Peers) == 2
		})
	}
	return pair
}

func (r *Relay) alertmanagerWith(args []string, edits ...string) *Alertmanager {
	r.Helper()
	path := Program(r, "prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
	address := loopback() + ":9093"
	haste := []string{
		"http://127.0.0.1:10911/webhook", r.server.URL + "/webhook?from=" + address,
		"credentials_file: defib.token", "credentials_file: " + r.TokenFile,
		"group_wait: 10s", "group_wait: 1s",
		"group_interval: 30s", "group_interval: 1s",
	}
	config := File(r, "alertmanager.yml", Edited(r, "deploy/alertmanager/alertmanager.yml", append(haste, edits...)...))
	args = append([]string{
		"--config.file=" + config, "--storage.path=" + r.TempDir(), "--web.listen-address=" + address, "--log.level=debug",
	}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(r.Context()), path, args...)
	return &Alertmanager{Server: Serve(r, "alertmanager", address, cmd)}
}

// Fire posts alerts that fire from now on, all at once, as Prometheus would.
func (a *Alertmanager) Fire(alerts ...Alert) {
	a.Helper()
	type posted struct {
		Labels   map[string]string `json:"labels"`
		StartsAt time.Time         `json:"startsAt"`
		EndsAt   *time.Time        `json:"endsAt,omitempty"`
	}
	var all []posted
	for _, one := range alerts {
		p := posted{Labels: one.Labels, StartsAt: one.StartsAt}
		if one.Status == "resolved" {
			p.EndsAt = new(time.Now())
		}
		all = append(all, p)
	}
	if _, err := a.Ask(http.MethodPost, "/api/v2/alerts", all); err != nil {
		a.Fatal(err)
	}
}

// Amtool runs one command of Alertmanager's own tool and returns what it prints.
func (a *Alertmanager) Amtool(args ...string) string {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), Limit)
	defer cancel()
	path := Program(a, "prometheus-alertmanager", "amtool")
	out, err := exec.CommandContext(ctx, path, append([]string{"--alertmanager.url=" + a.URL}, args...)...).CombinedOutput()
	if err != nil {
		a.Fatalf("amtool %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Notifications returns how many deliveries Alertmanager tried, and how many it
// counts as failed.
func (a *Alertmanager) Notifications() (tried, failed float64) {
	a.Helper()
	text, err := a.Ask(http.MethodGet, "/metrics", nil)
	if err != nil {
		a.Fatal(err)
	}
	found, err := Parse(text)
	if err != nil {
		a.Fatal(err)
	}
	for key, n := range found {
		if !strings.Contains(key, `integration="webhook"`) {
			continue
		}
		switch {
		case strings.HasPrefix(key, "alertmanager_notifications_total{"):
			tried += n
		case strings.HasPrefix(key, "alertmanager_notifications_failed_total{"):
			failed += n
		}
	}
	return tried, failed
}
