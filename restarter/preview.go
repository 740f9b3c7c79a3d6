package restarter

import (
	"time"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Planned is what would become of a container at a moment.
type Planned struct {
	Container   *engine.Container
	Whitelisted bool
	Acts        bool           // it would be started, or restarted if it is up
	Recreates   bool           // it would be re-created rather
	Removes     bool           // it would be removed rather: it is what a re-creation has left
	Trigger     policy.Trigger // what asks for it; "": nothing does
	Reason      outcome.Reason // why it would be left alone; "": it would not, or nothing asks for it
	Detail      string         // what is to be said beside the reason's sentence
	Until       time.Time      // when it would be looked at again; zero: on news only
	HealthDue   time.Time      // when it would be restarted, if it is still unhealthy then; zero: not for that
	Mislabelled []string       // its labels that are not understood
}

// Preview tells what a Defib that has just been started would do, sorted by the
// containers' names. It does nothing. The policy's holds must have been read.
func Preview(now time.Time, p policy.Policy, snapshot *engine.Snapshot) []Planned {
	found := verdicts{}
	for _, v := range decision.Decide(now, p, snapshot, history.History{Began: now, Since: now}, nil).Verdicts {
		found[v.Container.ID] = &v
	}
	planned := make([]Planned, 0, len(snapshot.Containers))
	for _, c := range snapshot.Named() {
		v, rule := found.of(c.ID), p.For(c)
		planned = append(planned, Planned{
			Container: c, Whitelisted: rule.Whitelisted, Mislabelled: policy.ReadLabels(c, p.Settings).Mislabelled(),
			Acts: v.Act, Recreates: v.Recreation != nil, Removes: v.Act && v.Removes, Trigger: v.Trigger, Reason: v.Reason, Detail: v.Detail, Until: v.Until,
			HealthDue: healthDue(now, p, c, rule, decision.Veto(snapshot, c)),
		})
	}
	return planned
}
