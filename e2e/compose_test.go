package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// ofCompose labels a container as compose does, as the first of its service.
func ofCompose(s *harness.Env, service string, p harness.Spec) harness.Spec {
	p.Labels = map[string]string{
		"com.docker.compose.project": s.Prefix + "shop", "com.docker.compose.service": service,
		"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
		"com.docker.compose.project.working_dir": "/srv/shop",
	}
	return p
}

// wholeProject whitelists whatever belongs to the compose project of the Env.
func wholeProject(s *harness.Env) string { return "--restart.whitelist=" + s.Prefix + "shop/*" }

// recreate does what docker-compose 1.29 does, up to the start of the new container.
func recreate(s *harness.Env, old *harness.Container, p harness.Spec) (fresh *harness.Container) {
	name := old.Name[len(s.Prefix):]
	old.Stop()
	old.Rename(s.Prefix + "old-" + name)
	return s.Create(name, p)
}

// TestRecreationThatFailedNeverMakesTwoRun: docker-compose leaves the old container
// stopped, and the new one that cannot be started.
func TestRecreationThatFailedNeverMakesTwoRun(t *testing.T) {
	harness.DockerOnly(t, harness.ChecksDevices)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	old := s.Run("db", ofCompose(s, "db", harness.Spec{Args: []string{"-code=1"}}))
	d := s.Defib(wholeProject(s), "--restart.stopped-delay=10s") // longer than a start takes
	fresh := recreate(s, old, ofCompose(s, "db", harness.Spec{Host: func(h *container.HostConfig) {
		h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/there-is-none", PathInContainer: "/dev/none", CgroupPermissions: "rwm"}}
	}}))
	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	defer cancel()
	if err := s.Engine.ContainerStart(ctx, fresh.ID, container.StartOptions{}); err == nil {
		t.Fatal("a container with a device that does not exist was started")
	}
	old.AwaitState(container.StateRunning)
	d.AwaitHeld(fresh, "superseded")
	d.Shows(harness.Series("docker_container_up", "name", fresh.Name), 0)

	// The next try succeeds.
	fresh.Remove()
	old.AwaitAlive()
	old.Stop()
	fresh = s.Create("db", ofCompose(s, "db", harness.Spec{}))
	fresh.Start()
	fresh.AwaitAlive()
	d.AwaitHeld(old, "superseded")
	harness.Watch(t, time.Second, "a start that the delay has put off would come at once")
	old.MustBe(container.StateExited)
	old.StartedTimes(2)
}

// TestLeftoverIsNotStartedBesideItsSuccessor: it died, and so did the new one.
func TestLeftoverIsNotStartedBesideItsSuccessor(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	old := s.Run("db", ofCompose(s, "db", harness.Spec{Args: []string{"-code=1"}}))
	fresh := recreate(s, old, ofCompose(s, "db", harness.Spec{Args: []string{"-code=1"}}))
	fresh.Start()
	fresh.Crash()
	d := s.Defib(wholeProject(s), "--restart.stopped-delay=100ms")
	fresh.AwaitEvents("start", 2)
	d.AwaitHeld(old, "superseded")
	old.StartedTimes(1)

	other := s.Create("other", harness.Spec{Labels: map[string]string{
		"com.docker.compose.project": s.Prefix + "shop", "com.docker.compose.service": "db",
		"com.docker.compose.container-number": "1", "com.docker.compose.project.working_dir": "/srv/other",
	}})
	d.AwaitLine(1, "compose project name used in two directories: their containers count as different services", "project", s.Prefix+"shop")
	other.MustBe(container.StateCreated)
}

// TestDeployThatEndedHalfway: a container that was created, of a project of which
// others were started since. That it needs somebody takes 10 minutes to be said; until
// then Defib says when.
func TestDeployThatEndedHalfway(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	labels := ofCompose(s, "db", harness.Spec{}).Labels
	app := s.Create("app", ofCompose(s, "app", harness.Spec{}))
	d := s.Defib(wholeProject(s))
	d.AwaitHeld(app, "created")
	d.Hides(harness.Series("defib_container_next_attempt_timestamp_seconds", "name", app.Name)) // as after up --no-start
	s.Run("db", harness.Spec{Labels: labels})
	at := float64(createdAt(app).Add(10*time.Minute).UnixNano()) / 1e9
	var said float64
	harness.Eventually(t, "the moment when it needs somebody to be said", func() (there bool) {
		said, there = d.Exposition().Value(harness.Series("defib_container_next_attempt_timestamp_seconds", "name", app.Name))
		return there
	})
	if off := said - at; off < -15 || off > 15 { // the engine's clock is not known better, where it is slow to tell
		t.Errorf("it needs somebody %.1fs after it is 10 minutes old", off)
	}
	d.Shows(harness.Series("defib_container_held", "name", app.Name, "reason", "created"), 1)
	app.MustBe(container.StateCreated)
}

// createdAt is when it was created, by the engine's clock.
func createdAt(b *harness.Container) time.Time {
	b.Helper()
	var at time.Time
	b.Must("inspecting "+b.Name, func(ctx context.Context) error {
		answer, err := b.Engine.ContainerInspect(ctx, b.ID)
		if err != nil {
			return err
		}
		at, err = time.Parse(time.RFC3339Nano, answer.Created)
		return err
	})
	return at
}
