package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
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
	return Cluster(r, func(peer ...string) *Alertmanager {
		return r.alertmanagerWith(append(peer, "--cluster.peer-timeout=1s"), edits...)
	})
}

// Cluster starts two Alertmanagers with the arguments that make peers of them.
func Cluster(tb testing.TB, start func(peer ...string) *Alertmanager) []*Alertmanager {
	tb.Helper()
	first := Loopback() + ":9094"
	pair := []*Alertmanager{
		start("--cluster.listen-address=" + first),
		start("--cluster.listen-address="+Loopback()+":9094", "--cluster.peer="+first),
	}
	for _, a := range pair {
		Eventually(tb, a.name+" to know its peer", func() bool {
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
	address := Loopback() + ":9093"
	haste := []string{
		"http://127.0.0.1:10911/webhook", r.server.URL + "/webhook?from=" + address,
		"credentials_file: defib.token", "credentials_file: " + r.TokenFile,
		"group_wait: 10s", "group_wait: 1s",
		"group_interval: 30s", "group_interval: 1s",
	}
	config := File(r, "alertmanager.yml", Edited(r, "deploy/alertmanager/alertmanager.yml", append(haste, edits...)...))
	return ServeAlertmanager(r, address, config, args...)
}

// ServeAlertmanager starts one with this configuration file.
func ServeAlertmanager(tb testing.TB, address, config string, args ...string) *Alertmanager {
	tb.Helper()
	args = append([]string{
		"--config.file=" + config, "--storage.path=" + tb.TempDir(), "--web.listen-address=" + address, "--log.level=debug",
	}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), alertmanagerProgram(tb), args...)
	return &Alertmanager{Server: Serve(tb, "alertmanager", address, cmd)}
}

func alertmanagerProgram(tb testing.TB) string {
	tb.Helper()
	return Program(tb, "prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
}

// AlertmanagerVersion is that of the program, 33 for 0.33.1.
func AlertmanagerVersion(tb testing.TB) (minor int) {
	tb.Helper()
	version := releaseOf(alertmanagerProgram(tb))
	if _, err := fmt.Sscanf(version, "0.%d.", &minor); err != nil {
		tb.Fatalf("the version of Alertmanager is %s: %v", version, err)
	}
	return minor
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
