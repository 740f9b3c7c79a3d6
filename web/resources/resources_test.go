package resources

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/stats"
)

const (
	mib  = 1 << 20
	gib  = 1 << 30
	full = 512 * mib
)

// using is what a container uses whose memory is limited to so many bytes; 0: it is not.
func using(cores float64, memory, limit uint64) *stats.Usage {
	return &stats.Usage{
		CPU: stats.CPU{Known: true}, Cores: cores, Memory: stats.Memory{Known: true, WorkingSet: memory, Usage: memory + gib},
		Limits: stats.Limits{Memory: limit, CPUKnown: true},
	}
}

// quota limits the processors that it may use.
func quota(u *stats.Usage, cores float64) *stats.Usage {
	u.Limits.CPUPeriod, u.Limits.CPUQuota = 100_000, uint64(cores*100_000)
	return u
}

// noon is when containers end.
var noon = time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)

// in is a container in this state.
func in(state engine.State) *engine.Container { return &engine.Container{ID: "c", State: state} }

// died is one that exited after an hour, by the clock of an engine that is far off.
func died(code int, cause engine.ExitCause, edits ...func(*engine.Container)) *engine.Container {
	c := in(engine.Exited)
	c.ExitSeenAt, c.ExitCause, c.Exit = noon, cause, engine.Exit{Known: true, Code: code}
	c.Finished = noon.AddDate(0, -3, 0)
	c.Started = c.Finished.Add(-time.Hour)
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func oom(c *engine.Container) { c.Exit.OOMKilled = true }

// after is a reading after a container's end, which had been read so long before that.
func after(before time.Duration, u *stats.Usage) *stats.Reading {
	return &stats.Reading{Last: map[string]stats.Past{"c": {At: noon.Add(-before), Usage: u}}}
}

// of is a reading of one that is there.
func of(u *stats.Usage) *stats.Reading {
	return &stats.Reading{Containers: map[string]*stats.Usage{"c": u}}
}

func TestASentenceSaysWhatMayBeTheCause(t *testing.T) {
	const self, stopped, unseen = engine.CauseSelf, engine.CauseStopped, engine.CauseUnknown
	const killed = "It used 512 of 512 MiB of memory 3 s before it was killed."
	short := func(c *engine.Container) { c.Started = c.Finished.Add(-2 * time.Second) }
	for name, row := range map[string]struct {
		c    *engine.Container
		r    *stats.Reading
		want string
	}{
		"the kernel killed it":                        {died(137, self, oom), after(3*time.Second, using(0, full, full)), killed},
		"the same, read just before":                  {died(137, self, oom), after(0, using(0, full, full)), "It used 512 of 512 MiB of memory less than 1 s before it was killed."},
		"the same, little was used":                   {died(137, self, oom), after(75*time.Second, using(0, 40*mib, full)), "It used 40 of 512 MiB of memory 75 s before it was killed."},
		"the same, while somebody stopped it":         {died(137, stopped, oom), after(3*time.Second, using(0, full, full)), killed},
		"the kernel killed a process of it":           {died(1, self, oom), after(3*time.Second, using(0, full, full)), "It used 512 of 512 MiB of memory 3 s before it exited."},
		"it was killed, maybe for the whole host":     {died(137, self), after(3*time.Second, using(0, 3*gib, 0)), "It used 3 GiB of memory 3 s before it was killed."},
		"it was read too long before":                 {died(137, self, oom), after(2*time.Minute, using(0, full, full)), ""},
		"it was read in an earlier run":               {died(137, self, oom, short), after(3*time.Second, using(0, full, full)), ""},
		"it was read after its end":                   {died(137, self, oom), after(-time.Second, using(0, full, full)), ""},
		"its end was not seen":                        {died(137, self, oom, func(c *engine.Container) { c.ExitSeenAt = time.Time{} }), after(3*time.Second, using(0, full, full)), ""},
		"it was never read":                           {died(137, self, oom), &stats.Reading{}, ""},
		"its memory is unknown":                       {died(137, self, oom), after(3*time.Second, &stats.Usage{}), ""},
		"it was killed, and the reading is older":     {died(137, self, oom), of(using(0, full, full)), ""},
		"its own policy restarts it":                  {died(137, self, oom, func(c *engine.Container) { c.State = engine.Restarting }), after(3*time.Second, using(0, full, full)), killed},
		"it crashed close to its limit":               {died(1, self), after(3*time.Second, using(0, 490*mib, full)), "It used 490 of 512 MiB of memory 3 s before it exited."},
		"it crashed far from it":                      {died(1, self), after(3*time.Second, using(0, 400*mib, full)), ""},
		"it crashed, and had no limit":                {died(1, self), after(3*time.Second, using(0, 400*mib, 0)), ""},
		"it ended as it was meant to":                 {died(0, self), after(3*time.Second, using(0, full, full)), ""},
		"somebody stopped it, close to its limit":     {died(143, stopped), after(3*time.Second, using(0, full, full)), ""},
		"somebody killed it":                          {died(137, stopped), after(3*time.Second, using(0, 3*gib, 0)), ""},
		"the engine was shut down":                    {died(143, engine.CauseEngine), after(3*time.Second, using(0, full, full)), ""},
		"nobody saw why it ended, close to its limit": {died(1, unseen), after(3*time.Second, using(0, full, full)), "It used 512 of 512 MiB of memory 3 s before it exited."},
		"nobody saw who killed it":                    {died(137, unseen), after(3*time.Second, using(0, 3*gib, 0)), ""},

		"it uses little":                      {in(engine.Running), of(using(0.3, 100*mib, full)), ""},
		"close to its limit of memory":        {in(engine.Running), of(using(0.3, 503*mib, full)), "It uses 503 of 512 MiB of memory."},
		"one thread that never waits":         {in(engine.Running), of(using(0.99, 100*mib, full)), "It uses 99 % of one processor."},
		"many of them":                        {in(engine.Running), of(using(12.341, 100*mib, 0)), "It uses 1234 % of one processor."},
		"close to its limit of processors":    {in(engine.Running), of(quota(using(0.49, 100*mib, full), 0.5)), "It uses 49 % of one processor (limit 50 %)."},
		"close to both":                       {in(engine.Running), of(quota(using(0.49, full, full), 0.5)), "It uses 512 of 512 MiB of memory and 49 % of one processor (limit 50 %)."},
		"many, far from their limit":          {in(engine.Running), of(quota(using(1.5, mib, 0), 8)), "It uses 150 % of one processor (limit 800 %)."},
		"it was read once":                    {in(engine.Running), of(using(-1, 100*mib, full)), ""},
		"it cannot be read":                   {in(engine.Running), of(nil), ""},
		"it is paused":                        {in(engine.Paused), of(using(0, full, full)), ""},
		"it runs again after it was killed":   {in(engine.Running), after(3*time.Second, using(0, full, full)), ""},
		"resources are off":                   {in(engine.Running), nil, ""},
		"resources are off, and it is killed": {died(137, self, oom), nil, ""},
	} {
		if got := Of(row.r, row.c).Sentence; got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// written is an amount with | where it may be broken, and ! if it is high.
func written(a Amount) string {
	s := strings.NewReplacer(" ", "|", "\u00a0", " ").Replace(a.Text)
	if a.High {
		s += "!"
	}
	return s
}

func TestAmounts(t *testing.T) {
	for name, row := range map[string]struct {
		u           *stats.Usage
		cpu, memory string // as written has them
	}{
		"unlimited":                 {using(0.123, 348*mib, 0), "12 %", "348 MiB"},
		"idle":                      {using(0.004, 900, 0), "0 %", "900 B"},
		"several processors":        {using(1.4, 5*gib/2, 0), "140 %", "2.5 GiB"},
		"a limit of memory":         {using(0, 348*mib, full), "0 %", "348 of|512 MiB|(68 %)"},
		"one in another unit":       {using(0, 348*mib, 2*gib), "0 %", "348 MiB|of 2 GiB|(17 %)"},
		"close to it":               {using(0, 511*mib, full), "0 %", "511 of|512 MiB|(100 %,|high)!"},
		"not quite":                 {using(0, 90*mib, 100*mib), "0 %", "90 of|100 MiB|(90 %)"},
		"a limit of processors":     {quota(using(0.1, mib, 0), 0.5), "10 %|(limit|50 %)", "1 MiB"},
		"close to that":             {quota(using(0.49, mib, 0), 0.5), "49 %|(limit|50 %,|high)!", "1 MiB"},
		"a period without a quota":  {quota(using(0.99, mib, 0), 0), "99 %", "1 MiB"},
		"read once":                 {quota(using(-1, mib, 0), 0.5), "", "1 MiB"},
		"neither is known":          {&stats.Usage{Limits: stats.Limits{Memory: mib, CPUKnown: true, CPUPeriod: 1, CPUQuota: 1}}, "", ""},
		"one whose limits are not":  {&stats.Usage{CPU: stats.CPU{Known: true}, Memory: stats.Memory{Known: true}}, "0 %", "0 B"},
		"all of a terabyte and one": {using(0, 1<<40, 1<<40), "0 %", "1 of|1 TiB|(100 %,|high)!"},
	} {
		use := Of(of(row.u), in(engine.Running))
		if cpu, memory := written(use.CPUAmount), written(use.MemoryAmount); cpu != row.cpu || memory != row.memory {
			t.Errorf("%s: %q and %q, want %q and %q", name, cpu, memory, row.cpu, row.memory)
		}
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1500: "1.5 KiB", 9.875 * mib: "9.9 MiB", 9.96875 * mib: "10 MiB", 10.375 * mib: "10 MiB",
		1023 * mib: "1023 MiB", gib - 1: "1 GiB", 1 << 62: "4194304 TiB",
	} {
		amount, unit := size(bytes)
		if got := amount + " " + unit; got != want {
			t.Errorf("%d is written %q, want %q", bytes, got, want)
		}
	}
}

func TestOnlyWhatIsKnownIsThere(t *testing.T) {
	wired := using(0.12345, 348*mib, full)
	for _, bytes := range []uint64{10, 200} {
		wired.Interfaces = append(wired.Interfaces, stats.Interface{Receive: stats.Traffic{Bytes: bytes}, Transmit: stats.Traffic{Bytes: 3 * bytes}})
	}
	silent := using(0, 0, 0)
	silent.Interfaces = []stats.Interface{{Name: "eth0"}}
	num := func(n uint64) *uint64 { return &n }
	for name, row := range map[string]struct {
		c    *engine.Container
		r    *stats.Reading
		want Use
	}{
		"all":                                {in(engine.Running), of(wired), Use{Cores: new(0.123), Memory: num(348 * mib), MemoryLimit: full, Received: num(210), Sent: num(630)}},
		"it is paused":                       {in(engine.Paused), of(wired), Use{Cores: new(0.123), Memory: num(348 * mib), MemoryLimit: full, Received: num(210), Sent: num(630)}},
		"nothing is used":                    {in(engine.Running), of(silent), Use{Cores: new(0.0), Memory: num(0), Received: num(0), Sent: num(0)}},
		"it was read once":                   {in(engine.Running), of(using(-1, mib, 0)), Use{Memory: num(mib)}},
		"nothing is known":                   {in(engine.Running), of(&stats.Usage{Limits: stats.Limits{Memory: mib}}), Use{}},
		"it cannot be read":                  {in(engine.Running), of(nil), Use{}},
		"resources are off":                  {in(engine.Running), nil, Use{}},
		"it is down":                         {died(1, engine.CauseSelf), after(2500*time.Millisecond, wired), Use{Last: Last{Seconds: 2.5, Memory: 348 * mib, MemoryLimit: full}}},
		"it is down, and was read long ago":  {died(1, engine.CauseSelf), after(50*time.Minute, wired), Use{Last: Last{Seconds: 3000, Memory: 348 * mib, MemoryLimit: full}}},
		"it is down, read in an earlier run": {died(1, engine.CauseSelf), after(2*time.Hour, wired), Use{}},
		"it is down, and its memory unknown": {died(1, engine.CauseSelf), after(time.Second, &stats.Usage{}), Use{}},
		"it is down, the reading is older":   {died(1, engine.CauseSelf), of(wired), Use{}},
	} {
		got := Of(row.r, row.c)
		got.CPUAmount, got.MemoryAmount = Amount{}, Amount{}
		if d := cmp.Diff(row.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
