package hosts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

// pending is for how long the rule waits: for longer than a Prometheus that is started again
// takes to its first scrape, which is 5 s and a scrape_interval. Until then it sees what it saw
// before.
const pending = 15 * time.Second

// variant is one of the ways in which Alertmanager finds the host of an alert.
type variant struct {
	config string // under deploy/alertmanager
	since  int    // minor version of the first Alertmanager that knows it
	tokens []string
	names  func(h *host) string // what docker_host says
	edits  func(hosts []*host) []string
}

var variants = map[string]variant{
	"a receiver per host": {
		config: "alertmanager-per-host.yml", since: 22, tokens: []string{"defib-alpha.token", "defib-beta.token"},
		names: func(h *host) string { return h.called },
		edits: func(hosts []*host) (edits []string) {
			for _, h := range hosts {
				edits = append(edits, "https://"+h.called+".docker.example.org:", "https://"+h.ip+":")
			}
			return edits
		},
	},
	"a templated URL": {
		config: "alertmanager-templated.yml", since: 31, tokens: []string{"defib.token", "defib.token"},
		names: func(h *host) string { return h.ip }, // by which it is reached
		edits: func([]*host) []string {
			return []string{`[a-z0-9-]+\\.docker\\.example\\.org`, `127\\.[0-9.]+`}
		},
	},
}

// folder holds the configuration of all servers of one test, as one host would have it.
type folder struct {
	testing.TB
	path string
}

func newFolder(t *testing.T, hosts []*host, v variant) folder {
	t.Helper()
	f := folder{t, t.TempDir()}
	f.certify(hosts)
	f.write("web.yml", "tls_server_config: {cert_file: defib-ca.pem, key_file: key.pem}\n")
	for i, token := range v.tokens {
		f.write(token, fmt.Sprintf("%032d\n", i))
	}
	for _, h := range hosts {
		f.write("defib/"+h.called+".yml", fmt.Sprintf("- targets: [%q]\n  labels: {docker_host: %q}\n", h.ip+":10911", v.names(h)))
	}
	f.write("alertmanager.yml", harness.Edited(t, "deploy/alertmanager/"+v.config, append(v.edits(hosts),
		"group_wait: 10s", "group_wait: 1s",
		"group_interval: 30s", "group_interval: 1s",
	)...))
	f.write("healing.yml", harness.Edited(t, "alerts/healing.yml",
		"for: 1m", fmt.Sprint("for: ", pending),
		// Both hosts have each name, and but one of them has an ID.
		"\n          * on (instance, name) group_left (id) docker_container_info", "",
	))
	return f
}

func (f folder) at(name string) string { return filepath.Join(f.path, name) }

func (f folder) write(name, text string) {
	f.Helper()
	if err := os.MkdirAll(filepath.Dir(f.at(name)), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(f.at(name), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// certify makes one certificate for all hosts, which is its own authority.
func (f folder) certify(hosts []*host) {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(h.ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.write("defib-ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	f.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// defib starts that of a host. Its limits are to hinder none of so many restarts of so few
// containers.
func (f folder) defib(h *host, v variant, token string) *harness.Defib {
	f.Helper()
	d := harness.Spawn(f, nil,
		"--docker.host="+h.Engine.Host, "--web.listen-address="+h.ip+":10911", "--log.format=json", "--log.level=debug",
		"--web.config.file="+f.at("web.yml"), "--webhook.token-file="+f.at(token), "--webhook.match=docker_host="+v.names(h),
		harness.Whitelist(h.containers...), "--restart.backoff-reset=10s", "--restart.max-per-minute=100",
	)
	d.Serving()
	return d
}

// alertmanagers are a cluster with the peer-timeout that it has by default.
func (f folder) alertmanagers() []*harness.Alertmanager {
	f.Helper()
	return harness.Cluster(f, func(peer ...string) *harness.Alertmanager {
		return harness.ServeAlertmanager(f, harness.Loopback()+":9093", f.at("alertmanager.yml"), peer...)
	})
}

// prometheus is one of those that differ by one label, which their alerts have not.
func (f folder) prometheus(replica string, alertmanagers []*harness.Alertmanager) *harness.Server {
	f.Helper()
	var targets []string
	for _, a := range alertmanagers {
		targets = append(targets, strconv.Quote(a.Address()))
	}
	config := "prometheus-" + replica + ".yml"
	f.write(config, harness.Edited(f, "deploy/prometheus/prometheus.yml",
		"global:\n", "global:\n  external_labels: {replica: "+replica+"}\n",
		"alerting:\n", "alerting:\n  alert_relabel_configs:\n    - {regex: replica, action: labeldrop}\n",
		"scrape_interval: 15s", fmt.Sprint("scrape_interval: ", harness.ScrapeInterval),
		"evaluation_interval: 15s", "evaluation_interval: 1s",
		"../../alerts/containers.yml", harness.Repository("alerts/containers.yml"),
		"../../alerts/healing.yml", "healing.yml",
		`["localhost:9093"]`, "["+strings.Join(targets, ", ")+"]",
		"static_configs:\n      - targets: [\"localhost:10911\"]",
		"scheme: https\n    tls_config: {ca_file: defib-ca.pem}\n    file_sd_configs:\n      - files: [defib/*.yml]",
	))
	return harness.ServePrometheus(f, f.at(config), 2, len(alertmanagers))
}
