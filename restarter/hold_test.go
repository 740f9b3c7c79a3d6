package restarter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"defib/engine"
)

// write makes a hold file of these holds.
func write(t *testing.T, path string, holds Holds) {
	t.Helper()
	if _, err := ChangeHolds(t.Context(), path, func(Holds, error) (Holds, error) { return holds, nil }); err != nil {
		t.Fatal(err)
	}
}

func TestHoldsAreReadBackAsTheyWereWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holds")
	want := Holds{}.With(noon, noon.Add(time.Hour), patterns("web,shop/*")).With(noon, noon.Add(2*time.Hour), nil)
	write(t, path, want)
	got, err := readHolds(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Pattern{})); diff != "" {
		t.Error(diff)
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
		t.Errorf("files left behind: %q", files)
	}
}

func TestHoldsThatAreSetAtTheSameTimeAllCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holds")
	var g errgroup.Group
	for i := range 50 {
		g.Go(func() error {
			_, err := ChangeHolds(t.Context(), path, func(holds Holds, _ error) (Holds, error) {
				return holds.With(noon, noon.Add(time.Hour), patterns(fmt.Sprint("web-", i))), nil
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if holds, err := readHolds(path); err != nil || len(holds) != 50 {
		t.Errorf("%d of 50 holds are left, %v", len(holds), err)
	}
}

func TestAFolderThatStaysLockedIsAnErrorAndNoWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		folder, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		if err := lock(folder); err != nil {
			t.Fatal(err)
		}
		holds, err := ChangeHolds(t.Context(), filepath.Join(dir, "holds"), func(holds Holds, _ error) (Holds, error) { return holds.With(noon, noon, nil), nil })
		if err == nil || !strings.Contains(err.Error(), "try again") || holds != nil {
			t.Errorf("%v, %v, want an error that says what to do", holds, err)
		}
	})
}

func TestAHoldDoesNotEndBeforeItsTime(t *testing.T) {
	for _, until := range []time.Time{noon, noon.Add(time.Nanosecond), noon.Add(999 * time.Millisecond)} {
		path := filepath.Join(t.TempDir(), "holds")
		write(t, path, Holds{}.With(noon.Add(-time.Minute), until, nil))
		holds, err := readHolds(path)
		if err != nil || len(holds) != 1 {
			t.Fatal(holds, err)
		}
		if early := until.Sub(holds[0].Until); early > 0 || early <= -time.Second {
			t.Errorf("a hold until %v ends %v before", until, early)
		}
	}
}

func TestAHoldKeepsDefibAwayAndEndsByItself(t *testing.T) {
	for _, row := range []struct {
		entry string
		want  string
	}{
		{"web", "1h0m0s web"},
		{"*", "1h0m0s web"},
		{"we*", "1h0m0s web"},
		{"batch-1", "0s web"},
	} {
		t.Run(row.entry, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := file(t, row.entry+" "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
				w := newWorld(t, usual(func(p *Policy) { p.HoldFile = path }), up("a1", "web"))
				w.dies("a1")
				pass(2 * time.Hour)
				w.wantStarts(row.want)
			})
		})
	}
}

func TestAReleaseIsHeardAtTheNextNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "* "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w := newWorld(t, usual(func(p *Policy) { p.HoldFile = path }), up("a1", "web"))
		w.dies("a1")
		pass(time.Minute)
		write(t, path, nil)
		w.set(w.Snapshot().Containers...) // as the next resync does
		w.wantStarts("1m0s web")
	})
}

func TestAnAlertFindsTheContainerOnHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "web "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w, h := webhookHarness(t, usual(func(p *Policy) { p.HoldFile = path }), up("a1", "web"), ended(engine.CauseSelf, named("b2", "batch-1")))
		post(t, h, firing("container", "web")).want(200, Outcome(OnHold))
		w.wantStarts("0s batch-1")
	})
}
