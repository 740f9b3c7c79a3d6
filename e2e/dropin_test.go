package e2e

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/deploy/grafana"
	"defib/e2e/harness"
)

// expression is one in a shape that public dashboards and rules for cAdvisor have, and
// what it returns of the containers of TestDashboardsForCadvisorGoOnWorking.
type expression struct {
	expr string
	by   string   // the label that tells the series apart; "": there is one
	of   []string // its values, but for the prefix of names; nil: there is one series, with any
	bounds
}

// What the containers of the test are called.
var (
	alive     = []string{"api", "db", "web"} // what runs
	everybody = []string{"api", "db", "old", "web"}
	networked = []string{"db", "web"}
	nothing   = []string{}
	anything  = bounds{0, math.MaxFloat64}
	ratio     = bounds{0, 1}
	percent   = bounds{0, 100}
	cores     = bounds{0, 64}
	program   = bounds{0.2 * mib, 200 * mib} // the memory of a testapp
)

const (
	byService      = "container_label_com_docker_compose_service"
	bySwarmService = "container_label_com_docker_swarm_service_name"
	byTask         = "container_label_com_docker_swarm_task_name"
	byStack        = "container_label_com_docker_stack_namespace"
)

// expressions are ours, after the shapes that are in use: see docs/resources.md.
var expressions = []expression{
	// Processor time.
	{`sum by (name) (rate(container_cpu_usage_seconds_total{name=~".+"}[1m])) * 100`, "name", alive, bounds{0, 6400}},
	{`sum(rate(container_cpu_usage_seconds_total{name!=""}[5m])) by (name)`, "name", alive, cores},
	{`sum(rate(container_cpu_usage_seconds_total{image!=""}[1m])) by (name)`, "name", alive, cores},
	{`sum(irate(container_cpu_usage_seconds_total{image!=""}[5m])) without (cpu)`, "name", alive, bounds{0, 64}},
	{`rate(container_cpu_usage_seconds_total{cpu="total", name=~".*db"}[1m])`, "name", []string{"db"}, bounds{0.001, 2}},
	{`sum(rate(container_cpu_user_seconds_total{image!=""}[5m]) * 100) by (name)`, "name", alive, bounds{0, 6400}},
	{`sum(rate(container_cpu_system_seconds_total{name=~".+"}[1m])) by (name)`, "name", alive, bounds{0, 64}},
	{`sum(rate(container_cpu_user_seconds_total{image!=""}[1m])) / count(machine_cpu_cores) * 100`, "", nil, bounds{0.1, 6400}},
	{`count(sum(rate(container_cpu_usage_seconds_total{image!=""}[1m])) by (id))`, "", nil, bounds{3, 3}},
	{`sum(rate(container_cpu_usage_seconds_total{id="/"}[1m])) / sum(machine_cpu_cores) * 100`, "", nil, bounds{0.1, 110}},
	{`sum(rate(container_cpu_usage_seconds_total{id="/"}[5m]))`, "", nil, cores},
	{`topk(3, sum by (name) (rate(container_cpu_usage_seconds_total{name!=""}[1m])))`, "name", alive, cores},
	{`sort_desc(sum(rate(container_cpu_usage_seconds_total{name=~".+", instance=~".+"}[1m])) by (name))`, "name", alive, cores},
	{`sum(rate(container_cpu_usage_seconds_total{name!=""}[1m])) by (instance)`, "", nil, cores},
	{`sum(rate(container_cpu_usage_seconds_total{id=~"/docker/.*"}[1m])) by (name)`, "name", alive, cores},
	{`sum(rate(container_cpu_usage_seconds_total{name=~".+"}[3m])) by (name) / sum(container_spec_cpu_quota{name=~".+"} / container_spec_cpu_period{name=~".+"}) by (name) * 100`, "name", []string{"db"}, bounds{1, 400}},
	{`container_spec_cpu_quota{name!=""} / container_spec_cpu_period{name!=""}`, "name", []string{"db"}, bounds{0.25, 0.25}},
	{`container_spec_cpu_shares{name=~".+"}`, "name", alive, bounds{1, 4096}},
	{`sum(increase(container_cpu_cfs_throttled_periods_total{name!=""}[5m])) by (name) / sum(increase(container_cpu_cfs_periods_total{name!=""}[5m])) by (name)`, "name", []string{"db"}, ratio},
	{`sum by (name) (rate(container_cpu_cfs_throttled_seconds_total[1m]))`, "name", []string{"db"}, cores},
	{`sum(rate(container_cpu_usage_seconds_total{name!=""}[3m])) by (name) * 100 > 80000`, "name", nothing, anything},

	// Memory.
	{`container_memory_usage_bytes{name=~".+"}`, "name", alive, program},
	{`sum(container_memory_usage_bytes{name!=""}) by (name)`, "name", alive, program},
	{`sum(container_memory_usage_bytes{image!=""})`, "", nil, bounds{40 * mib, 600 * mib}},
	{`sum(container_memory_rss{name=~".+"}) by (name)`, "name", alive, program},
	{`container_memory_rss{name=~".*web"}`, "name", []string{"web"}, bounds{40 * mib, 60 * mib}},
	{`container_memory_cache{name!=""}`, "name", alive, bounds{0, 200 * mib}},
	{`sum by (name) (container_memory_rss{name!=""} + container_memory_cache{name!=""})`, "name", alive, program},
	{`sum(container_memory_swap{name=~".+"}) by (name)`, "name", alive, bounds{0, 200 * mib}},
	{`sum(container_memory_working_set_bytes{name!=""}) by (name)`, "name", alive, program},
	{`avg_over_time(container_memory_working_set_bytes{name=~".+"}[1m])`, "name", alive, program},
	{`sum(container_memory_working_set_bytes{name!=""}) by (name) / sum(container_spec_memory_limit_bytes{name!=""} > 0) by (name) * 100`, "name", []string{"web"}, bounds{30, 60}},
	{`container_memory_usage_bytes{name=~".+"} / (container_spec_memory_limit_bytes{name=~".+"} != 0)`, "name", []string{"web"}, ratio},
	{`(sum(container_memory_working_set_bytes{name!=""}) by (instance, name) / sum(container_spec_memory_limit_bytes > 0) by (instance, name) * 100) > 80`, "name", nothing, anything},
	{`container_spec_memory_limit_bytes{name!=""} > 0`, "name", []string{"web"}, bounds{128 * mib, 128 * mib}},
	{`container_spec_memory_limit_bytes{name!=""} == 0`, "name", []string{"api", "db"}, bounds{0, 0}},
	{`container_spec_memory_reservation_limit_bytes{name!=""} > 0`, "name", []string{"web"}, bounds{64 * mib, 64 * mib}},
	{`container_memory_usage_bytes{id="/"}`, "", nil, bounds{50 * mib, math.MaxFloat64}},
	{`sum(container_memory_working_set_bytes{id="/"}) / sum(machine_memory_bytes) * 100`, "", nil, percent},
	{`sum(machine_memory_bytes) - sum(container_memory_usage_bytes{id="/"})`, "", nil, anything},
	{`count(container_memory_usage_bytes{id=~"/docker/.*"})`, "", nil, bounds{3, 3}},
	{`delta(container_memory_usage_bytes{name=~".+"}[1m])`, "name", alive, bounds{-200 * mib, 200 * mib}},

	// Network and disks.
	{`sum(rate(container_network_receive_bytes_total{name=~".+"}[5m])) by (name)`, "name", networked, bounds{0.1, math.MaxFloat64}},
	{`sum(irate(container_network_transmit_bytes_total{image!=""}[5m])) by (name)`, "name", networked, anything},
	{`- rate(container_network_transmit_bytes_total{name=~".+"}[5m])`, "name", networked, bounds{-math.MaxFloat64, -0.1}},
	{`sum by (name, interface) (rate(container_network_receive_bytes_total{name!="", interface="eth0"}[5m])) * 8`, "name", networked, bounds{1, math.MaxFloat64}},
	{`sum(rate(container_network_receive_packets_total{name=~".+"}[5m])) by (name)`, "name", networked, bounds{0.001, math.MaxFloat64}},
	{`sum(rate(container_network_receive_errors_total{name!=""}[5m]) + rate(container_network_transmit_errors_total{name!=""}[5m])) by (name)`, "name", networked, bounds{0, 0}},
	{`increase(container_network_transmit_packets_dropped_total{name=~".+"}[5m])`, "name", networked, bounds{0, 0}},
	{`sum(rate(container_network_receive_bytes_total{id="/"}[1m])) by (id)`, "", nil, anything},
	{`sum by (name) (rate(container_fs_writes_bytes_total{name=~".+web"}[5m]))`, "name", []string{"web"}, bounds{1, math.MaxFloat64}},
	{`sum(rate(container_fs_writes_total{image!="", name=~".*web"}[5m])) by (name)`, "name", []string{"web"}, bounds{0.001, math.MaxFloat64}},
	{`sum(rate(container_fs_reads_bytes_total{name!="", name=~".*web"}[1m])) by (name)`, "name", []string{"web"}, anything},
	{`-sum(rate(container_fs_reads_total{name=~".+web"}[1m])) by (name)`, "name", []string{"web"}, bounds{-math.MaxFloat64, 0}},

	// What there is, since when, and what is not any more.
	{`count(container_last_seen{image!=""})`, "", nil, bounds{4, 4}},
	{`count(rate(container_last_seen{name=~".+"}[5m]))`, "", nil, bounds{4, 4}},
	{`count(container_memory_usage_bytes{image!=""}) by (instance)`, "", nil, bounds{3, 3}},
	{`vector(scalar(count(container_memory_usage_bytes{image!=""}) > 0))`, "", nil, bounds{3, 3}},
	{`container_last_seen{name!=""} > time() - 20`, "name", alive, anything},
	{`time() - container_last_seen > 60`, "name", []string{"old"}, bounds{60, 300}},
	{`time() - container_last_seen{name=~".*(old|web)"} > 60`, "name", []string{"old"}, bounds{60, 300}},
	{`count(time() - container_last_seen{name=~".+"} < 20)`, "", nil, bounds{3, 3}},
	{`absent(container_last_seen{name="nobody"})`, "", nil, bounds{1, 1}},
	{`absent(container_last_seen{name=~".*web"})`, "", nothing, anything},
	{`group by (name) (container_last_seen{name!=""})`, "name", everybody, bounds{1, 1}},
	{`time() - container_start_time_seconds{name=~".+"}`, "name", alive, bounds{0, 600}},
	{`changes(container_start_time_seconds{name!=""}[5m]) > 0`, "name", nothing, anything},
	{`sum(increase(container_oom_events_total{name=~".+"}[5m])) by (name)`, "name", alive, bounds{0, 0}},
	{`increase(container_oom_events_total[5m]) > 0`, "name", nothing, anything},
	{`container_health_state{name=~".+"} == 1`, "name", []string{"web"}, bounds{1, 1}},
	{`sum(machine_cpu_cores)`, "", nil, bounds{1, 1024}},
	{`machine_memory_bytes`, "", nil, bounds{100 * mib, math.MaxFloat64}},

	// By the labels of compose and Swarm, and by one's own.
	{`sum by (` + byService + `) (rate(container_cpu_usage_seconds_total{` + byService + `!=""}[1m]))`, byService, networked, cores},
	{`sum(container_memory_usage_bytes{container_label_com_docker_compose_project="shop"}) by (` + byService + `)`, byService, networked, program},
	{`sum by (container_label_com_docker_compose_project) (container_memory_rss{container_label_com_docker_compose_project=~".+"})`, "container_label_com_docker_compose_project", []string{"shop"}, program},
	{`sum(rate(container_cpu_usage_seconds_total{container_label_com_docker_swarm_node_id=~"node1|node2"}[1m])) by (` + bySwarmService + `)`, bySwarmService, []string{"shop_api"}, cores},
	{`sum(container_memory_usage_bytes{` + byTask + `=~".+"}) by (` + byTask + `)`, byTask, []string{"shop_api.1.x"}, program},
	{`count(count(container_memory_usage_bytes{` + bySwarmService + `=~".+"}) by (` + bySwarmService + `))`, "", nil, bounds{1, 1}},
	{`sum by (` + byStack + `) (container_memory_working_set_bytes{` + byStack + `=~".+"})`, byStack, []string{"shop"}, program},
	{`avg(container_memory_rss{` + bySwarmService + `="shop_api", id=~"/docker/.*"}) by (container_label_com_docker_swarm_service_id)`, "container_label_com_docker_swarm_service_id", []string{"s1"}, program},
	{`sum by (name) (rate(container_cpu_usage_seconds_total{image!="", container_label_org_label_schema_group=""}[1m]))`, "name", []string{"api", "db"}, cores},
	{`sum by (name) (container_memory_usage_bytes{image!="", container_label_org_label_schema_group="monitoring"})`, "name", []string{"web"}, program},
	{`sum(container_memory_usage_bytes{image=~"defib-testapp.*"}) by (image)`, "", nil, bounds{40 * mib, 600 * mib}},
}

// TestDashboardsForCadvisorGoOnWorking asks what public dashboards ask of cAdvisor, in as
// many shapes, of a Prometheus that scrapes Defib.
func TestDashboardsForCadvisorGoOnWorking(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t)) // with nobody else in the sums
	begun := time.Now()
	old := s.Run("old", harness.Spec{})
	network := s.Network("net")
	db := s.Run("db", harness.Spec{
		Network: network, Args: []string{"-busy", "-receive=:9000"},
		Labels: map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "db"},
		Host:   func(h *container.HostConfig) { h.NanoCPUs = 250_000_000 },
	})
	p := harness.Checked()
	p.Network, p.Args = network, []string{"-hold=40"}
	p.Labels = map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "org.label-schema.group": "monitoring"}
	volume, _ := withVolume(s)
	p.Host = func(h *container.HostConfig) {
		h.Memory, h.MemoryReservation = 128*mib, 64*mib
		volume.Host(h)
	}
	web := s.Run("web", p)
	s.Run("api", harness.Spec{Labels: map[string]string{
		"com.docker.stack.namespace": "shop", "com.docker.swarm.node.id": "node1", "com.docker.swarm.service.id": "s1",
		"com.docker.swarm.service.name": "shop_api", "com.docker.swarm.task.name": "shop_api.1.x",
	}})
	d := s.Defib(harness.Resources, "--collector.container-labels=org.label-schema.group")
	prometheus := d.Prometheus(harness.File(t, "healing.yml", "groups: []\n"))
	old.Stop()
	for range 4 {
		web.Work("-send="+db.Address()+":9000", "-size=1")
		web.Work("-write=2")
		time.Sleep(harness.ScrapeInterval)
	}

	shapes := map[string]bool{}
	for _, e := range expressions {
		shapes[e.expr] = true
		var last map[string]float64
		wrong := "it was never asked"
		defer func() {
			if wrong != "" {
				t.Logf("%s: %s", e.expr, wrong)
			}
		}()
		harness.Eventually(t, e.expr+" to return what it should", func() bool {
			last = map[string]float64{}
			for _, series := range draw(prometheus, grafana.Query{Where: "a dashboard", Expr: e.expr, Instant: true}, "", begun).Data.Result {
				v, err := strconv.ParseFloat(series.Value.number(), 64)
				if err != nil {
					t.Fatal(err)
				}
				of := strings.TrimPrefix(series.Metric[e.by], s.Prefix)
				for _, again := last[of]; again; _, again = last[of] {
					of += " again"
				}
				last[of] = v
			}
			wrong = e.wrong(last)
			return wrong == ""
		})
		t.Logf("%-70s %v", e.expr, last)
	}
	t.Logf("%d expressions return what they should", len(shapes))
	if len(shapes) < 40 {
		t.Errorf("only %d expressions", len(shapes))
	}
}

// wrong says what is wrong with what was returned, by the value of the label.
func (e expression) wrong(got map[string]float64) string {
	of := slices.Sorted(maps.Keys(got))
	if single := e.of == nil; single && len(got) != 1 || !single && !slices.Equal(of, e.of) {
		return fmt.Sprintf("it returned %v, want %q", got, e.of)
	}
	for key, v := range got {
		if !e.hold(v) {
			return fmt.Sprintf("%q was %v, want %v", key, v, e.bounds)
		}
	}
	return ""
}
