package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// twoLives is an engine, and one life of Defib after the other beside it.
type twoLives struct {
	*harness.Env
	*harness.Defib // the life that goes on

	worker, idle *harness.Container // one that runs, and one that somebody stopped
	flags        []string
	proc         string // where Defib reads which boot of the host it is
}

// newTwoLives begins the first life, which sees both containers.
func newTwoLives(t *testing.T) *twoLives {
	harness.DockerOnly(t, harness.NoDaemon)
	t.Parallel()
	l := &twoLives{Env: harness.NewEnv(t, harness.PrivateEngine(t)), proc: t.TempDir()}
	l.boots("the-first-boot", time.Now().Add(-time.Hour))
	l.worker, l.idle = l.Run("worker", harness.Spec{}), l.Run("idle", harness.Spec{})
	l.forgetsStarts()
	// What starts at once is known to have crashed, or to have ended with the engine: what
	// is not known waits.
	l.flags = []string{
		harness.Whitelist(l.worker, l.idle), "--restart.policy=unless-stopped", harness.Never, unhurried,
		stateIn(t.TempDir()), "--path.procfs=" + l.proc,
	}
	l.begin()
	l.idle.Stop()
	l.AwaitHeld(l.idle, "stopped")
	return l
}

func (l *twoLives) begin() { l.Defib = l.Env.Defib(l.flags...) }

// boots has the host be in this boot.
func (l *twoLives) boots(id string, at time.Time) {
	random := filepath.Join(l.proc, "sys/kernel/random")
	if err := os.MkdirAll(random, 0o700); err != nil {
		l.Env.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(random, "boot_id"), []byte(id), 0o600); err != nil {
		l.Env.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.proc, "stat"), fmt.Appendf(nil, "btime %d\n", at.Unix()), 0o600); err != nil {
		l.Env.Fatal(err)
	}
}

// forgetsStarts has the engine forget the events until now: it holds 256.
func (l *twoLives) forgetsStarts() {
	l.Must("filling what the engine remembers", func(ctx context.Context) error {
		for range 256 {
			if err := l.Engine.ImageTag(ctx, harness.TestappImage, "defib-e2e:forget"); err != nil {
				return err
			}
		}
		return nil
	})
}

// comesBack reports that the worker was started, and at once: what ended it was known.
// What somebody had stopped stays down.
func (l *twoLives) comesBack() {
	l.Env.Helper()
	l.AwaitLine(1, "container started", "container", l.worker.Name)
	l.worker.AwaitState(container.StateRunning)
	l.AwaitHeld(l.idle, "stopped")
	l.LeftAlone(l.idle)
	l.idle.MustBe(container.StateExited)
}

func shutdownIsOver(t testing.TB) {
	harness.Watch(t, 22*time.Second, "what was stopped less than 20 s before the others' last moment counts as stopped by the shutdown")
}

func TestAnEngineIsUpgradedWithDefib(t *testing.T) {
	for name, end := range map[string]func(l *twoLives){
		"Defib ends first": func(l *twoLives) {
			l.Terminate()
			l.EndEngine(syscall.SIGTERM)
		},
		"Defib still sees how the worker is stopped": func(l *twoLives) {
			if err := l.Engine.Daemon.Signal(syscall.SIGTERM); err != nil {
				l.Env.Fatal(err)
			}
			l.AwaitUnavailable()
			l.Terminate()
			l.EndEngine(syscall.SIGTERM)
		},
		"both end at the same time": func(l *twoLives) {
			if err := l.Engine.Daemon.Signal(syscall.SIGTERM); err != nil {
				l.Env.Fatal(err)
			}
			l.Terminate()
			l.EndEngine(syscall.SIGTERM)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTwoLives(t)
			shutdownIsOver(t)
			end(l)
			l.Boot()
			l.begin()
			l.comesBack()
		})
	}
}

func TestAHostLosesItsPower(t *testing.T) {
	l := newTwoLives(t)
	shutdownIsOver(t)
	l.Kill()
	harness.Watch(t, 125*time.Second, "what ends within 2 minutes of the last look may have been ended by an engine alone")
	l.EndHost()
	l.boots("another-boot", time.Now())
	l.Boot()
	state := l.worker.Inspect()
	t.Logf("the engine says that it found it %s with exit code %d, finished at %s", state.Status, state.ExitCode, state.FinishedAt)
	l.begin()
	l.comesBack()
}

func TestDefibIsAwayWhileOneCrashesAndOneIsStopped(t *testing.T) {
	t.Run("and the engine still knows", func(t *testing.T) {
		l := newTwoLives(t)
		other := l.Run("other", harness.Spec{})
		l.flags = append(l.flags, harness.Whitelist(other))
		l.Terminate()
		l.worker.Crash()
		other.Stop()
		l.begin()
		l.comesBack()
		l.AwaitHeld(other, "stopped")
		l.LeftAlone(other)
	})
	t.Run("and the engine has forgotten", func(t *testing.T) {
		l := newTwoLives(t)
		l.Terminate()
		l.worker.Crash()
		l.forgetsStarts()
		l.begin()
		l.AwaitHeld(l.worker, "stopped_delay")
		l.AwaitHeld(l.idle, "stopped")
		l.LeftAlone(l.worker)
		l.LeftAlone(l.idle)
	})
}
