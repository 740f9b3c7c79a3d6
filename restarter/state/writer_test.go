package state

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// lines is a log that may be written and read at once.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func writing(t *testing.T, path string) (*Writer, *Metrics, *lines) {
	t.Helper()
	log, m := &lines{}, NewMetrics()
	return NewWriter(open(t, path), m, slog.New(slog.NewTextHandler(log, nil))), m, log
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has not come to be", what)
		}
	}
}

func TestNewestDocumentIsWrittenAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	w, m, _ := writing(t, path)
	for _, text := range []string{"a", "b", "c"} {
		w.Put(document{Version, text})
	}
	w.Close(t.Context(), 10*time.Second)
	if got, err := os.ReadFile(path); err != nil || !strings.Contains(string(got), `"c"`) {
		t.Errorf("%s, %v", got, err)
	}
	if saves, failures := testutil.ToFloat64(m.saves), testutil.ToFloat64(m.failures); saves < 1 || saves > 3 || failures != 0 {
		t.Errorf("%v saves, %v failures", saves, failures)
	}
}

func TestFailureIsSaidOnceAndWhenItIsOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.Mkdir(path, 0o700); err != nil { // which no file can take the place of
		t.Fatal(err)
	}
	w, m, log := writing(t, path)
	for n := range 3 {
		w.Put(document{Version, "a"})
		until(t, "a failure", func() bool { return testutil.ToFloat64(m.failures) > float64(n) })
	}
	if got := strings.Count(log.String(), "cannot write the state file"); got != 1 {
		t.Errorf("it is said %d times:\n%s", got, log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.Put(document{Version, "b"})
	w.Close(t.Context(), 10*time.Second)
	if !strings.Contains(log.String(), "state file is written again") || testutil.ToFloat64(m.saves) < 1 {
		t.Errorf("%v saves:\n%s", testutil.ToFloat64(m.saves), log)
	}
}

func TestWhatIsOfAnotherEngineIsSetAsideBeforeTheNextWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	write(t, path, "of another engine")
	w, _, log := writing(t, path)
	w.SetAside("it is of another engine")
	w.Put(document{Version, "fresh"})
	w.Close(t.Context(), 10*time.Second)
	all := names(t, dir)
	if len(all) != 3 || all[0] != "state.json" || !strings.HasPrefix(all[1], "state.json.2") {
		t.Fatalf("there are %s", all)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, all[1])); err != nil || string(kept) != "of another engine" {
		t.Errorf("set aside is %q, %v", kept, err)
	}
	if !strings.Contains(log.String(), "it is of another engine") {
		t.Errorf("the log says %s", log)
	}
}

// Whoever puts a document never waits, and the end does not wait indefinitely.
func TestLaw12FileSystemThatHangsStopsNobody(t *testing.T) {
	w, _, log := writing(t, filepath.Join(t.TempDir(), "state.json"))
	hung := make(chan struct{})
	defer func() {
		close(hung)
		<-w.ended
	}()
	w.Put(hangs(hung))
	until(t, "the write", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.newest == nil })
	for range 1000 {
		w.Put(document{Version, "a"})
	}
	began := time.Now()
	w.Close(t.Context(), 50*time.Millisecond)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %s", took)
	}
	if !strings.Contains(log.String(), "state file not written at the end") {
		t.Errorf("the log says %s", log)
	}
}

// hangs is a document whose writing does.
type hangs chan struct{}

func (h hangs) MarshalJSON() ([]byte, error) {
	<-h
	return []byte("{}"), nil
}

// Whoever is to be alerted of a disk that hangs is alerted of a counter that goes on.
func TestWriteThatDoesNotEndFailsAgainAndAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, m := &lines{}, NewMetrics()
		w := NewWriter(At(filepath.Join(dir, "state.json")), m, slog.New(slog.NewTextHandler(log, nil)))
		hung := make(hangs)
		w.Put(hung)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := testutil.ToFloat64(m.failures); got != 6 {
			t.Errorf("%v failures after a minute, want 6", got)
		}
		if got := strings.Count(log.String(), "cannot write the state file"); got != 1 {
			t.Errorf("it is said %d times", got)
		}
		close(hung)
		synctest.Wait()
		if !strings.Contains(log.String(), "state file is written again") {
			t.Errorf("the log says %s", log)
		}
		w.Close(t.Context(), time.Second)
	})
}
