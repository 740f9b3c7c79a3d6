package webhook

import (
	"strings"
	"testing"

	"defib/engine"
	. "defib/restarter/internal/fixture"
)

func TestAnAlertNamesAService(t *testing.T) {
	const project, service, swarm = "container_label_com_docker_compose_project", "container_label_com_docker_compose_service", "container_label_com_docker_swarm_service_name"
	p := SnapshotOf(Replica("a1", "db-2"), Replica("b2", "db-1"), Replica("c3", "db-run-1", Labelled("com.docker.compose.oneoff", "True")),
		Up("d4", "web"), Ended("", Named("e5", "solo"), State(engine.Running), In("shop", "solo")),
		Ended("", Named("f6", "once"), State(engine.Running), In("shop", "once"), Labelled("com.docker.compose.oneoff", "True")),
		Ended("", Named("g7", "task.1"), State(engine.Running), Labelled("com.docker.swarm.service.name", "stack_api")))
	for _, row := range []struct {
		name   string
		labels map[string]string
		want   string // containers, or the outcome and words of the sentence
	}{
		{"as the whitelist does", map[string]string{"container": "shop/db"}, "db-1 db-2"},
		{"with a slash before it, and blanks", map[string]string{"name": " /shop/db "}, "db-1 db-2"},
		{"one container that matches", map[string]string{"container": "shop/solo"}, "solo"},
		{"by cAdvisor's labels", map[string]string{project: "shop", service: " db"}, "db-1 db-2"},
		{"by Swarm's", map[string]string{swarm: "stack_api"}, "task.1"},
		{"a name counts more", map[string]string{"name": "web", project: "shop", service: "db"}, "web"},
		{"an id that is gone counts more", map[string]string{"id": another, project: "shop", service: "db"}, "gone " + another},
		{"no such service", map[string]string{"container": "shop/nobody"}, `not_found container="shop/nobody": no such compose service on this host`},
		{"no such project", map[string]string{"container": "other/db"}, "not_found no such compose service"},
		{"no such service by labels", map[string]string{project: "shop", service: "nobody"}, "not_found _compose_service=\"nobody\": no such compose service on this host"},
		{"no such Swarm service", map[string]string{swarm: "nobody"}, "not_found no task of such a Swarm service"},
		{"a project alone", map[string]string{project: "shop"}, "no_target"},
		{"a service alone", map[string]string{service: "db"}, "no_target"},
		{"only a one-off command", map[string]string{"container": "shop/once"}, "not_found no such compose service"},
		{"two slashes", map[string]string{"container": "a/shop/db"}, "not_found no such compose service"},
		{"no service", map[string]string{"container": "shop/"}, "not_found"},
		{"no project", map[string]string{"container": "//db"}, "not_found"},
		{"a glob", map[string]string{"container": "shop/*"}, "not_found"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cs, none := Alert{Labels: row.labels}.target().Find(p)
			var names []string
			for _, c := range cs {
				names = append(names, c.Name)
			}
			outcome, words, _ := strings.Cut(row.want, " ")
			if got := strings.Join(names, " "); got != row.want && (got != "" || string(none.Outcome) != outcome || !strings.Contains(none.Detail, words)) {
				t.Errorf("got %q, %+v; want %s", got, none, row.want)
			}
		})
	}
}
