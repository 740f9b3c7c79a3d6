package refusal

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestAdviceOnDialErrors(t *testing.T) {
	for _, tc := range []struct {
		network string
		err     error
		want    string
	}{
		{"unix", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}, "permission denied: run Defib with the group of the socket (stat -c %g /s)"},
		{"unix", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EPERM)}, "operation not permitted: run Defib with the group of the socket"},
		{"unix", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENOENT)}, "no such socket"},
		{"unix", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "nothing listens on the socket"},
		{"tcp", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "does the engine listen there"},
		{"tcp", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "cannot connect"},
		{"tcp", fs.ErrInvalid, "cannot connect"},
	} {
		err := ExplainDial(tc.network, "/s", tc.err)
		if !strings.Contains(err.Error(), tc.want) || !errors.Is(err, tc.err) {
			t.Errorf("%s, %v: %v, want it to say %q", tc.network, tc.err, err, tc.want)
		}
	}
}
