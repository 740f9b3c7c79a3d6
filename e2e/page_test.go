package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"defib/e2e/browser"
	"defib/e2e/harness"
)

// TestPageShowsADeathAndItsHealing has a reader look at the page all the time. A
// hold keeps the container down for as long as the reader needs to see it so.
func TestPageShowsADeathAndItsHealing(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{Args: []string{"-code=3"}})
	holds := filepath.Join(t.TempDir(), "holds")
	d := s.Defib(harness.Whitelist(b), "--restart.hold-file="+holds, "--docker.resync-interval=1s")
	p := browser.Open(t, d.URL)
	row := fmt.Sprintf("document.getElementById('c-%s')?.textContent", b.ID[:12])
	story := fmt.Sprintf("document.getElementById('s-%s')?.textContent", b.ID[:12])
	p.Until("the row of the container", row+"?.includes('running') && !"+story)
	browser.Eval[bool](p, "window.never = 'loaded again'; true")

	end := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if err := os.WriteFile(holds, []byte(b.Name+" "+end+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Crash()
	p.Until("the death, and why it is left alone", story+"?.includes('exit code 3') && "+story+".includes('It exited') && "+story+".includes('on hold for maintenance') && "+row+".includes('on_hold')")
	p.Until("the hold at the top", fmt.Sprintf("document.getElementById('holds').textContent.includes(%q)", b.Name))

	if err := os.Remove(holds); err != nil {
		t.Fatal(err)
	}
	p.Until("the healing", row+"?.includes('running') && !"+story)
	p.Until("what was done", fmt.Sprintf("document.getElementById('done').textContent.includes(%q)", b.Name+"started"))
	if got := browser.Eval[string](p, "window.never"); got != "loaded again" {
		t.Error("the page was loaded again")
	}
	b.StartedTimes(2)

	var status struct {
		Engine  struct{ Up bool }
		Actions []struct{ Container, Trigger, Outcome string }
	}
	harness.Eventually(t, "the status of an engine that answers", func() bool {
		_, body, err := d.Get("/api/v1/status")
		if err == nil {
			err = json.Unmarshal([]byte(body), &status)
		}
		return err == nil && status.Engine.Up
	})
	if len(status.Actions) != 1 || status.Actions[0].Container != b.Name || status.Actions[0].Trigger != "exited" || status.Actions[0].Outcome != "started" {
		t.Errorf("status: %+v", status)
	}
}
