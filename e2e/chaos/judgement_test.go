package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

// TestJudgeOfChaosReportsEachBreach is about the judge itself: it would find
// what Defib never does.
func TestJudgeOfChaosReportsEachBreach(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	zero := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds float64) time.Time { return zero.Add(time.Duration(seconds * float64(time.Second))) }
	act := func(id, kind string, from, to float64) harness.Mutation {
		return harness.Mutation{Life: 1, ID: id, Kind: kind, Begun: at(from), Ended: at(to), Heard: true, Status: 204}
	}
	happens := func(id, action string, when float64) harness.Event {
		return harness.Event{ID: id, Action: action, At: at(when)}
	}
	bears := func(id, action string, when float64, name string) harness.Event {
		return harness.Event{ID: id, Action: action, At: at(when), Name: name}
	}
	makes := func(id string, when float64) harness.Mutation {
		o := act(id, "create", when, when)
		o.Name = "follower.defib-0123456789ab"
		return o
	}
	refused := func(o harness.Mutation) harness.Mutation {
		o.Status = http.StatusForbidden
		return o
	}
	var begun []harness.Event
	for i := range 4 {
		begun = append(begun, happens(fmt.Sprint("mine", i), "start", -1))
	}
	series := func(n int, every float64, kind string) (all []harness.Mutation) {
		for i := range n {
			all = append(all, act(fmt.Sprint("mine", i), kind, every*float64(i), every*float64(i)+0.1))
		}
		return all
	}
	for name, row := range map[string]struct {
		orders  []harness.Mutation
		events  []harness.Event
		actions []action
		blind   bool
		want    string // "" if no law is broken
	}{
		"a start of one that is listed":           {orders: []harness.Mutation{act("mine", "start", 10, 11)}, events: []harness.Event{happens("mine", "die", 9), happens("mine", "start", 10.5)}},
		"a death that nobody heals":               {events: []harness.Event{happens("mine", "start", 0), happens("mine", "die", 1)}, want: "still down"},
		"a death that is healed late":             {events: []harness.Event{happens("mine", "die", 1), happens("mine", "start", 30)}, want: "still down"},
		"a death that is healed":                  {events: []harness.Event{happens("mine", "die", 1), happens("mine", "start", 2)}},
		"a death that could not be seen":          {events: []harness.Event{happens("mine", "die", 8.5)}, blind: true},
		"a death of one that nobody is to heal":   {events: []harness.Event{happens("other", "die", 1)}},
		"a death that its removal followed":       {events: []harness.Event{happens("mine", "die", 1), happens("mine", "destroy", 2)}},
		"a start of one that is not listed":       {orders: []harness.Mutation{act("other", "start", 10, 11)}, want: "law 1"},
		"a start of nobody's":                     {orders: []harness.Mutation{act("nobody", "start", 10, 11)}, want: "law 1"},
		"a call that is neither start nor stop":   {orders: []harness.Mutation{{Life: 1, Method: "POST", Path: "/containers/mine/kill", Begun: at(1), Ended: at(2)}}, want: "law 1"},
		"a start under a name that is not listed": {orders: []harness.Mutation{act("stray", "start", 30, 31)}, events: []harness.Event{happens("stray", "rename", 10)}, want: "law 1"},
		"a start under a name that is listed again": {
			orders: []harness.Mutation{act("stray", "start", 30, 31)},
			events: []harness.Event{happens("stray", "rename", 10), happens("stray", "rename", 12)},
		},
		"two actions at a time":        {orders: []harness.Mutation{act("mine", "start", 10, 12), act("mine", "restart", 11, 13)}, want: "law 2: a restart was begun while"},
		"as many starts as allowed":    {orders: series(3, 0.01, "start")},
		"one start too many at a time": {orders: series(4, 0.01, "start"), want: "law 2: 4 actions"},
		"as many restarts in a minute": {orders: series(12, 1, "restart")},
		"one restart more in a minute": {orders: series(13, 1, "restart"), want: "law 2: 13 restarts"},
		"as many, and one is refused":  {orders: append(series(12, 1, "restart"), refused(act("mine12", "restart", 13, 13.1)))},
		"one more, and one is refused": {orders: append(series(13, 1, "restart"), refused(act("mine13", "restart", 13.5, 13.6))), want: "law 2: 13 restarts"},
		"one of many that are refused": {orders: append([]harness.Mutation{refused(act("mine12", "restart", 0, 0.1))}, series(13, 1, "restart")[1:]...)},
		"no back-off":                  {orders: []harness.Mutation{act("mine", "start", 10, 11), act("mine", "start", 11.1, 12)}, want: "attempt 2 came"},
		"a back-off that doubles":      {orders: []harness.Mutation{act("mine", "start", 10, 10.1), act("mine", "start", 10.3, 10.4), act("mine", "start", 10.8, 11)}},
		"a back-off that does not":     {orders: []harness.Mutation{act("mine", "start", 10, 10.1), act("mine", "start", 10.3, 10.4), act("mine", "start", 10.6, 11)}, want: "attempt 3 came"},
		"a back-off not from the death of a run that others began": {
			orders: []harness.Mutation{act("mine", "start", 6, 6.1), act("mine", "start", 8.6, 8.7)},
			events: []harness.Event{happens("mine", "start", 8.2), happens("mine", "die", 8.5)},
			want:   "after the death",
		},
		"the same, while events may be lost": {
			orders: []harness.Mutation{act("mine", "start", 6, 6.1), act("mine", "start", 8.6, 8.7)},
			events: []harness.Event{happens("mine", "start", 8.2), happens("mine", "die", 8.5)},
			blind:  true,
		},
		"a back-off not from the death, while events may be lost": {
			orders: []harness.Mutation{act("mine", "start", 6, 6.1), act("mine", "start", 8.6, 8.7)},
			events: []harness.Event{happens("mine", "die", 8.5)},
			blind:  true,
			want:   "after the death",
		},
		"a back-off not from the death": {orders: []harness.Mutation{act("mine", "start", 10, 10.1), act("mine", "start", 12, 12.1)}, events: []harness.Event{happens("mine", "die", 11.9)}, want: "after the death"},
		"a fourth restart in a row": {
			orders: []harness.Mutation{act("mine", "restart", 10, 11), act("mine", "restart", 12, 13), act("mine", "restart", 14, 15), act("mine", "restart", 18, 19)},
			want:   "law 2: restart 4",
		},
		"a fourth restart after somebody started it": {
			orders: []harness.Mutation{act("mine", "restart", 10, 11), act("mine", "restart", 12, 13), act("mine", "restart", 14, 15), act("mine", "restart", 18, 19)},
			events: []harness.Event{happens("mine", "start", 17)},
		},
		"a child's restarts, each after its parent's": {
			orders: []harness.Mutation{act("kid", "restart", 10, 11), act("kid", "restart", 12, 13), act("kid", "restart", 14, 15), act("kid", "restart", 18, 19)},
			events: []harness.Event{
				happens("dad", "start", 9.9), happens("kid", "start", 10.9), happens("dad", "start", 11.9), happens("kid", "start", 12.9),
				happens("dad", "start", 13.9), happens("kid", "start", 14.9), happens("dad", "start", 17.9), happens("kid", "start", 18.9),
			},
		},
		"a child's restarts after one of its parent's": {
			orders: []harness.Mutation{
				act("kid", "restart", 10, 11), act("kid", "restart", 12, 13), act("kid", "restart", 14, 15), act("kid", "restart", 18, 19), act("kid", "restart", 23, 24),
			},
			events: []harness.Event{
				happens("dad", "start", 9.9), happens("kid", "start", 10.9), happens("kid", "start", 12.9),
				happens("kid", "start", 14.9), happens("kid", "start", 18.9), happens("kid", "start", 23.9),
			},
			want: "law 2: restart 4",
		},
		"a restart of what is down":    {orders: []harness.Mutation{act("mine", "restart", 20, 21)}, events: []harness.Event{happens("mine", "die", 1)}, want: "a restart of what has been down"},
		"a start of what runs":         {orders: []harness.Mutation{act("mine", "start", 20, 21)}, events: []harness.Event{happens("mine", "start", 1)}, want: "a start of what has been up"},
		"a start of what is paused":    {orders: []harness.Mutation{act("mine", "start", 20, 21)}, events: []harness.Event{happens("mine", "pause", 1)}, want: "has been paused"},
		"a start that could not know":  {orders: []harness.Mutation{act("mine", "start", 20, 21)}, events: []harness.Event{happens("mine", "start", 1)}, blind: true},
		"a start of what was stopped":  {orders: []harness.Mutation{act("modest", "start", 20, 21)}, events: []harness.Event{happens("modest", "kill", 2), happens("modest", "die", 3)}, actions: []action{{id: "modest", what: "stop", begun: at(1), end: at(4)}}, want: "what somebody had stopped"},
		"a start of what had crashed":  {orders: []harness.Mutation{act("modest", "start", 20, 21)}, events: []harness.Event{happens("modest", "die", 3)}, actions: []action{{id: "modest", what: "stop", begun: at(4), end: at(5)}}},
		"a start after SIGTERM":        {orders: []harness.Mutation{{Life: 2, ID: "mine", Kind: "start", Begun: at(10), Ended: at(11)}}, want: "law 9"},
		"a start before SIGTERM":       {orders: []harness.Mutation{{Life: 2, ID: "mine", Kind: "start", Begun: at(4), Ended: at(11)}}},
		"the next life begins at once": {orders: []harness.Mutation{act("mine", "start", 10, 11), {Life: 3, ID: "mine", Kind: "start", Begun: at(11.01), Ended: at(12)}}, want: "attempt 2 came"},
		"the next life of one that was killed begins at once": {
			orders: []harness.Mutation{{Life: 4, ID: "mine", Kind: "start", Begun: at(10), Ended: at(11)}, {Life: 5, ID: "mine", Kind: "start", Begun: at(11.01), Ended: at(12)}},
			want:   "attempt 2 came",
		},
		"it begins at once, since what was done last was not saved": {
			orders: []harness.Mutation{{Life: 4, ID: "mine", Kind: "start", Begun: at(10.6), Ended: at(11)}, {Life: 5, ID: "mine", Kind: "start", Begun: at(11.01), Ended: at(12)}},
		},
		"a re-creation of one that follows its parent": {
			orders: []harness.Mutation{makes("fresh", 10), act("fresh", "rename", 11, 11.1), act("heir", "stop", 12, 12.1), act("fresh", "start", 13, 13.1), act("heir", "remove", 43, 43.1)},
			events: []harness.Event{bears("heir", "start", 1, "follower"), bears("fresh", "create", 10, "follower.defib-0123456789ab"), bears("heir", "die", 12, "follower.defib-0123456789ab"), bears("fresh", "start", 13, "follower")},
		},
		"a re-creation in which both run": {
			orders: []harness.Mutation{makes("fresh", 10), act("fresh", "start", 13, 13.1)},
			events: []harness.Event{bears("heir", "start", 1, "follower"), bears("heir", "rename", 11, "follower.defib-0123456789ab"), bears("fresh", "start", 13, "follower")},
			want:   "doubled",
		},
		"a creation of one that follows nobody": {orders: []harness.Mutation{{Life: 1, Kind: "create", Name: "mine.defib-0123456789ab", Begun: at(1), Ended: at(2)}}, want: "law 1"},
		"a removal of one that follows nobody":  {orders: []harness.Mutation{act("mine", "remove", 10, 11)}, want: "law 1"},
		"one removal too many at a time":        {orders: series(4, 0.01, "remove"), events: begun, want: "law 2: 4 actions of the kind remove"},
		"one too many, even if undone":          {orders: series(7, 0.01, "remove"), want: "law 2: 7 actions of the kind remove"},
		"a re-creation undone after SIGTERM":    {orders: []harness.Mutation{{Life: 2, ID: "heir", Kind: "rename", Begun: at(12), Ended: at(12.1)}}},
		"a re-creation long after SIGTERM":      {orders: []harness.Mutation{{Life: 2, ID: "heir", Kind: "rename", Begun: at(16), Ended: at(16.1)}}, want: "law 9"},
		"restarts of two lives in a minute":     {orders: append(series(12, 1, "restart"), harness.Mutation{Life: 3, ID: "mine", Kind: "restart", Begun: at(20), Ended: at(21)}), want: "law 2: 13 restarts"},
	} {
		t.Run(name, func(t *testing.T) {
			book := newActionLog()
			book.terms[2], book.saved[4] = at(5), at(10.5)
			book.actions = row.actions
			for id, r := range map[string]*role{
				"mine": {listed: true}, "other": {}, "stray": {listed: true, stray: true},
				"modest": {listed: true, spec: harness.Spec{Labels: map[string]string{"defib.policy": "unless-stopped"}}},
			} {
				book.owns(id, r)
			}
			dad := &role{listed: true}
			book.owns("dad", dad)
			book.owns("kid", &role{listed: true, parent: dad})
			book.names["follower"] = &role{listed: true, follows: true, parent: dad}
			book.names["mine"] = book.owner("mine")
			book.owns("heir", book.names["follower"])
			for i := range 14 {
				book.owns(fmt.Sprint("mine", i), &role{listed: true})
			}
			if row.blind {
				book.blinds = []*span{{at(8), at(9)}}
			}
			newJudge(toldLimits, book, row.events, row.orders, 0).check()
			found := book.violations()
			if row.want == "" && len(found) > 0 || row.want != "" && (len(found) == 0 || !strings.Contains(strings.Join(found, ""), row.want)) {
				t.Errorf("found %v, want %q", found, row.want)
			}
		})
	}
}

// TestJudgeOfChaosReportsFalseAnswers is about the judge too.
func TestJudgeOfChaosReportsFalseAnswers(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	zero := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds float64) time.Time { return zero.Add(time.Duration(seconds * float64(time.Second))) }
	posts := func(n string, from, to float64, status int, outcome string) call {
		c := call{alert: harness.FiringAlert("container_id", "mine", "n", n), id: "mine", name: "mine", life: 1, asked: at(from), answered: at(to)}
		c.reply = harness.Reply{Status: status, Took: c.answered.Sub(c.asked)}
		if outcome != "" {
			c.reply.Results = []harness.AlertResult{{Outcome: outcome}}
		}
		return c
	}
	restart := func(from, to float64) harness.Mutation {
		return harness.Mutation{Life: 1, ID: "mine", Kind: "restart", Begun: at(from), Ended: at(to), Heard: true, Status: 204}
	}
	twice := []harness.Mutation{restart(10, 11), restart(15, 16)}
	starts := []harness.Event{{ID: "mine", Action: "start", At: at(10.9)}, {ID: "mine", Action: "start", At: at(15.9)}}
	for name, row := range map[string]struct {
		calls  []call
		orders []harness.Mutation
		events []harness.Event
		want   string // "" if no law is broken
	}{
		"what was done":                     {calls: []call{posts("1", 9.9, 11.1, 200, "restarted")}, orders: twice[:1], events: starts[:1]},
		"what nobody asked the engine for":  {calls: []call{posts("1", 9.9, 11.1, 200, "restarted")}, want: "and was not"},
		"what the engine did not do":        {calls: []call{posts("1", 9.9, 11.1, 200, "restarted")}, orders: twice[:1], want: "and was not"},
		"a start that was a restart":        {calls: []call{posts("1", 9.9, 11.1, 200, "started")}, orders: twice[:1], events: starts[:1], want: "and was not"},
		"a failure as if it were a success": {calls: []call{posts("1", 9.9, 11.1, 200, "failed")}, want: "want 503"},
		"a refusal as if it were a failure": {calls: []call{posts("1", 9.9, 11.1, 503, "back_off")}, want: "want 200"},
		"an answer that comes too late":     {calls: []call{posts("1", 0, 15, 503, "in_progress")}, want: "took 15s"},
		"no answer":                         {calls: []call{posts("1", 0, 1, 0, "")}, want: "no answer"},
		"no answer of a Defib that ends":    {calls: []call{posts("1", 90, 101, 0, "")}},
		"the same for both of a pair": {
			calls:  []call{posts("1", 9.9, 11.1, 200, "restarted"), posts("1", 9.9, 11.1, 200, "restarted")},
			orders: twice[:1], events: starts[:1],
		},
		"the same twice": {
			calls:  []call{posts("1", 9.9, 11.1, 200, "restarted"), posts("1", 14.9, 16.1, 200, "restarted")},
			orders: twice, events: starts, want: "carried out twice",
		},
		"the second time for another's sake": {
			calls:  []call{posts("1", 9.9, 11.1, 200, "restarted"), posts("1", 14.9, 16.1, 200, "restarted"), posts("2", 14.8, 16.1, 200, "restarted")},
			orders: twice, events: starts,
		},
	} {
		t.Run(name, func(t *testing.T) {
			book := newActionLog()
			book.owns("mine", &role{listed: true})
			c := &callers{calls: row.calls}
			c.check(newJudge(toldLimits, book, row.events, row.orders, 0), map[int]span{1: {at(0), at(100)}})
			found := strings.Join(book.violations(), "")
			if (row.want == "") != (found == "") || !strings.Contains(found, row.want) {
				t.Errorf("found %q, want %q", found, row.want)
			}
		})
	}
}
