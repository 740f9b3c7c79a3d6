package docker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/pkg/stdcopy"
	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/engine/docker/call"
)

func TestLogsAreThoseUpToAMoment(t *testing.T) {
	t.Parallel()
	f, w, c := startCase(t)
	line := func(after time.Duration, text string) string {
		return c.Finished.Add(after).Format(time.RFC3339Nano) + " " + text + "\n"
	}
	query := ""
	f.on(call.Logs, func(rw http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		out, err := stdcopy.NewStdWriter(rw, stdcopy.Stdout), stdcopy.NewStdWriter(rw, stdcopy.Stderr)
		_, _ = io.WriteString(out, line(-time.Second, "ready"))
		_, _ = io.WriteString(err, line(0, "panic"))
		_, _ = io.WriteString(out, line(time.Second, "another run"))
	})
	got, err := w.Logs(t.Context(), c, c.Finished, 50)
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.LogLine{{At: c.Finished.Add(-time.Second), Text: "ready"}, {At: c.Finished, Stderr: true, Text: "panic"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if query != "stderr=1&stdout=1&tail=114&timestamps=1" {
		t.Errorf("asked for %s", query)
	}
}

func TestWhyThereIsNoLog(t *testing.T) {
	for _, tc := range []struct {
		name    string
		status  int
		text    string
		want    error
		counted bool // as a failed request
	}{
		{name: "Docker cannot read the driver", status: http.StatusNotImplemented, text: "configured logging driver does not support reading", want: engine.ErrNoLog},
		{name: "Podman cannot read the driver", status: http.StatusInternalServerError, text: "this container is using the 'none' log driver, cannot read logs: this container is not logging output", want: engine.ErrNoLog},
		{name: "the container is gone", status: http.StatusNotFound, text: "No such container: x", want: engine.ErrGone},
		{name: "a proxy refuses", status: http.StatusForbidden, text: "Forbidden", want: engine.ErrRefused, counted: true},
		{name: "the engine cannot", status: http.StatusInternalServerError, text: "no such file", counted: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, w, c := startCase(t)
			f.on(call.Logs, answers(tc.status, tc.text))
			_, err := w.Logs(t.Context(), c, c.Finished, 1)
			if tc.want != nil && !errors.Is(err, tc.want) || tc.want == nil && (err == nil || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if failed := metricFailures(t, w.Engine, call.Logs) == 1; failed != tc.counted {
				t.Errorf("counted as failed: %v, want %v", failed, tc.counted)
			}
		})
	}
}

// A second answer is asked for without what is too late, on the engine's clock.
func TestDisplacedLogsAreAskedForByTheEnginesClock(t *testing.T) {
	t.Parallel()
	f, w, c := startCase(t)
	until := ""
	f.on(call.Logs, func(rw http.ResponseWriter, r *http.Request) {
		if until = r.URL.Query().Get("until"); until != "" {
			fmt.Fprintln(rw, c.Finished.Format(time.RFC3339Nano), "panic")
			return
		}
		for range 200 {
			fmt.Fprintln(rw, c.Finished.Add(time.Hour).Format(time.RFC3339Nano), "another run")
		}
	})
	got, err := w.Logs(t.Context(), c, c.Finished, 1)
	if err != nil || len(got) != 1 || until != stamp(c.Finished) {
		t.Errorf("%v, %v, until %s", got, err, until)
	}
}
