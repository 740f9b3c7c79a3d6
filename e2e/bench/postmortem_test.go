package bench

import (
	"fmt"
	"strings"
	"testing"

	"defib/e2e/harness"
)

// measureEvidence lets containers die that have written something: healed by a Defib that
// keeps evidence and by one that does not, turn by turn.
func measureEvidence(b *testing.B, t *table) {
	s := harness.NewEnv(b, harness.SharedEngine(b))
	type healer struct {
		*harness.Proxy
		*harness.Defib
		asked, back times // since the death
	}
	healers := map[string]*healer{}
	for name, flag := range map[string]string{"bare": "0", "keeping": "50"} {
		p := harness.NewProxy(b, s.Engine)
		d := harness.StartDefib(b, p.Host(), "--restart.whitelist="+s.Prefix+name+"-*", "--log.level=info", "--postmortem.log-lines="+flag)
		d.Ready()
		healers[name] = &healer{Proxy: p, Defib: d}
	}
	said := "-say=" + strings.Repeat("word ", 2)
	for i := range deaths + 1 {
		for name, h := range healers {
			c := s.Create(fmt.Sprint(name, "-", i), harness.Spec{Args: []string{said, "-flood=1000", "-after=300ms", "-code=1"}, Network: "none"})
			c.Start()
			back := c.AwaitEvents("start", 2)[1]
			died, seen := h.DeathPassed(c.ID)
			starts := h.Starts(c.ID)
			if !seen || len(starts) == 0 {
				b.Fatal("the proxy did not see the death or the start request")
			}
			if name == "keeping" {
				if d := h.AwaitDeaths(c, 1)[0]; len(d.Log) != 50 {
					b.Fatalf("%d lines are kept, want 50: %+v", len(d.Log), d)
				}
			}
			if i > 0 { // the first warms up
				h.asked.add(starts[0].Sub(died))
				h.back.add(back.Sub(c.Times("die")[0]))
			}
			c.Remove()
		}
	}
	bare, keeping := healers["bare"], healers["keeping"]
	*t = append(*t,
		row{"die to start request, keeping evidence, median", keeping.asked.median(), "ms", "keeping none, median", bare.asked.median(), budget{text: "that + 1 ms", factor: 1, more: 1}},
		row{"die to start request, keeping evidence, p90", keeping.asked.quantile(0.9), "ms", "keeping none, p90", bare.asked.quantile(0.9), budget{}},
		row{"death to running again, keeping evidence, median", keeping.back.median(), "ms", "keeping none, median", bare.back.median(), budget{text: "that + 10 %", factor: 1.1}},
	)
}
