package webhook

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"defib/internal/beside"
	"defib/internal/webconfig"
)

const (
	minToken     = 16      // the fewest characters of a webhook token
	maxTokenFile = 4 << 10 // bytes
	readTimeout  = 2 * time.Second
)

var errHangs = errors.New("the file system of the token file or the web configuration does not respond")

// Guard says who may call the webhook.
type Guard struct {
	TokenFile string // holds the bearer token; "": none is asked for
	WebConfig string // exporter-toolkit's web configuration; "": none
}

// Check returns what cannot work about the guard.
func (g Guard) Check(ctx context.Context) error {
	if g.TokenFile == "" {
		return nil
	}
	if _, err := newReader(g.token).read(ctx); err != nil {
		return err
	}
	if now, err := newReader(Guard{WebConfig: g.WebConfig}.read).read(ctx); err == nil && now.users {
		return fmt.Errorf("cannot be combined with basic_auth_users in %s: a request has only one Authorization header", g.WebConfig)
	}
	return nil
}

// credentials are what the files of a guard say now.
type credentials struct {
	token string // "": none is asked for
	users bool   // the web configuration names some
}

// read reads them. They may change while Defib runs.
func (g Guard) read() (credentials, error) {
	if g.TokenFile != "" {
		c, err := g.token()
		if err != nil {
			err = fmt.Errorf("the webhook rejects all requests: --webhook.token-file: %w", err)
		}
		return c, err
	}
	users, err := g.users()
	if err != nil {
		err = fmt.Errorf("the web configuration cannot be read: %w", err)
	}
	return credentials{users: users}, err
}

func (g Guard) token() (credentials, error) {
	f, err := os.Open(g.TokenFile)
	if err != nil {
		return credentials{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return credentials{}, err
	}
	token := strings.TrimSpace(string(text))
	switch {
	case len(text) > maxTokenFile:
		return credentials{}, fmt.Errorf("%s: larger than %d bytes: must contain the token only", g.TokenFile, maxTokenFile)
	case len(token) < minToken:
		return credentials{}, fmt.Errorf("%s: the token has %d characters: must have at least %d (openssl rand -hex 32)", g.TokenFile, len(token), minToken)
	}
	return credentials{token: token}, nil
}

// users reports whether the web configuration, as it is now, names users. The
// toolkit lets everybody in if it does not.
func (g Guard) users() (bool, error) {
	config, err := webconfig.Read(g.WebConfig)
	return len(config.Users) > 0, err
}

// reader reads credentials for any number of callers, one at a time: a file system that
// hangs keeps one goroutine, and each caller for readTimeout.
type reader struct {
	do   func() (credentials, error)
	slot chan struct{}
}

func newReader(do func() (credentials, error)) *reader {
	return &reader{do, make(chan struct{}, 1)}
}

func (r *reader) read(ctx context.Context) (credentials, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errHangs)
	defer cancel()
	select {
	case r.slot <- struct{}{}:
	case <-ctx.Done():
		return credentials{}, context.Cause(ctx)
	}
	return beside.Run(ctx, func() (credentials, error) {
		defer func() { <-r.slot }()
		return r.do()
	}, context.Cause)
}

// admit returns the status and the sentence that turn a caller away; 0 admits
// it.
func (g Guard) admit(r *http.Request, credentials *reader) (status int, why error) {
	if g.TokenFile == "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return 0, nil
	}
	now, err := credentials.read(r.Context())
	if err != nil {
		return http.StatusServiceUnavailable, err
	}
	if g.TokenFile != "" {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(now.token)) != 1 {
			return http.StatusUnauthorized, errors.New("the token is missing or wrong: send the header Authorization: Bearer TOKEN with the token of --webhook.token-file")
		}
		return 0, nil
	}
	if _, _, ok := r.BasicAuth(); ok && now.users {
		return 0, nil // the toolkit has checked the password
	}
	if local(r) {
		return 0, nil
	}
	return http.StatusForbidden, errors.New("without authentication, the webhook accepts requests from this host only: " +
		"set --webhook.token-file and give Alertmanager the same token (http_config.authorization.credentials_file), " +
		"or basic_auth_users or client certificates in --web.config.file")
}

// local reports whether the caller runs on this host. A reverse proxy on this host calls
// for callers from anywhere. Most add headers, or pass on the host name that they were called
// by; one that does neither, as nginx without settings, is taken for a local caller: the docs
// say to set a token. A page in a browser on this host has its own host name.
func local(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}
