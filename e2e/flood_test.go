package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"defib/e2e/harness"
)

// TestOneRequestOfManyAlertsCostsLittle posts as many alerts as 1 MiB holds.
func TestOneRequestOfManyAlertsCostsLittle(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	d := harness.NewEnv(t, harness.SharedEngine(t)).Defib()
	d.Scrape()
	memory := d.Memory("VmHWM")
	for _, one := range []string{`{}`, `{"status":"firing","labels":{"heal":"restart","container":"x"}}`} {
		alerts := strings.TrimSuffix(strings.Repeat(one+",", (1<<20-100)/(len(one)+1)), ",")
		d.Call(http.MethodPost, `{"version":"4","alerts":[`+alerts+`]}`).Refuses(t, http.StatusRequestEntityTooLarge, "group_by")
	}
	if most := d.Memory("VmHWM"); most > 2*memory {
		t.Errorf("%d kB of memory, %d kB before", most, memory)
	}
}

// TestHeadersThatNeverEndAreGivenUp opens as many connections as the limit of open
// files bears, and ends the header of none.
func TestHeadersThatNeverEndAreGivenUp(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := int(min(4000, files.Cur/4)) // other tests run beside
	d := harness.NewEnv(t, harness.SharedEngine(t)).Defib()
	d.Scrape()
	memory := d.Memory("VmRSS")
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := (&net.Dialer{Timeout: harness.Limit}).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprint(c, "POST /webhook HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	begun := time.Now()
	d.Scrape()
	took := time.Since(begun)
	if more := d.Memory("VmRSS") - memory; more > 40*n && !harness.Race { // which cost a multiple
		t.Errorf("%d connections cost %d kB, want 40 kB each at most", n, more)
	}
	for _, c := range conns {
		if err := c.SetReadDeadline(time.Now().Add(harness.Limit)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a connection whose header does not end is still open after %v", time.Since(begun))
		}
	}
	d.Scrape()
	t.Logf("%d connections: a scrape beside them took %v", n, took)
}
