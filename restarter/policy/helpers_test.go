package policy

import (
	"maps"
	"time"

	"defib/engine"
)

// ended returns a container that is down, as edited.
func ended(cause engine.ExitCause, edits ...func(*engine.Container)) *engine.Container {
	c := &engine.Container{ID: "a1", Name: "web", Inspected: true, State: engine.Exited, ExitCause: cause}
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func named(id, name string) func(*engine.Container) {
	return func(c *engine.Container) { c.ID, c.Name = id, name }
}

func labelled(kv ...string) func(*engine.Container) {
	return func(c *engine.Container) {
		labels := map[string]string{}
		maps.Copy(labels, c.Labels)
		for i := 0; i < len(kv); i += 2 {
			labels[kv[i]] = kv[i+1]
		}
		c.Labels = labels
	}
}

func in(project, service string) func(*engine.Container) {
	return labelled(engine.LabelProject, project, engine.LabelService, service)
}

func patterns(s string) []Pattern {
	ps, err := ParsePatterns([]string{s})
	if err != nil {
		panic(err)
	}
	return ps
}

// usual is the policy of the defaults, as edited.
func usual(edits ...func(*Policy)) Policy {
	p := Policy{
		Whitelist: patterns("web"), Triggers: AllTriggers, Mode: Always,
		Settings:    Settings{StoppedDelay: 10 * time.Second, MaxAttempts: 5, Cooldown: 5 * time.Minute},
		Concurrency: 4, MaxPerMinute: 10, MinUptime: time.Minute,
		Backoff: Backoff{Initial: time.Second, Max: 5 * time.Minute, Reset: 15 * time.Minute},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}
