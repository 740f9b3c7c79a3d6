package harness

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Prometheus, Alertmanager, Defib and the engine, all real.

// ScrapeInterval is what a scrape may take, too.
const ScrapeInterval = 2 * time.Second

// Prometheus starts one with the example configuration and the bundled rules, in
// haste, that scrapes Defib and tells these Alertmanagers. More rules are files.
func (d *Defib) Prometheus(healing string, alertmanagers ...*Alertmanager) *Server {
	d.Helper()
	path := Program(d, "prometheus", "prometheus")
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
	address := loopback() + ":9090"
	cmd := exec.CommandContext(context.WithoutCancel(d.Context()), path,
		"--config.file="+config, "--storage.tsdb.path="+d.TempDir(), "--web.listen-address="+address,
		"--rules.alert.resend-delay=5s") // what fires before it has found the Alertmanagers is lost
	p := Serve(d, "prometheus", address, cmd)
	Eventually(d, "prometheus to find everybody, which takes it 5s", func() bool {
		peers, err := p.Ask(http.MethodGet, "/api/v1/alertmanagers", nil)
		scraped, serr := p.Ask(http.MethodGet, "/api/v1/query?query=docker_up", nil)
		return err == nil && serr == nil && strings.Count(peers, `"url"`) == len(alertmanagers) && strings.Contains(scraped, `"value"`)
	})
	return p
}
