package refusal

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// ExplainDial explains why the address of an engine cannot be connected to, and what to
// do about it.
func ExplainDial(network, addr string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		advice = "no such socket: is Docker running on this host? In a container, mount the socket (see docs/install.md); if it is elsewhere, set --docker.host"
	case errors.Is(err, fs.ErrPermission):
		advice = "run Defib with the group of the socket (stat -c %g " + addr + "), in a container with --group-add"
	case errors.Is(err, syscall.ECONNREFUSED) && network == "unix":
		advice = "nothing listens on the socket: is Docker running? In a container, what is mounted is the socket from before a restart of Docker: start Defib again; with live-restore, see docs/install.md"
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "does the engine listen there?"
	default:
		return fmt.Errorf("cannot connect: %w", err)
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// ExplainTLS adds to the error of a call what to do about it, if it comes of TLS.
func ExplainTLS(err error) error {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	text := err.Error()
	switch {
	case expired(err), strings.Contains(text, "expired certificate"):
		return fmt.Errorf("%w: renew the certificate, or correct the clock", err)
	case unverified || strings.Contains(text, "certificate"):
		return fmt.Errorf("%w: certificate mismatch: DOCKER_CERT_PATH must contain ca.pem, cert.pem and key.pem for this engine", err)
	case strings.Contains(text, "TLS"), strings.Contains(text, "tls:"), strings.Contains(text, "HTTPS"):
		return fmt.Errorf("%w: only one side uses TLS: check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY", err)
	}
	return err
}

// expired reports whether a certificate that is not valid now is the cause.
func expired(err error) bool {
	invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
	return invalid.Cert != nil && invalid.Reason == x509.Expired
}
