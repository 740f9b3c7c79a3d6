package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReplicasAreRestartedOneAfterTheOther posts an alert on a compose service until all
// of its replicas have been restarted, as Alertmanager would, only sooner.
func TestReplicasAreRestartedOneAfterTheOther(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	project := s.prefix + "shop"
	replica := func(i int) *testContainer {
		p := checked()
		p.labels = map[string]string{"com.docker.compose.project": project, "com.docker.compose.service": "db"}
		return s.run(fmt.Sprintf("db-%d", i), p)
	}
	all := []*testContainer{replica(1), replica(2), replica(3)}
	once := s.run("run", spec{labels: map[string]string{
		"com.docker.compose.project": project, "com.docker.compose.service": "db", "com.docker.compose.oneoff": "True",
	}})
	for _, b := range all {
		b.awaitEvents("health_status: healthy", 1)
	}
	d := s.defib("--restart.whitelist="+project+"/db", hasty)
	a := firingAlert("container_label_com_docker_compose_project", project, "container_label_com_docker_compose_service", "db")
	var outcomes []string
	eventually(t, "all replicas to be restarted", func() bool {
		r := d.post(a)
		if r.err != nil || len(r.told) != 1 {
			t.Fatalf("answered %d %s %v", r.status, r.text, r.err)
		}
		outcomes = append(outcomes, r.told[0].Message)
		return !slices.Contains([]string{"in_service_restart", "in_progress"}, r.outcome())
	})
	t.Log(strings.Join(outcomes, "\n"))
	for i, b := range all {
		b.startedTimes(2)
		b.awaitEvents("health_status: healthy", 2)
		if i == 0 {
			continue
		}
		if began, well := b.times("kill")[0], all[i-1].times("health_status: healthy")[1]; began.Before(well) {
			t.Errorf("%s was restarted %v before %s was healthy again", b.name, well.Sub(began), all[i-1].name)
		}
	}
	once.startedTimes(1)
	d.post(a).is(t, 200, "already_restarted", "for this alert already")
	named := all[2].alarm()
	named.StartsAt = time.Now()
	d.post(named).is(t, 200, "restarted", "was restarted") // not held by the others
}
