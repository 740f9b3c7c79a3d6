package refusal

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"regexp"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
)

// volatileText is what the same step says otherwise each time: the port that a connection
// came from, the moments that a request asks about.
var volatileText = regexp.MustCompile(`\S+->|\?[^"]*`)

var kinds = []struct {
	name string
	is   func(error) bool
}{
	{"refused", Refused},
	{"not found", errdefs.IsNotFound},
	{"unavailable", errdefs.IsUnavailable},
	{"internal", errdefs.IsInternal},
	{"invalid", errdefs.IsInvalidArgument},
	{"deadline", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	{"cut off", func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }},
	{"expired", expired},
	{"TLS", func(err error) bool {
		return strings.Contains(err.Error(), "tls:") || strings.Contains(err.Error(), "HTTPS")
	}},
	{"certificate", func(err error) bool {
		_, is := errors.AsType[*tls.CertificateVerificationError](err)
		return is
	}},
}

// Class is what a failure that lasts is known again by: what we were doing, and the kind of
// error. The rest of its text may differ each time, by the time of day or the ID that a
// proxy gave to the request.
func Class(err error) string {
	step, _, _ := strings.Cut(err.Error(), ": ")
	class := []string{volatileText.ReplaceAllString(step, "")}
	for _, kind := range kinds {
		if kind.is(err) {
			class = append(class, kind.name)
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		class = append(class, errno.Error())
	}
	return strings.Join(class, ", ")
}
