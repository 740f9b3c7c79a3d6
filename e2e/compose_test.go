package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// ofCompose labels a container as compose does, as the first of its service.
func (s *env) ofCompose(service string, p spec) spec {
	p.labels = map[string]string{
		"com.docker.compose.project": s.prefix + "shop", "com.docker.compose.service": service,
		"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
		"com.docker.compose.project.working_dir": "/srv/shop",
	}
	return p
}

// wholeProject whitelists whatever belongs to the scene's compose project.
func (s *env) wholeProject() string { return "--restart.whitelist=" + s.prefix + "shop/*" }

// recreate does what docker-compose 1.29 does, up to the start of the new container.
func (s *env) recreate(old *testContainer, p spec) (fresh *testContainer) {
	name := old.name[len(s.prefix):]
	old.stop()
	old.rename(s.prefix + "old-" + name)
	return s.create(name, p)
}

// TestRecreationThatFailedNeverMakesTwoRun: docker-compose leaves the old container
// stopped, and the new one that cannot be started.
func TestRecreationThatFailedNeverMakesTwoRun(t *testing.T) {
	dockerOnly(t, checksDevices)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	old := s.run("db", s.ofCompose("db", spec{args: []string{"-code=1"}}))
	d := s.defib(s.wholeProject(), "--restart.stopped-delay=3s")
	fresh := s.recreate(old, s.ofCompose("db", spec{host: func(h *container.HostConfig) {
		h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/there-is-none", PathInContainer: "/dev/none", CgroupPermissions: "rwm"}}
	}}))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := s.engine.ContainerStart(ctx, fresh.id, container.StartOptions{}); err == nil {
		t.Fatal("a container with a device that does not exist was started")
	}
	old.awaitState(container.StateRunning)
	d.awaitHeld(fresh, "superseded")
	d.shows(series("docker_container_up", "name", fresh.name), 0)

	// The next try succeeds.
	fresh.remove()
	old.awaitAlive()
	old.stop()
	fresh = s.create("db", s.ofCompose("db", spec{}))
	fresh.start()
	fresh.awaitAlive()
	d.awaitHeld(old, "superseded")
	time.Sleep(4 * time.Second) // longer than the delay
	old.mustBe(container.StateExited)
	old.startedTimes(2)
}

// TestLeftoverIsNotStartedBesideItsSuccessor: it died, and so did the new one.
func TestLeftoverIsNotStartedBesideItsSuccessor(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	old := s.run("db", s.ofCompose("db", spec{args: []string{"-code=1"}}))
	fresh := s.recreate(old, s.ofCompose("db", spec{args: []string{"-code=1"}}))
	fresh.start()
	fresh.crash()
	d := s.defib(s.wholeProject(), "--restart.stopped-delay=100ms")
	fresh.awaitEvents("start", 2)
	d.awaitHeld(old, "superseded")
	old.startedTimes(1)

	other := s.create("other", spec{labels: map[string]string{
		"com.docker.compose.project": s.prefix + "shop", "com.docker.compose.service": "db",
		"com.docker.compose.container-number": "1", "com.docker.compose.project.working_dir": "/srv/other",
	}})
	d.awaitLine(1, "two directories use the same compose project name: their containers count as different services", "project", s.prefix+"shop")
	other.mustBe(container.StateCreated)
}

// TestDeployThatEndedHalfway: a container that was created, of a project of which
// others were started since. That it needs somebody takes 10 minutes to be said; until
// then Defib says when.
func TestDeployThatEndedHalfway(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	labels := s.ofCompose("db", spec{}).labels
	app := s.create("app", s.ofCompose("app", spec{}))
	d := s.defib(s.wholeProject())
	d.awaitHeld(app, "created")
	d.hides(series("defib_container_next_attempt_timestamp_seconds", "name", app.name)) // as after up --no-start
	s.run("db", spec{labels: labels})
	at := float64(app.createdAt().Add(10*time.Minute).UnixNano()) / 1e9
	var said float64
	eventually(t, "the moment when it needs somebody to be said", func() (there bool) {
		said, there = d.now(series("defib_container_next_attempt_timestamp_seconds", "name", app.name))
		return there
	})
	if off := said - at; off < -15 || off > 15 { // the engine's clock is not known better, where it is slow to tell
		t.Errorf("it needs somebody %.1fs after it is 10 minutes old", off)
	}
	d.shows(series("defib_container_held", "name", app.name, "reason", "created"), 1)
	app.mustBe(container.StateCreated)
}

// createdAt is when it was created, by the engine's clock.
func (b *testContainer) createdAt() time.Time {
	b.Helper()
	var at time.Time
	b.must("inspecting "+b.name, func(ctx context.Context) error {
		answer, err := b.engine.ContainerInspect(ctx, b.id)
		if err != nil {
			return err
		}
		at, err = time.Parse(time.RFC3339Nano, answer.Created)
		return err
	})
	return at
}
