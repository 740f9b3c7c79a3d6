package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"defib/internal/beside"
	"defib/internal/webconfig"
)

// healthTimeout is how long a Defib that is alive may take to answer. Docker
// gives the whole check 30 s unless it is told otherwise.
const healthTimeout = 5 * time.Second

// healthcheck asks the Defib that has the same flags and environment for a sign
// of life. Whatever it answers is one, a refusal too: the question is whether it
// runs. The engine is not asked.
func (f *flags) healthcheck(ctx context.Context, stdout io.Writer) error {
	address, err := f.askable(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	config, err := beside.Run(ctx, func() (toolkit.Config, error) { return webconfig.Read(*f.web.WebConfigFile) }, webconfig.Late)
	if err != nil {
		return fmt.Errorf("--web.config.file: %w", err)
	}
	answer, err := probe(ctx, address, config.TLSConfig.IsEnabled())
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer within %s", address, healthTimeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens on this address. If Defib listens elsewhere, set DEFIB_WEB_LISTEN_ADDRESS: "+
			"the health check of the image does not see the flag", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(stdout, "%s answers: %s\n", address, answer)
	return nil
}

// askable is the first address that Defib listens on; that of a wildcard is the
// loopback.
func (f *flags) askable(ctx context.Context) (string, error) {
	if *f.web.WebSystemdSocket {
		return "", errors.New("with --web.systemd-socket, only systemd knows the address: monitor the unit with systemd instead")
	}
	address := (*f.web.WebListenAddresses)[0]
	if strings.HasPrefix(address, "vsock://") {
		return "", fmt.Errorf("%s can be reached only from the host of this virtual machine: make a TCP address the first --web.listen-address", address)
	}
	if err := checkListen(address); err != nil {
		return "", fmt.Errorf("--web.listen-address: %w", err)
	}
	host, service, _ := net.SplitHostPort(address)
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service) // it may have a name
	if err != nil {
		return "", fmt.Errorf("--web.listen-address: %w", err)
	}
	if port == 0 {
		return "", fmt.Errorf("--web.listen-address: %s means any free port, and only the log says which: set a port", address)
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = ""
	}
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), strconv.Itoa(port)), nil
}

// probe makes one request and describes the answer. The certificate is not
// verified: it names the host, not the loopback. To demand one of the caller is
// an answer as well.
func probe(ctx context.Context, address string, encrypted bool) (string, error) {
	var demanded atomic.Bool
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				demanded.Store(true)
				return &tls.Certificate{}, nil
			},
		},
	}
	scheme := "http"
	if encrypted {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/-/healthy", nil)
	if err != nil {
		return "", err
	}
	asking := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := asking.Do(request)
	switch {
	case err == nil:
		_ = response.Body.Close()
		return response.Status, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case demanded.Load():
		return "it requires a client certificate", nil
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS", nil
	}
	return "", err
}
