package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// password is "secret" as bcrypt has it.
const password = "$2a$04$/k2o8Qra6gNPY53yhCmzEuFhgBjMEk1Atr6P7q5jE/x8iqSIh.1Mq"

// webConfig writes a web configuration and the certificate that it may name.
func webConfig(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"web.yml":  []byte(text),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.yml")
}

const certificate = "tls_server_config: {cert_file: cert.pem, key_file: key.pem"

// What is released is built without HTTP/2: a caller that prefers it must not be let down.
func TestTLSOffersHTTP1Alone(t *testing.T) {
	p := start(t, noEngine(t), "--web.config.file="+webConfig(t, certificate+"}"))
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}} //nolint:gosec // what is asked of it is not who it is
	conn, err := dialer.DialContext(t.Context(), "tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("it offers %q", got)
	}
}

func TestHealthcheckHearsWhatLives(t *testing.T) {
	for name, row := range map[string]struct {
		server, caller string // the web configuration of each; "" is none
		want           string
	}{
		"plain HTTP":                         {want: "200 OK"},
		"a password":                         {server: "basic_auth_users: {defib: " + password + "}", want: "401 Unauthorized"},
		"TLS":                                {server: certificate + "}", want: "200 OK"},
		"a client certificate":               {server: certificate + ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem}", want: "it requires a client certificate"},
		"a client certificate, over TLS 1.2": {server: certificate + ", max_version: TLS12, client_auth_type: RequireAnyClientCert}", want: "it requires a client certificate"},
		"a client certificate, if you like":  {server: certificate + ", client_auth_type: RequestClientCert}", want: "200 OK"},
		"TLS, of which the caller was told nothing": {server: certificate + "}", caller: "{}", want: "400 Bad Request"},
		"TLS, which only the caller was told of":    {server: "{}", caller: certificate + "}", want: "it does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{noEngine(t)}
			var asking []string
			if row.server != "" {
				args = append(args, "--web.config.file="+webConfig(t, row.server))
				asking = args[1:]
			}
			if row.caller != "" {
				asking = []string{"--web.config.file=" + webConfig(t, row.caller)}
			}
			p := start(t, args...)
			code, stdout, stderr := ended(t, append(asking, "healthcheck", "--web.listen-address="+p.addr)...)
			if want := p.addr + " answers: " + row.want + "\n"; code != exitOK || stdout != want || stderr != "" {
				t.Errorf("exit code %d, %q, %s; want %q", code, stdout, stderr, want)
			}
			p.term()
			p.exits(exitOK)
		})
	}
}

func TestHealthcheckKnowsDefibByTheEnvironment(t *testing.T) {
	p := start(t, noEngine(t))
	_, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DEFIB_DOCKER_HOST", "ssh://nowhere") // nor does anything else matter that is wrong
	t.Setenv("DEFIB_WEBHOOK_TOKEN_FILE", "/nonexistent/token")
	t.Setenv("DEFIB_RESTART_CONCURRENCY", "few")
	for _, address := range []string{p.addr, ":" + port, "0.0.0.0:" + port, "[::]:" + port, "localhost:" + port, p.addr + "\nbox:1"} {
		t.Setenv("DEFIB_WEB_LISTEN_ADDRESS", address)
		if code, stdout, stderr := ended(t, "healthcheck"); code != exitOK || !strings.HasSuffix(stdout, ":"+port+" answers: 200 OK\n") {
			t.Errorf("%q: exit code %d, %s%s", address, code, stdout, stderr)
		}
	}
	p.term()
	p.exits(exitOK)
}

// The image's health check is what a user never types.
func TestHealthcheckOfTheImageIsACommandOfItsProgram(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\nHEALTHCHECK ")
	_, command, _ := strings.Cut(after, " CMD ")
	var words []string
	if err := json.NewDecoder(strings.NewReader(command)).Decode(&words); err != nil {
		t.Fatal(err)
	}
	if len(words) != 2 || !strings.Contains(string(text), `ENTRYPOINT ["`+words[0]+`"]`) {
		t.Fatalf("the health check is %q", words)
	}
	p := start(t, noEngine(t))
	t.Setenv("DEFIB_WEB_LISTEN_ADDRESS", p.addr)
	if code, _, stderr := ended(t, words[1:]...); code != exitOK {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	p.term()
	p.exits(exitOK)
}

func TestHealthcheckSaysWhatItCannotAsk(t *testing.T) {
	free := httptest.NewServer(nil)
	free.Close()
	for arg, want := range map[string]string{
		"--web.listen-address=" + free.Listener.Addr().String(): "connection refused: nothing listens on this address.",
		"--web.listen-address=:0":                               ":0 means any free port",
		"--web.listen-address=box":                              `"box": must be host:port`,
		"--web.listen-address=vsock://:10911":                   "can be reached only from the host of this virtual machine",
		"--web.systemd-socket":                                  "only systemd knows the address",
		"--web.config.file=/nonexistent/web.yml":                "--web.config.file: open /nonexistent/web.yml: no such file",
		"--web.config.file=" + webConfig(t, "["):                "web.yml: yaml: ",
	} {
		code, stdout, stderr := ended(t, "healthcheck", arg)
		if code != exitFailure || stdout != "" || !strings.HasPrefix(stderr, "defib: healthcheck: ") || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, want %q\n%s", arg, code, stderr, want, stdout)
		}
	}
}

func TestHealthcheckDoesNotWaitForWhatHangs(t *testing.T) {
	released := make(chan struct{})
	for name, serve := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		server := serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
		t.Cleanup(server.Close)
		f, _, err := parse(t.Context(), []string{"healthcheck", "--web.listen-address=" + server.Listener.Addr().String()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if name == "https" {
			*f.web.WebConfigFile = webConfig(t, certificate+"}")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err = f.healthcheck(ctx, nil)
		cancel()
		if want := fmt.Sprintf("%s: no answer within %s", server.Listener.Addr(), healthTimeout); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	close(released)
}
