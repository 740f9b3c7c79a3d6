package decision

import (
	"cmp"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/target"
)

// roll has replicas that alerts ask for as parts of their service restarted one after
// the other: the next only when no other is being acted upon, and the last one has come
// up, healthy if it has a health check. One that has not may be tried again itself. It
// does not matter who has started or restarted one that is on its way up: none is taken
// down beside it. Of a task of Swarm, what comes up is the one that replaces it.
// Those come first that the alert has not had restarted yet, so that none starves.
func (p *Plan) roll(e *evaluator) {
	waiting := e.waiting(p.Verdicts)
	if len(waiting) == 0 {
		return
	}
	services := p.rollingServices(e, waiting)
	for key, vs := range waiting {
		s := services[key]
		slices.SortFunc(vs, e.compareReplicas)
		for i, v := range vs {
			if i > 0 || s.acting > 0 || s.unsettled > s.own[v.Container.ID] && !e.history.At(v.Container.ID).Unwell() {
				v.Act, v.Reason = false, outcome.InServiceRestart
			}
		}
	}
}

// rollingService is a service whose replicas are restarted one after the other.
type rollingService struct {
	acting    int            // how many of its replicas are being acted upon
	unsettled int            // how many have not come up well, or are about to be started
	own       map[string]int // by container ID: what it adds to the unsettled
}

// rollingServices looks at all replicas of those services of which some wait.
func (p *Plan) rollingServices(e *evaluator, waiting map[string][]*Verdict) map[string]*rollingService {
	services := map[string]*rollingService{}
	for key := range waiting {
		services[key] = &rollingService{unsettled: e.history.Awaits(key), own: map[string]int{}}
	}
	var tasks []*engine.Container
	for _, c := range e.snapshot.Containers {
		s := services[target.ServiceName(c)]
		if s == nil || compose.OneOff(c) {
			continue
		}
		if c.Slot() != "" {
			tasks = append(tasks, c)
		}
		rec := e.history.At(c.ID)
		proven := rec.ProvenAt(c, e.policy.Backoff)
		p.look(proven)
		s.acting += count(rec.Acting)
		if of := e.successions[c.ID]; of != nil && of.Leaves(c) {
			continue // another one is the replica
		}
		s.own[c.ID] = count(rec.Unwell() || c.Health == engine.Starting || proven.After(p.now))
		s.unsettled += s.own[c.ID]
	}
	for _, c := range history.NewestBySlot(tasks) {
		until := replacedBy(c)
		p.look(until)
		services[target.ServiceName(c)].unsettled += count(until.After(p.now))
	}
	for _, v := range p.Verdicts {
		if s := services[target.ServiceName(v.Container)]; s != nil {
			s.unsettled += count(v.comesUp())
		}
	}
	return services
}

// replacedBy is until when Swarm may yet have a task up in the slot of this one, the newest,
// on this engine; zero: it is up.
func replacedBy(c *engine.Container) time.Time {
	if c.Up() {
		return time.Time{}
	}
	return engine.Later(c.ExitSeenAt, c.CreatedSeenAt).Add(history.ReplacedWithin)
}

// waiting are the verdicts by which replicas would be restarted as parts of their service, or
// ended, whatever names them, by service.
func (e *evaluator) waiting(verdicts []Verdict) map[string][]*Verdict {
	waiting := map[string][]*Verdict{}
	for i := range verdicts {
		v := &verdicts[i]
		if v.Act && v.Restarts() && v.Trigger == policy.TriggerAlert && (v.Action().Ends() || e.asked[v.Container.ID].replica()) {
			key := target.ServiceName(v.Container)
			waiting[key] = append(waiting[key], v)
		}
	}
	return waiting
}

// compareReplicas puts first what is to be restarted first.
func (e *evaluator) compareReplicas(a, b *Verdict) int {
	x, y := e.history.At(a.Container.ID), e.history.At(b.Container.ID)
	return cmp.Or(
		count(y.Unwell())-count(x.Unwell()),
		e.asked[a.Container.ID].acted.Compare(e.asked[b.Container.ID].acted),
		x.LastEnd.Compare(y.LastEnd),
		cmp.Compare(a.Container.Name, b.Container.Name),
	)
}

// comesUp reports whether the container is down, and is to be started again, by Defib or by
// the engine.
func (v Verdict) comesUp() bool {
	return !v.Container.Up() && !v.Removes && (v.Act || v.Reason == outcome.BackOff || v.Reason == outcome.EngineRestarting)
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
