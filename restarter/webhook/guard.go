package webhook

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"defib/internal/webconfig"
)

// minToken is the fewest characters of a webhook token.
const minToken = 16

// Guard says who may call the webhook.
type Guard struct {
	TokenFile string // holds the bearer token; "": none is asked for
	WebConfig string // exporter-toolkit's web configuration; "": none
}

// Check returns what cannot work about the guard.
func (g Guard) Check() error {
	if g.TokenFile == "" {
		return nil
	}
	if _, err := g.token(); err != nil {
		return err
	}
	if users, err := g.users(); err == nil && users {
		return fmt.Errorf("cannot be combined with basic_auth_users in %s: a request has only one Authorization header", g.WebConfig)
	}
	return nil
}

// token reads the token, which may change while Defib runs.
func (g Guard) token() (string, error) {
	text, err := os.ReadFile(g.TokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", fmt.Errorf("%s: the token has %d characters: must have at least %d (openssl rand -hex 32)", g.TokenFile, len(token), minToken)
	}
	return token, nil
}

// users reports whether the web configuration, as it is now, names users. The
// toolkit lets everybody in if it does not.
func (g Guard) users() (bool, error) {
	config, err := webconfig.Read(g.WebConfig)
	return len(config.Users) > 0, err
}

// admit returns the status and the sentence that turn a caller away; 0 admits
// it.
func (g Guard) admit(r *http.Request) (status int, why error) {
	if g.TokenFile != "" {
		return g.admitToken(r)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return 0, nil
	}
	users, err := g.users()
	if err != nil {
		return http.StatusServiceUnavailable, fmt.Errorf("the web configuration cannot be read: %w", err)
	}
	if _, _, ok := r.BasicAuth(); ok && users {
		return 0, nil // the toolkit has checked the password
	}
	if local(r) {
		return 0, nil
	}
	return http.StatusForbidden, errors.New("without authentication, the webhook accepts requests from this host only: " +
		"set --webhook.token-file and give Alertmanager the same token (http_config.authorization.credentials_file), " +
		"or basic_auth_users or client certificates in --web.config.file")
}

func (g Guard) admitToken(r *http.Request) (int, error) {
	token, err := g.token()
	if err != nil {
		return http.StatusServiceUnavailable, fmt.Errorf("the webhook rejects all requests: --webhook.token-file: %w", err)
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
		return http.StatusUnauthorized, errors.New("the token is missing or wrong: send the header Authorization: Bearer TOKEN with the token of --webhook.token-file")
	}
	return 0, nil
}

// local reports whether the caller runs on this host. A reverse proxy on this
// host does so for callers from anywhere: its headers, or the host name that it
// was called by, give it away. So does a page in a browser on this host.
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
