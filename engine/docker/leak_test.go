package docker

import (
	"os"
	"runtime"
	"testing"

	"defib/engine"
)

// used counts goroutines and open files.
func used(t *testing.T) (goroutines, files int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return runtime.NumGoroutine(), len(entries)
}

// Law 10: no goroutine and no file descriptor outlives its connection.
func TestLaw10NothingOutlivesItsConnection(t *testing.T) {
	f := serving(t)
	id, wedged := f.put("web"), f.put("wedged")
	settled := func(what string, goroutines, files int) {
		t.Helper()
		eventually(t, what+" leaves nothing", func() bool {
			g, n := used(t)
			return g <= goroutines && n <= files
		})
	}
	goroutines, files := used(t)
	w := connected(t, Options{Host: f.host()})
	f.die(id)
	w.untilState(t, id, engine.Exited)
	f.wedge(wedged) // from now on inspects are under way when the stream is cut
	f.emit(wedged, "update")
	eventually(t, "it is inspected", func() bool { return f.asked("inspect") >= 4 })
	busyGoroutines, busyFiles := used(t)
	for n := range 10 {
		f.cut()
		f.on("inspect", nil)
		w.until(t, "it is connected again", func(p *engine.Snapshot) bool {
			return p.Connected && metric(t, w.Engine, "defib_engine_reconnects_total") == float64(n+1)
		})
		if err := w.Start(t.Context(), w.Snapshot().Get(id)); err != nil {
			t.Fatal(err)
		}
		f.wedge(wedged)
		f.emit(wedged, "update")
	}
	settled("a cut stream", busyGoroutines+2, busyFiles+2) // an inspect more or less
	w.stop()
	settled("Run", goroutines, files)
}
