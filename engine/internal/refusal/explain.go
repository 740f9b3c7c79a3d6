package refusal

import (
	"crypto/tls"
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
		advice = "no such socket: is Docker running on this host? In a container, mount the directory of the socket; if the socket is elsewhere, set --docker.host"
	case errors.Is(err, fs.ErrPermission):
		advice = "run Defib with the group of the socket (stat -c %g " + addr + "), in a container with --group-add"
	case errors.Is(err, syscall.ECONNREFUSED) && network == "unix":
		advice = "nothing listens on the socket: is Docker running? In a container, mount the directory of the socket, not the file, which becomes stale when Docker restarts"
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
	case unverified || strings.Contains(text, "certificate"):
		return fmt.Errorf("%w: certificate mismatch: DOCKER_CERT_PATH must contain ca.pem, cert.pem and key.pem for this engine", err)
	case strings.Contains(text, "TLS"), strings.Contains(text, "tls:"), strings.Contains(text, "HTTPS"):
		return fmt.Errorf("%w: only one side uses TLS: check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY", err)
	}
	return err
}
