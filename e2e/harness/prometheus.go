package harness

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Prometheus, Alertmanager, Defib and the engine, all real.

// ScrapeInterval is what a scrape may take, too.
const ScrapeInterval = 2 * time.Second

// Prometheus starts one with the example configuration and the bundled rules, in
// haste, that scrapes Defib and tells these Alertmanagers. More rules are files.
func (d *Defib) Prometheus(healing string, alertmanagers ...*Alertmanager) *Server {
	d.Helper()
	var targets []string
	for _, a := range alertmanagers {
		targets = append(targets, strconv.Quote(a.Address()))
	}
	config := File(d, "prometheus.yml", Edited(d, "deploy/prometheus/prometheus.yml",
		"scrape_interval: 15s", fmt.Sprint("scrape_interval: ", ScrapeInterval),
		"evaluation_interval: 15s", "evaluation_interval: 1s",
		"../../alerts/containers.yml", Repository("alerts/containers.yml"),
		"../../alerts/healing.yml", healing,
		`["localhost:9093"]`, "["+strings.Join(targets, ", ")+"]",
		"localhost:10911", d.URL[len("http://"):],
	))
	return ServePrometheus(d, config, 1, len(alertmanagers))
}

// ServePrometheus starts one with this configuration file, and waits until it has scraped
// so many Defibs and found so many Alertmanagers.
func ServePrometheus(tb testing.TB, config string, defibs, alertmanagers int) *Server {
	tb.Helper()
	address := Loopback() + ":9090"
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), Program(tb, "prometheus", "prometheus"),
		"--config.file="+config, "--storage.tsdb.path="+tb.TempDir(), "--web.listen-address="+address,
		"--rules.alert.resend-delay=5s") // what fires before it has found the Alertmanagers is lost
	p := Serve(tb, "prometheus", address, cmd)
	Eventually(tb, "prometheus to find everybody, which takes it 5s", func() bool {
		peers, err := p.Ask(http.MethodGet, "/api/v1/alertmanagers", nil)
		scraped, serr := p.Ask(http.MethodGet, "/api/v1/query?query=docker_up", nil)
		return err == nil && serr == nil && strings.Count(peers, `"url"`) == alertmanagers && strings.Count(scraped, `"value"`) == defibs
	})
	return p
}
