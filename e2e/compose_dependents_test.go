package e2e

import (
	"fmt"
	"testing"
	"time"

	"defib/e2e/harness"
)

// chain is db, api and web, each of which is to follow the one before.
const chain = `
x-service: &service
  image: %s
  network_mode: none
  healthcheck: {test: [CMD, /testapp, -healthcheck], interval: 1s, timeout: 60s, retries: 1}
services:
  db: {<<: *service}
  api:
    <<: *service
    depends_on: {db: {condition: service_healthy, restart: true}}
  web:
    <<: *service
    depends_on: {api: {condition: service_healthy, restart: true}}
`

// TestDependentsOfComposeAreRestartedOnce: by docker compose, if it is that which
// restarts what they depend on, and else by Defib.
func TestDependentsOfComposeAreRestartedOnce(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	c := s.Compose("chain", harness.File(t, "compose.yaml", fmt.Sprintf(chain, harness.TestappImage)))
	c.Run("up", "--detach")
	services := []*harness.Container{c.Service("db"), c.Service("api"), c.Service("web")}
	d := s.Defib("--restart.whitelist="+c.Project+"/*", "--restart.stopped-delay=3s", "--restart.triggers=exited,alert,dependency,depends_on")
	c.Run("restart", "db")
	for _, b := range services {
		b.AwaitEvents("start", 2)
	}
	harness.Watch(t, 10*time.Second, "Defib restarts them after 3 s in which nothing changes")
	for _, b := range services {
		b.StartedTimes(2)
	}

	services[0].Restart()
	var last time.Time
	for _, b := range services {
		at := b.AwaitEvents("start", 3)[2]
		if at.Before(last) {
			t.Errorf("%s was started %v before what it depends on", b.Name, last.Sub(at))
		}
		last = at
	}
	d.AwaitLine(1, "container restarted", "container", services[2].Name, "trigger", "depends_on")
	harness.Watch(t, 10*time.Second, "Defib restarts them after 3 s in which nothing changes")
	for _, b := range services {
		b.StartedTimes(3)
	}
}
