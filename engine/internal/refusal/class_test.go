package refusal_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"

	"defib/engine/internal/refusal"
)

func TestAFailureIsKnownAgain(t *testing.T) {
	daemon := func(kind error, text string) error {
		return fmt.Errorf("Error response from daemon: %w", errors.Join(errors.New(text), kind))
	}
	dial := func(errno syscall.Errno, port int) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("127.0.0.1:%d->127.0.0.1:2375: %w", port, os.NewSyscallError("connect", errno))}
	}
	expired := func(now string) error {
		return fmt.Errorf("error during connect: %w", &tls.CertificateVerificationError{Err: errors.New("certificate has expired: current time " + now)})
	}
	for name, row := range map[string]struct {
		a, b error
		same bool
	}{
		"a proxy gives each request an ID":       {daemon(errdefs.ErrInternal, "request 1"), daemon(errdefs.ErrInternal, "request 2"), true},
		"a certificate has expired":              {expired("10:00"), expired("10:01"), true},
		"a connection comes from another port":   {dial(syscall.ECONNRESET, 1), dial(syscall.ECONNRESET, 2), true},
		"a request asks about another moment":    {errors.New(`Get "http://x/events?since=1"`), errors.New(`Get "http://x/events?since=2"`), true},
		"another call fails":                     {fmt.Errorf("list containers: %w", errdefs.ErrInternal), fmt.Errorf("get the version: %w", errdefs.ErrInternal), false},
		"it is refused now":                      {daemon(errdefs.ErrInternal, "no"), daemon(errdefs.ErrPermissionDenied, "no"), false},
		"it hangs now":                           {daemon(errdefs.ErrInternal, "no"), daemon(context.DeadlineExceeded, "no"), false},
		"the socket is there, but not permitted": {dial(syscall.ENOENT, 1), dial(syscall.EACCES, 1), false},
	} {
		if got := refusal.Class(row.a) == refusal.Class(row.b); got != row.same {
			t.Errorf("%s: the same: %v: %q, %q", name, got, refusal.Class(row.a), refusal.Class(row.b))
		}
	}
}
