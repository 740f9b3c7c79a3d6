package restarter

import (
	"time"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/heartbeat"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/postmortem"
)

// Report is what Defib saw and decided last, and what it did of late, for people
// to read. It is a value of one moment and never changes.
type Report struct {
	Round    int       // counts the decisions; 0: none yet
	Began    time.Time // when Defib began to watch, on our clock
	Snapshot *engine.Snapshot

	Whitelist  []policy.Pattern // as the user wrote it
	Matches    map[string]int   // containers by entry of the whitelist
	HoldFile   string           // as the user wrote it
	Holds      policy.Holds     // that had not ended
	HoldAll    bool             // everything is on hold, since the file has never been understood
	HoldFault  string           // what is wrong with the file; "": nothing
	Reset      time.Duration    // how long a container must stay up and well for its streak to end
	DryRun     bool
	Containers []ContainerStatus // one per name, in the order of Snapshot.Named

	Actions []ActionRecord // the newest is the last
	Alerts  []AlertRecord  // the same

	Deaths        []postmortem.Death // the same; nil: no evidence is kept
	DeathsVersion uint64             // changes with them
}

// ContainerStatus is what is to be said of one container.
type ContainerStatus struct {
	Container   *engine.Container
	Rule        policy.Rule
	Veto        outcome.Reason    // what forbids a start whatever happened, also for one that is not whitelisted; "": nothing
	Reason      outcome.Reason    // "" unless whitelisted, and held or acted upon
	Detail      string            // what is to be said beside the reason's sentence
	Recreates   bool              // it is, or would be, re-created
	Removes     bool              // it is, or would be, removed: a re-creation has left it
	Trigger     policy.Trigger    // that asks for it; "" if Reason is
	Until       time.Time         // when it is looked at again, on our clock; zero: not held for a time
	HealthDue   time.Time         // when it is restarted because it is unhealthy, on our clock; zero: it is not, or not for that alone
	Tie         decision.Tie      // to the container whose namespace it shares
	Streak      int               // starts and restarts since then, ours and the engine's
	GaveUp      bool              // restarts did not help a whitelisted one
	Predecessor *engine.Container // that had the name before this one was created; nil: none that Defib saw
	Heartbeat   *heartbeat.Strip  // of its name; nil: nothing is known
}

// Report returns the newest report. It may be called from anywhere.
func (r *Restarter) Report() Report {
	report := *r.status.Load()
	report.Actions, report.Alerts = r.actions.All(), r.alerts.All()
	if r.evidence != nil {
		report.Deaths, report.DeathsVersion = r.evidence.All()
	}
	return report
}

// publish makes what this reconcile found the newest status.
func (r *Restarter) publish(now time.Time, p *engine.Snapshot, found verdicts) {
	report := &Report{
		Round: r.status.Load().Round + 1, Began: r.history.Began, Snapshot: p,
		Whitelist: r.policy.Whitelist, Matches: map[string]int{}, HoldFile: r.policy.HoldFile, Holds: r.policy.Holds.Current(now),
		HoldAll: r.policy.HoldAll, HoldFault: r.holdFault.Last(r.policy.HoldFile),
		Reset: r.policy.Backoff.Reset, DryRun: r.policy.DryRun,
		Containers: make([]ContainerStatus, 0, len(p.Containers)),
	}
	matches := make([]int, len(r.policy.Whitelist))
	for _, c := range p.Named() {
		past := r.history.At(c.ID)
		rule := past.Rule(r.policy, c)
		for _, i := range rule.Matches {
			matches[i]++
		}
		if rule.Whitelisted {
			r.counters.Expect(c.Name, rule)
		}
		v, no := found.of(c.ID), decision.Veto(p, c)
		report.Containers = append(report.Containers, ContainerStatus{
			Container: c, Rule: rule, Veto: no, Reason: v.Reason, Detail: v.Detail, Recreates: v.Recreation != nil, Removes: v.Removes, Trigger: v.Trigger, Until: v.Until,
			HealthDue: healthDue(now, r.policy, c, rule, no), Tie: decision.WorstTie(p, past, c),
			Streak: past.Streak, GaveUp: rule.Whitelisted && past.GaveUp(rule),
			Predecessor: r.names.predecessor(c), Heartbeat: r.strips.Of(c.Name),
		})
	}
	for i, e := range r.policy.Whitelist {
		report.Matches[e.String()] = matches[i]
	}
	r.status.Store(report)
}

// healthDue is when a container will be restarted because it is unhealthy; zero: it will
// not be, or not for that alone.
func healthDue(now time.Time, p policy.Policy, c *engine.Container, rule policy.Rule, no outcome.Reason) time.Time {
	due := c.UnhealthySince.Add(rule.UnhealthyFor)
	if rule.HeldUntil.After(due) {
		due = rule.HeldUntil
	}
	if c.UnhealthySince.IsZero() || !due.After(now) || p.HoldAll || !rule.Whitelisted || no != "" || !rule.Heals(policy.TriggerUnhealthy) {
		return time.Time{}
	}
	return due
}

// names remembers which container has had each name, to tell one that was
// re-created from one that was there all along.
type names map[string]*holder

// holder is who has a name, and who had it before.
type holder struct{ now, before *engine.Container }

// predecessor notes that the container has its name, and returns who had it before.
func (n names) predecessor(c *engine.Container) *engine.Container {
	switch o := n[c.Name]; {
	case o == nil:
		n[c.Name] = &holder{now: c}
	case o.now.ID != c.ID:
		n[c.Name] = &holder{now: c, before: o.now}
	default:
		o.now = c
	}
	return n[c.Name].before
}

// forget drops the names that the snapshot has forgotten.
func (n names) forget(p *engine.Snapshot) {
	known := p.Names()
	for name := range n {
		if !known[name] {
			delete(n, name)
		}
	}
}
