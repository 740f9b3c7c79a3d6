package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// role is a place in a fleet: a container that is created anew again and again,
// and what is to become of it.
type role struct {
	suffix  string
	alias   string // that it bears after being renamed
	spec    harness.Spec
	listed  bool   // Defib is to bring it back
	stray   bool   // not listed while it bears its alias
	unborn  bool   // never started by the test
	dir     string // without which it cannot start
	parent  *role  // whose network it shares
	follows bool   // Defib is to create it anew when its parent was

	id       string
	renamed  bool
	looping  bool // it dies at once
	lost     bool // the engine can neither start nor remove it any more
	parentID string
}

// fleet is some 40 containers on one engine and what happens to them.
type fleet struct {
	*harness.Env
	book      *actionLog
	roles     []*role // parents before their children
	following bool    // parents of families are re-created, and nothing else happens to these
}

// newFleet lays out the roles; createAll creates the containers.
func newFleet(s *harness.Env, book *actionLog) *fleet {
	f := &fleet{Env: s, book: book}
	crash := []string{"-code=1"}
	f.add(5, "app", role{listed: true, spec: harness.Spec{Args: crash}})
	f.add(1, "app-zero", role{listed: true})
	f.add(1, "app-slow", role{listed: true, spec: harness.Spec{Args: []string{"-slow=500ms"}}})
	f.add(1, "app-stubborn", role{listed: true, spec: harness.Spec{Args: []string{"-stubborn"}, StopTimeout: 1}})
	f.add(1, "app-unborn", role{listed: true, unborn: true})
	f.add(2, "volunteer", role{listed: true, spec: harness.Spec{Args: crash, Labels: map[string]string{"defib.enable": "true"}}})
	for _, service := range []string{"db", "web", "cache"} {
		f.add(1, "shop-"+service, role{listed: service != "cache", spec: harness.Spec{Args: crash, Labels: map[string]string{
			"com.docker.compose.project": s.Prefix + "shop", "com.docker.compose.service": service,
		}}})
	}
	f.add(1, "app-on-failure", role{listed: true, spec: harness.Spec{Args: crash, Restart: container.RestartPolicyOnFailure}})
	f.add(1, "app-unless-stopped", role{listed: true, spec: harness.Spec{Args: crash, Restart: container.RestartPolicyUnlessStopped}})
	f.add(1, "app-modest", role{listed: true, spec: harness.Spec{Args: crash, Labels: map[string]string{"defib.policy": "unless-stopped"}}})
	f.add(2, "app-sickly", role{listed: true, spec: harness.Spec{Args: crash, Health: &container.HealthConfig{
		Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: 2 * time.Second, Retries: 1,
	}}})
	f.add(1, "app-mover", role{listed: true, stray: true, spec: harness.Spec{Args: crash}})
	for i := range 2 {
		dir := filepath.Join(s.TempDir(), fmt.Sprint("data-", i))
		f.add(1, fmt.Sprint("app-mounting-", i), role{listed: true, dir: dir, spec: harness.Spec{Args: crash, Host: harness.Mounting(dir)}})
	}
	f.add(1, "app-parent", role{listed: true, spec: harness.Spec{Args: crash}})
	f.add(2, "app-child", role{listed: true, parent: f.roles[len(f.roles)-1], spec: harness.Spec{Args: crash}})
	f.add(2, "stranger", role{spec: harness.Spec{Args: crash}})
	f.add(1, "stranger-always", role{spec: harness.Spec{Args: crash, Restart: container.RestartPolicyAlways}})
	f.add(1, "app-outcast", role{spec: harness.Spec{Args: crash, Labels: map[string]string{"defib.enable": "true"}}})
	f.add(1, "app-refuser", role{spec: harness.Spec{Args: crash, Labels: map[string]string{"defib.enable": "false"}}})
	f.addFamilies()
	return f
}

// add adds n roles that differ in nothing but their name.
func (f *fleet) add(n int, suffix string, like role) {
	for i := range n {
		r := like
		r.suffix = suffix
		if n > 1 {
			r.suffix = fmt.Sprintf("%s-%d", suffix, i)
		}
		r.alias = r.suffix + "-renamed"
		if r.stray {
			r.alias = "stray"
		}
		f.roles = append(f.roles, &r)
		f.book.names[f.name(&r)] = &r
	}
}

// flags tell Defib whom to mind.
func (f *fleet) flags() []string {
	return []string{
		"--restart.whitelist=" + f.Prefix + "app-*," + f.Prefix + "shop/web",
		"--restart.whitelist=" + f.Prefix + "shop/db",
		"--restart.exclude=" + f.Prefix + "app-outcast*",
	}
}

func (f *fleet) name(r *role) string {
	if r.renamed {
		return f.Prefix + r.alias
	}
	return f.Prefix + r.suffix
}

// createAll creates and starts the whole fleet.
func (f *fleet) createAll(tb testing.TB) {
	tb.Helper()
	for _, r := range f.roles {
		f.Must("creating "+r.suffix, func(ctx context.Context) error { return f.create(ctx, r) })
	}
}

// create creates the container of a role and starts it.
func (f *fleet) create(ctx context.Context, r *role) error {
	r.renamed = false
	id, err := f.createAs(ctx, r, f.name(r))
	if err != nil {
		return err
	}
	r.id = id
	if r.unborn {
		return nil
	}
	return f.Engine.ContainerStart(ctx, id, container.StartOptions{})
}

// createAs creates a container for a role, under a name.
func (f *fleet) createAs(ctx context.Context, r *role, name string) (id string, err error) {
	s := r.spec
	s.Network = "none" // as most have one of their own
	if r.looping {
		s.Args = []string{"-after=300ms", "-code=1"}
	}
	if r.parent != nil {
		r.parentID = r.parent.id
		s.Host = func(h *container.HostConfig) { h.NetworkMode = container.NetworkMode("container:" + r.parentID) }
	}
	if r.dir != "" {
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return "", err
		}
	}
	if id, err = f.Engine.CreateTestapp(ctx, name, s); err == nil {
		f.book.owns(id, r)
	}
	return id, err
}

// shares divides the fleet among two that do things to it at once. Children are
// in the share of their parent, and those with rarer operations come up more often. Those
// that are none of a family come first.
func (f *fleet) shares() [2][]*role {
	var others, families []*role
	for _, x := range f.roles {
		if f.kin(x) {
			families = append(families, x)
		} else {
			others = append(others, x)
		}
	}
	half := len(others) / 2
	shares := [2][]*role{others[:half:half], slices.Clone(others[half:])}
	if !f.following {
		shares[0] = append(shares[0], families...)
	}
	for _, x := range others[half:] {
		if isParent(x) || isChecked(x) {
			shares[1] = append(shares[1], x, x)
		}
	}
	return shares
}

// operate does one random thing after the other to its share of the fleet until
// stop is closed. Conflicts are part of it, and noted with the action.
func (f *fleet) operate(share []*role, r *rand.Rand, stop <-chan struct{}) {
	for !harness.Pause(stop, time.Duration(100+r.IntN(600))*time.Millisecond) {
		x := share[r.IntN(len(share))]
		what := operations[r.IntN(len(operations))]
		if what.fits != nil && !what.fits(x) || x.unborn {
			continue
		}
		// What goes wrong is noted with the action.
		_ = f.do(x, what.name, func(ctx context.Context) error { return what.do(ctx, f, x) })
	}
}

// do does one thing to a role's container and notes it.
func (f *fleet) do(x *role, what string, how func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(f.Context(), harness.Limit)
	defer cancel()
	d := action{id: x.id, what: what, begun: time.Now()}
	d.err = how(ctx)
	d.end = time.Now()
	f.book.did(d)
	if x.id != d.id { // it is another one now
		d.id = x.id
		f.book.did(d)
	}
	return d.err
}

// recreate removes the container of a role and makes it anew.
func (f *fleet) recreate(ctx context.Context, x *role) error {
	err := f.Engine.ContainerRemove(ctx, x.id, container.RemoveOptions{Force: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return f.create(ctx, x)
}

func (f *fleet) rename(ctx context.Context, x *role) error {
	next := *x
	next.renamed = !x.renamed
	err := f.Engine.ContainerRename(ctx, x.id, f.name(&next))
	if err == nil {
		x.renamed = next.renamed
	}
	return err
}

// exec runs the container's testapp once more, beside the first.
func (f *fleet) exec(ctx context.Context, x *role, args ...string) error {
	answer, err := f.Engine.ContainerExecCreate(ctx, x.id, container.ExecOptions{Cmd: append([]string{"/testapp"}, args...)})
	if err != nil {
		return err
	}
	return f.Engine.ContainerExecStart(ctx, answer.ID, container.ExecStartOptions{Detach: true})
}

// unmount takes away what the container needs to start, and has it crash.
func (f *fleet) unmount(ctx context.Context, x *role) error {
	return errors.Join(os.RemoveAll(x.dir), f.exec(ctx, x, "-crash"))
}
