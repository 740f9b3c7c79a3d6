package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

// TestReplicasAreRestartedOneAfterTheOther posts an alert on a compose service until all
// of its replicas have been restarted, as Alertmanager would, only sooner.
func TestReplicasAreRestartedOneAfterTheOther(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	project := s.Prefix + "shop"
	replica := func(i int) *harness.Container {
		p := harness.Checked()
		p.Labels = map[string]string{"com.docker.compose.project": project, "com.docker.compose.service": "db"}
		return s.Run(fmt.Sprintf("db-%d", i), p)
	}
	all := []*harness.Container{replica(1), replica(2), replica(3)}
	once := s.Run("run", harness.Spec{Labels: map[string]string{
		"com.docker.compose.project": project, "com.docker.compose.service": "db", "com.docker.compose.oneoff": "True",
	}})
	for _, b := range all {
		b.AwaitEvents("health_status: healthy", 1)
	}
	d := s.Defib("--restart.whitelist="+project+"/db", hasty)
	a := harness.FiringAlert("container_label_com_docker_compose_project", project, "container_label_com_docker_compose_service", "db")
	var outcomes []string
	harness.Eventually(t, "all replicas to be restarted", func() bool {
		r := d.Post(a)
		if r.Err != nil || len(r.Results) != 1 {
			t.Fatalf("answered %d %s %v", r.Status, r.Text, r.Err)
		}
		outcomes = append(outcomes, r.Results[0].Message)
		return !slices.Contains([]string{"in_service_restart", "in_progress"}, r.Outcome())
	})
	t.Log(strings.Join(outcomes, "\n"))
	for i, b := range all {
		b.StartedTimes(2)
		b.AwaitEvents("health_status: healthy", 2)
		if i == 0 {
			continue
		}
		if began, well := b.Times("kill")[0], all[i-1].Times("health_status: healthy")[1]; began.Before(well) {
			t.Errorf("%s was restarted %v before %s was healthy again", b.Name, well.Sub(began), all[i-1].Name)
		}
	}
	once.StartedTimes(1)
	d.Post(a).Is(t, 200, "already_restarted", "already been restarted for this alert")
	named := all[2].Alert()
	named.StartsAt = time.Now()
	d.Heals(named) // not held by the others
}
