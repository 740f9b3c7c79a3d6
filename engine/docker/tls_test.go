package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// identity writes ca.pem, cert.pem and key.pem as Docker's clients want them: one
// self-signed certificate that serves for all.
func identity(t *testing.T) (dir string, pair tls.Certificate) {
	t.Helper()
	return identityUntil(t, time.Now().Add(time.Hour))
}

// identityUntil is one that expires at that moment.
func identityUntil(t *testing.T, expires time.Time) (dir string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: expires.Add(-2 * time.Hour), NotAfter: expires,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	dir = t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": cert, "cert.pem": cert, "key.pem": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err = tls.X509KeyPair(cert, secret)
	if err != nil {
		t.Fatal(err)
	}
	return dir, pair
}

// servingTLS listens for clients that identify themselves by the same certificate.
func servingTLS(t *testing.T, f *fakeEngine, pair tls.Certificate) string {
	t.Helper()
	root, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	s := httptest.NewUnstartedServer(f)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // its clients misbehave on purpose
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return "tcp://" + s.Listener.Addr().String()
}

func TestTLS(t *testing.T) {
	t.Run("verified on both sides", func(t *testing.T) {
		dir, pair := identity(t)
		t.Setenv("DOCKER_CERT_PATH", dir)
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		w := connected(t, Options{Host: servingTLS(t, newFake(t), pair)})
		if _, err := w.Up(t.Context()); err != nil {
			t.Errorf("up: %v", err)
		}
	})
	t.Run("another authority", func(t *testing.T) {
		dir, _ := identity(t)
		_, pair := identity(t)
		t.Setenv("DOCKER_CERT_PATH", dir)
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		wantAdvice(t, servingTLS(t, newFake(t), pair), "certificate mismatch")
	})
	t.Run("a certificate that has expired", func(t *testing.T) {
		dir, pair := identityUntil(t, time.Now().Add(-time.Minute))
		t.Setenv("DOCKER_CERT_PATH", dir)
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		wantAdvice(t, servingTLS(t, newFake(t), pair), "has expired", "renew the certificate", "correct the clock")
	})
	t.Run("a client that is not known", func(t *testing.T) {
		dir, _ := identity(t)
		_, pair := identity(t)
		t.Setenv("DOCKER_CERT_PATH", dir)
		t.Setenv("DOCKER_TLS_VERIFY", "")
		wantAdvice(t, servingTLS(t, newFake(t), pair), "certificate", "DOCKER_CERT_PATH")
	})
	t.Run("no certificate at all", func(t *testing.T) {
		_, pair := identity(t)
		wantAdvice(t, servingTLS(t, newFake(t), pair), "one side uses TLS", "DOCKER_CERT_PATH")
	})
	t.Run("an engine without TLS", func(t *testing.T) {
		dir, _ := identity(t)
		t.Setenv("DOCKER_CERT_PATH", dir)
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		wantAdvice(t, "tcp://"+s.Listener.Addr().String(), "one side uses TLS", "DOCKER_TLS_VERIFY")
	})
	t.Run("a directory without certificates", func(t *testing.T) {
		t.Setenv("DOCKER_CERT_PATH", t.TempDir())
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		wantAdvice(t, "tcp://127.0.0.1:1", "set up the connection", "DOCKER_CERT_PATH")
	})
}

func wantAdvice(t *testing.T, host string, words ...string) {
	t.Helper()
	line := complaint(t, Options{Host: host})
	for _, w := range words {
		if !strings.Contains(line, w) {
			t.Errorf("it does not say %q:\n%s", w, line)
		}
	}
}
