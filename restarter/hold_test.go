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

func TestHoldsAreReadBackAsTheyWereWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holds")
	want := Holds{}.With(noon, noon.Add(time.Hour), patterns("web,shop/*")).With(noon, noon.Add(2*time.Hour), nil)
	if err := want.write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadHolds(path)
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
			_, err := ChangeHolds(path, func(holds Holds) Holds {
				return holds.With(noon, noon.Add(time.Hour), patterns(fmt.Sprint("web-", i)))
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if holds, err := ReadHolds(path); err != nil || len(holds) != 50 {
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
		holds, err := ChangeHolds(filepath.Join(dir, "holds"), func(holds Holds) Holds { return holds.With(noon, noon, nil) })
		if err == nil || !strings.Contains(err.Error(), "try again") || holds != nil {
			t.Errorf("%v, %v, want an error that says what to do", holds, err)
		}
	})
}

func TestAHoldDoesNotEndBeforeItsTime(t *testing.T) {
	for _, until := range []time.Time{noon, noon.Add(time.Nanosecond), noon.Add(999 * time.Millisecond)} {
		path := filepath.Join(t.TempDir(), "holds")
		if err := (Holds{}).With(noon.Add(-time.Minute), until, nil).write(path); err != nil {
			t.Fatal(err)
		}
		holds, err := ReadHolds(path)
		if err != nil || len(holds) != 1 {
			t.Fatal(holds, err)
		}
		if early := until.Sub(holds[0].Until); early > 0 || early <= -time.Second {
			t.Errorf("a hold until %v ends %v before", until, early)
		}
	}
}

func TestABrokenHoldFileHoldsNothingAndNamesItsFault(t *testing.T) {
	for _, text := range []string{"web", "web tomorrow", "web 2026-01-02T12:00:00Z x", "[a 2026-01-02T12:00:00Z", ", 2026-01-02T12:00:00Z", "ok 2026-01-02T12:00:00Z\nweb"} {
		holds, err := ReadHolds(file(t, text))
		if err == nil || len(holds) > 0 {
			t.Errorf("%q: %v, %v", text, holds, err)
		}
	}
	for _, name := range []string{"", "/nonexistent/holds", file(t, "\n  \n")} {
		if holds, err := ReadHolds(name); err != nil || len(holds) > 0 {
			t.Errorf("file %q: %v, %v", name, holds, err)
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
		if err := (Holds{}).write(path); err != nil {
			t.Fatal(err)
		}
		w.set(w.Picture().Containers...) // as the next resync does
		w.wantStarts("1m0s web")
	})
}

func TestABrokenHoldFileIsReportedOnceAndAgainWhenItBreaksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "web")
		w := newWorld(t, usual(func(p *Policy) { p.HoldFile = path }), up("a1", "web"))
		news := func() { pass(time.Second); w.set(w.Picture().Containers...); pass(0) }
		news()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		news()
		if err := os.WriteFile(path, []byte("web"), 0o600); err != nil {
			t.Fatal(err)
		}
		news()
		news()
		if got := strings.Count(w.log.String(), "the hold file cannot be read"); got != 2 {
			t.Errorf("%d warnings, want 2:\n%s", got, w.log.String())
		}
	})
}

func TestAHoldOutlastsAFileThatBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "web "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w := newWorld(t, usual(func(p *Policy) { p.HoldFile = path }), up("a1", "web"))
		if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.dies("a1")
		pass(2 * time.Hour)
		w.wantStarts("1h0m0s web")
	})
}

func TestAnAlertFindsTheContainerOnHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "web "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w, h := clinic(t, usual(func(p *Policy) { p.HoldFile = path }), up("a1", "web"), ended(engine.EndedSelf, named("b2", "batch-1")))
		post(t, h, firing("container", "web")).want(200, Outcome(OnHold))
		w.wantStarts("0s batch-1")
	})
}
