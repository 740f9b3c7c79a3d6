package decision

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
)

type edit = func(*engine.Container)

// dependent is a whitelisted container of the project shop that has run for an hour.
func dependent(dependsOn string, edits ...edit) *engine.Container {
	return Running(append([]edit{In("shop", "web"), Labelled(compose.LabelDependsOn, dependsOn), BegunAgo(time.Hour)}, edits...)...)
}

// member is a container of a service of the project shop that has run for a minute, with
// the first letter of its name as its ID.
func member(service string, edits ...edit) *engine.Container {
	return Running(append([]edit{Named(service[:1]+"1", "shop-"+service+"-1"), In("shop", service), BegunAgo(time.Minute)}, edits...)...)
}

var enabled = Labelled(policy.LabelEnable, "true")

// ready are the records of containers that have been ready for so long.
func ready(d time.Duration, ids ...string) map[string]*history.Record {
	records := map[string]*history.Record{}
	for _, id := range ids {
		records[id] = &history.Record{ReadySince: Ago(d)}
	}
	return records
}

// beganAgo is so long before Noon; the zero time for 0.
func beganAgo(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return Ago(d)
}

func TestDependsOnRestarts(t *testing.T) {
	const db = "db:service_started:true"
	const healthy = "db:service_healthy:true"
	joined := func(since time.Duration) map[string]*history.Record {
		return map[string]*history.Record{"a1": {Joined: map[string]time.Time{"d1": Ago(since)}}}
	}
	linked := func(links ...string) edit { return func(c *engine.Container) { c.Links = links } }
	sharing := func(n engine.Namespace) edit { return Sharing(n, "shop-db-1") }
	off := Triggers(policy.TriggerExited, policy.TriggerUnhealthy, policy.TriggerAlert, policy.TriggerDependency)
	cache := func(edits ...edit) *engine.Container {
		return member("cache", append([]edit{enabled, BegunAgo(time.Hour)}, edits...)...)
	}
	onDB := Labelled(compose.LabelDependsOn, db)
	stopping := func(c *engine.Container) { c.StopSeenAt = Ago(time.Minute) }
	diamond := db + ",cache:service_started:true"
	for name, row := range map[string]struct {
		policy   []func(*policy.Policy)
		c        *engine.Container
		others   []*engine.Container
		records  map[string]*history.Record
		snapshot []func(*engine.Snapshot)
		want     string
		next     time.Duration // when to look again; 0: not because of it
		began    time.Duration // how long ago this life of Defib did; 0: long before
	}{
		"one that was started later has it restarted":          {c: dependent(db), others: []*engine.Container{member("db")}, want: "restart depends_on"},
		"Defib has not seen that":                              {c: dependent(db), others: []*engine.Container{member("db")}, began: time.Second},
		"another replica was added":                            {c: dependent(db), others: []*engine.Container{member("db", BegunAgo(2*time.Hour)), member("db", Named("d2", "shop-db-2"), Existing(time.Minute))}},
		"all replicas were re-created":                         {c: dependent(db), others: []*engine.Container{member("db", Existing(time.Minute)), member("db", Named("d2", "shop-db-2"), Existing(time.Minute))}, want: "restart depends_on"},
		"it was seen to start since, by a clock that was set":  {c: dependent(db, func(c *engine.Container) { c.StartSeenAt = Ago(30 * time.Second) }), others: []*engine.Container{member("db")}},
		"the trigger is off":                                   {policy: []func(*policy.Policy){off}, c: dependent(db), others: []*engine.Container{member("db")}},
		"its own label has the trigger off":                    {c: dependent(db, Labelled(policy.LabelTriggers, "exited")), others: []*engine.Container{member("db")}},
		"its own label has the trigger on":                     {policy: []func(*policy.Policy){off}, c: dependent(db, Labelled(policy.LabelTriggers, "depends_on")), others: []*engine.Container{member("db")}, want: "restart depends_on"},
		"it is not whitelisted":                                {c: dependent(db, Named("a1", "other")), others: []*engine.Container{member("db")}},
		"no restart is asked for":                              {c: dependent("db:service_started:false"), others: []*engine.Container{member("db")}},
		"an old compose does not say":                          {c: dependent("db:service_started"), others: []*engine.Container{member("db")}},
		"the other one was started before it":                  {c: dependent(db), others: []*engine.Container{member("db", BegunAgo(2*time.Hour))}},
		"it was restarted or created since":                    {c: dependent(db, BegunAgo(30*time.Second)), others: []*engine.Container{member("db")}},
		"it was started since, by the engine's clock":          {c: dependent(db, StartedSince(30*time.Second)), others: []*engine.Container{member("db")}},
		"our last action came after this run":                  {c: dependent(db), others: []*engine.Container{member("db")}, records: joined(time.Minute)},
		"our last action came after an earlier run":            {c: dependent(db), others: []*engine.Container{member("db")}, records: joined(time.Hour), want: "restart depends_on"},
		"the other one is down":                                {c: dependent(db), others: []*engine.Container{member("db", State(engine.Exited))}},
		"the other one is paused":                              {c: dependent(db), others: []*engine.Container{member("db", State(engine.Paused))}},
		"the other one is not inspected":                       {c: dependent(db), others: []*engine.Container{member("db", func(c *engine.Container) { c.Inspected = false })}},
		"the other one is being acted upon":                    {c: dependent(db), others: []*engine.Container{member("db")}, records: map[string]*history.Record{"d1": {Acting: true}}},
		"the other one is gone":                                {c: dependent(db)},
		"the other one is of another project":                  {c: dependent(db), others: []*engine.Container{member("db", In("toys", "db"))}},
		"the other one is of another directory":                {c: dependent(db, Labelled(compose.LabelWorkingDir, "/a")), others: []*engine.Container{member("db", Labelled(compose.LabelWorkingDir, "/b"))}},
		"the other one is a one-off command":                   {c: dependent(db), others: []*engine.Container{member("db", Labelled(compose.LabelOneOff, "True"))}},
		"the other one is about to be created anew":            {c: dependent(db), others: []*engine.Container{member("db", Named("d1", engine.PassingName("shop-db-1", "0123456789abcdef")))}},
		"the other one is not healthy yet":                     {c: dependent(healthy), others: []*engine.Container{member("db", HealthCheck(engine.Starting))}},
		"the other one has no health check":                    {c: dependent(healthy), others: []*engine.Container{member("db")}, records: ready(time.Minute, "d1")},
		"the other one need not be healthy":                    {c: dependent(db), others: []*engine.Container{member("db", HealthCheck(engine.Starting))}, want: "restart depends_on"},
		"the other one is healthy":                             {c: dependent(healthy), others: []*engine.Container{member("db", HealthCheck(engine.Healthy))}, records: ready(10*time.Second, "d1"), want: "restart depends_on"},
		"compose restarts it once the other one is healthy":    {c: dependent(healthy), others: []*engine.Container{member("db", HealthCheck(engine.Healthy))}, records: ready(4*time.Second, "d1"), next: 6 * time.Second},
		"compose restarts it a moment after":                   {c: dependent(db), others: []*engine.Container{member("db", BegunAgo(time.Second))}, next: 9 * time.Second},
		"the same, without a delay for what is stopped":        {policy: []func(*policy.Policy){func(p *policy.Policy) { p.StoppedDelay = 0 }}, c: dependent(db), others: []*engine.Container{member("db", BegunAgo(time.Second))}, next: time.Second},
		"something has changed in the project":                 {c: dependent(db), others: []*engine.Container{member("db")}, snapshot: []func(*engine.Snapshot){Touched("shop", 3*time.Second)}, next: 7 * time.Second},
		"somebody stops another one of the project":            {c: dependent(db), others: []*engine.Container{member("db"), cache(stopping)}, next: 4 * time.Minute},
		"somebody stops it":                                    {c: dependent(db, Named("a1", "web"), func(c *engine.Container) { c.StopSeenAt = Ago(time.Second) }), others: []*engine.Container{member("db")}, next: 299 * time.Second},
		"a job has completed again":                            {c: dependent("job:service_completed_successfully:true"), others: []*engine.Container{member("job", State(engine.Exited), EndedAgo(20*time.Second), func(c *engine.Container) { c.Exit = engine.Exit{Known: true} })}, want: "restart depends_on"},
		"a job has failed":                                     {c: dependent("job:service_completed_successfully:true"), others: []*engine.Container{member("job", State(engine.Exited), EndedAgo(20*time.Second), func(c *engine.Container) { c.Exit = engine.Exit{Known: true, Code: 1} })}},
		"a job still runs":                                     {c: dependent("job:service_completed_successfully:true"), others: []*engine.Container{member("job")}},
		"it shares the other's network":                        {policy: []func(*policy.Policy){Triggers(policy.TriggerDependsOn)}, c: dependent(db, sharing(engine.Network)), others: []*engine.Container{member("db")}, want: "trigger_disabled"},
		"it shares the other's processes":                      {policy: []func(*policy.Policy){Triggers(policy.TriggerDependsOn)}, c: dependent(db, sharing(engine.PID)), others: []*engine.Container{member("db")}, want: "trigger_disabled"},
		"it shares the other's IPC":                            {policy: []func(*policy.Policy){Triggers(policy.TriggerDependsOn)}, c: dependent(db, sharing(engine.IPC)), others: []*engine.Container{member("db")}, want: "trigger_disabled"},
		"it is linked to the other one":                        {c: dependent(db, linked("/shop-db-1:/web/db")), others: []*engine.Container{member("db")}},
		"it is linked in a network":                            {c: dependent(db, linked("shop-db-1:db")), others: []*engine.Container{member("db")}},
		"it is linked to a third one":                          {c: dependent(diamond, linked("/shop-cache-1:/web/cache")), others: []*engine.Container{member("db"), cache()}, want: "restart depends_on"},
		"one of two has not come up again":                     {c: dependent(diamond), others: []*engine.Container{member("db"), cache(State(engine.Exited))}},
		"one of two replicas was restarted":                    {c: dependent(db), others: []*engine.Container{member("db", BegunAgo(2*time.Hour)), member("db", Named("d2", "shop-db-2"))}, want: "restart depends_on"},
		"one of two replicas was restarted, the other is down": {c: dependent(db), others: []*engine.Container{member("db"), member("db", Named("d2", "shop-db-2"), State(engine.Exited))}},
		"the old container of a replica is still there": {
			c:      dependent(db),
			others: []*engine.Container{member("db", Labelled(compose.LabelNumber, "1")), member("db", Named("d2", "d2_shop-db-1"), Labelled(compose.LabelNumber, "1"), State(engine.Exited), StartedSince(time.Hour))},
			want:   "restart depends_on",
		},
		"the other one is in a crash loop":               {c: dependent(db), others: []*engine.Container{member("db", BegunAgo(20*time.Second))}, records: map[string]*history.Record{"d1": {Streak: 6}}, next: 22 * time.Second},
		"the other one has come out of its crash loop":   {c: dependent(db), others: []*engine.Container{member("db")}, records: map[string]*history.Record{"d1": {Streak: 6}}, want: "restart depends_on"},
		"a third one comes first":                        {c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB)}},
		"a fourth one comes before the third":            {c: dependent("db:service_started:true,api:service_started:true"), others: []*engine.Container{member("db"), cache(onDB), member("api", Named("p1", "shop-api-1"), enabled, BegunAgo(time.Hour), Labelled(compose.LabelDependsOn, "cache:service_started:true"))}},
		"the third one is being acted upon":              {c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB)}, records: map[string]*history.Record{"c1": {Acting: true}}},
		"the third one waits for its next attempt":       {c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB)}, records: map[string]*history.Record{"c1": {Attempts: 3, LastEnd: Noon}}},
		"the third one is not whitelisted":               {c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB, Labelled(policy.LabelEnable, "false"))}, want: "restart depends_on"},
		"the third one is on hold":                       {policy: []func(*policy.Policy){HoldFor("shop-cache-1", time.Hour)}, c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB)}, want: "restart depends_on"},
		"the third one was given up":                     {c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB)}, records: map[string]*history.Record{"c1": {Restarts: 5}}, want: "restart depends_on"},
		"the third one has the trigger off":              {c: dependent(diamond), others: []*engine.Container{member("db"), cache(onDB, Labelled(policy.LabelTriggers, ""))}, want: "restart depends_on"},
		"two that depend on each other":                  {c: dependent(diamond), others: []*engine.Container{member("db"), cache(Labelled(compose.LabelDependsOn, "web:service_started:true"))}},
		"it is unhealthy too":                            {c: dependent(db, UnhealthyFor(time.Minute)), others: []*engine.Container{member("db")}, want: "restart unhealthy"},
		"it is unhealthy too, of which it is not healed": {policy: []func(*policy.Policy){Triggers(policy.TriggerDependsOn)}, c: dependent(db, UnhealthyFor(time.Minute)), others: []*engine.Container{member("db")}, want: "restart depends_on"},
		"it is down":                             {c: dependent(db, State(engine.Exited), EndedAgo(time.Minute)), others: []*engine.Container{member("db")}, want: "start exited"},
		"it is paused":                           {c: dependent(db, State(engine.Paused)), others: []*engine.Container{member("db")}, want: "paused"},
		"it is a Swarm task":                     {c: dependent(db, Labelled("com.docker.swarm.task.id", "x")), others: []*engine.Container{member("db")}, want: "swarm_task"},
		"it is on hold":                          {policy: []func(*policy.Policy){HoldFor("web", time.Hour)}, c: dependent(db), others: []*engine.Container{member("db")}, want: "on_hold"},
		"it was given up":                        {c: dependent(db), others: []*engine.Container{member("db")}, records: map[string]*history.Record{"a1": {Restarts: 5}}, want: "gave_up"},
		"it was restarted a moment ago, in vain": {c: dependent(db), others: []*engine.Container{member("db")}, records: map[string]*history.Record{"a1": {Attempts: 3, LastEnd: Noon}}, want: "back_off"},
		"a dry run":                              {policy: []func(*policy.Policy){func(p *policy.Policy) { p.DryRun = true }}, c: dependent(db), others: []*engine.Container{member("db")}, want: "dry_run"},
	} {
		t.Run(name, func(t *testing.T) {
			p := SnapshotOf(append(row.others, row.c)...)
			for _, edit := range row.snapshot {
				edit(p)
			}
			plan := Decide(Noon, Usual(row.policy...), p, history.History{Records: row.records, Began: beganAgo(row.began)}, nil)
			if got := said(plan, "a1"); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
			if row.next > 0 && !plan.Next.Equal(Noon.Add(row.next)) {
				t.Errorf("next look %s from now, want %s", plan.Next.Sub(Noon), row.next)
			}
		})
	}
}

// said is what a plan says of a container: what is done and for what, or the reason.
func said(p Plan, id string) string {
	i := slices.IndexFunc(p.Verdicts, func(v Verdict) bool { return v.Container.ID == id })
	if i < 0 {
		return ""
	}
	switch v := p.Verdicts[i]; {
	case v.Act && v.Restarts():
		return fmt.Sprintf("restart %s", v.Trigger)
	case v.Act:
		return fmt.Sprintf("start %s", v.Trigger)
	default:
		return string(v.Reason)
	}
}

func TestDependsOnStartsWhatADeployHasLeftBehind(t *testing.T) {
	const healthy, completed = "db:service_healthy:false", "job:service_completed_successfully:false"
	left := func(dependsOn string, edits ...edit) *engine.Container {
		return dependent(dependsOn, append([]edit{CreatedAgo(2 * time.Minute)}, edits...)...)
	}
	db := func(edits ...edit) *engine.Container {
		return member("db", append([]edit{HealthCheck(engine.Healthy)}, edits...)...)
	}
	job := func(code int) *engine.Container {
		return member("job", State(engine.Exited), EndedAgo(20*time.Second), func(c *engine.Container) { c.Exit = engine.Exit{Known: true, Code: code} })
	}
	stopped := func(d time.Duration) *engine.Container {
		return Ended(engine.CauseStopped, Named("x1", "shop-x-1"), In("shop", "x"), EndedAgo(d))
	}
	stops := func(d time.Duration) []func(*engine.Snapshot) {
		return []func(*engine.Snapshot){func(p *engine.Snapshot) { p.Stops = map[string]time.Time{"shop": Ago(d)} }}
	}
	well := ready(20*time.Second, "d1")
	for name, row := range map[string]struct {
		policy   []func(*policy.Policy)
		c        *engine.Container
		others   []*engine.Container
		records  map[string]*history.Record
		snapshot []func(*engine.Snapshot)
		want     string
		began    time.Duration // how long ago this life of Defib did; 0: long before
	}{
		"this life of Defib has not seen it come":      {c: left(healthy), others: []*engine.Container{db()}, records: well, began: time.Minute, want: "created"},
		"after more than a day":                        {c: left(healthy, CreatedAgo(25*time.Hour)), others: []*engine.Container{db()}, records: well, want: "not_started"},
		"the engine tells of no stops":                 {c: left(healthy), others: []*engine.Container{db()}, records: well, snapshot: []func(*engine.Snapshot){func(p *engine.Snapshot) { p.Stops = nil }}, want: "created"},
		"one that it was to replace is down":           {c: left(healthy, Labelled(compose.LabelNumber, "1")), others: []*engine.Container{db(), member("web", Named("w1", "old"), Labelled(compose.LabelNumber, "1"), State(engine.Exited))}, records: well, want: "created"},
		"what it waited for is healthy":                {c: left(healthy), others: []*engine.Container{db()}, records: well, want: "start depends_on"},
		"no other trigger is on":                       {policy: []func(*policy.Policy){Triggers(policy.TriggerDependsOn)}, c: left(healthy), others: []*engine.Container{db()}, records: well, want: "start depends_on"},
		"after more than 10 minutes":                   {c: left(healthy, CreatedAgo(time.Hour)), others: []*engine.Container{db()}, records: well, want: "start depends_on"},
		"the trigger is off":                           {policy: []func(*policy.Policy){Triggers(policy.TriggerExited)}, c: left(healthy), others: []*engine.Container{db()}, records: well, want: "created"},
		"the same after more than 10 minutes":          {policy: []func(*policy.Policy){Triggers(policy.TriggerExited)}, c: left(healthy, CreatedAgo(time.Hour)), others: []*engine.Container{db()}, records: well, want: "not_started"},
		"what it waits for is not healthy":             {c: left(healthy), others: []*engine.Container{db(HealthCheck(engine.Starting))}, want: "created"},
		"the same, after more than 10 minutes":         {c: left(healthy, CreatedAgo(time.Hour)), others: []*engine.Container{db(HealthCheck(engine.Unhealthy))}, want: "not_started"},
		"what it waits for is healthy only now":        {c: left(healthy), others: []*engine.Container{db()}, records: ready(time.Second, "d1"), want: "created"},
		"it was created less than a minute ago":        {c: left(healthy, CreatedAgo(59*time.Second)), others: []*engine.Container{db(BegunAgo(50 * time.Second))}, records: well, want: "created"},
		"it only waits for others to run":              {c: left("db:service_started:false"), others: []*engine.Container{db()}, records: well, want: "created"},
		"it waits for nobody":                          {c: left(""), others: []*engine.Container{db()}, records: well, want: "created"},
		"the job has succeeded":                        {c: left(completed), others: []*engine.Container{job(0)}, want: "start depends_on"},
		"the job has failed":                           {c: left(completed), others: []*engine.Container{job(1)}, want: "created"},
		"one of two has not completed":                 {c: left(healthy + "," + completed), others: []*engine.Container{db(), job(1)}, records: well, want: "created"},
		"both are ready":                               {c: left(healthy + "," + completed), others: []*engine.Container{db(), job(0)}, records: well, want: "start depends_on"},
		"one of two is missing":                        {c: left(healthy + ",cache:service_started:false"), others: []*engine.Container{db()}, records: well, want: "created"},
		"one of the project was stopped since":         {c: left(healthy), others: []*engine.Container{db()}, records: well, snapshot: stops(time.Minute), want: "created"},
		"one was stopped since, and is down":           {c: left(healthy), others: []*engine.Container{db(), stopped(time.Minute)}, records: well, want: "created"},
		"one was stopped before":                       {c: left(healthy), others: []*engine.Container{db(), stopped(time.Hour)}, records: well, snapshot: stops(time.Hour), want: "start depends_on"},
		"nobody has started anything since":            {c: left(healthy), others: []*engine.Container{db(BegunAgo(time.Hour))}, records: well, want: "created"},
		"another one of its instance runs":             {c: left(healthy, Labelled(compose.LabelNumber, "1")), others: []*engine.Container{db(), member("web", Named("w1", "old"), Labelled(compose.LabelNumber, "1"))}, records: well, want: "created"},
		"something has changed in the project":         {c: left(healthy), others: []*engine.Container{db()}, records: well, snapshot: []func(*engine.Snapshot){Touched("shop", time.Second)}, want: "created"},
		"it is not whitelisted":                        {c: left(healthy, Named("a1", "other")), others: []*engine.Container{db()}, records: well},
		"it is on hold":                                {policy: []func(*policy.Policy){HoldFor("web", time.Hour)}, c: left(healthy), others: []*engine.Container{db()}, records: well, want: "on_hold"},
		"it is a one-off command":                      {c: left(healthy, Labelled(compose.LabelOneOff, "True")), others: []*engine.Container{db()}, records: well, want: "one_off"},
		"a dry run":                                    {policy: []func(*policy.Policy){func(p *policy.Policy) { p.DryRun = true }}, c: left(healthy), others: []*engine.Container{db()}, records: well, want: "dry_run"},
		"its first start has failed":                   {c: left(healthy, Unstarted), others: []*engine.Container{db()}, records: well, want: "start exited"},
		"it is started with the network of another":    {c: left(healthy, ChildOf("vpn")), others: []*engine.Container{db(), member("vpn", Named("v1", "vpn"))}, records: well, want: "start depends_on"},
		"the one whose network it is to share is down": {c: left(healthy, ChildOf("vpn")), others: []*engine.Container{db(), member("vpn", Named("v1", "vpn"), State(engine.Exited))}, records: well, want: "parent_down"},
	} {
		t.Run(name, func(t *testing.T) {
			p := SnapshotOf(append(row.others, row.c)...)
			for _, edit := range row.snapshot {
				edit(p)
			}
			plan := Decide(Noon, Usual(row.policy...), p, history.History{Records: row.records, Began: beganAgo(row.began)}, nil)
			if got := said(plan, "a1"); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
