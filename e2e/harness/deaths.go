package harness

import (
	"encoding/json"
	"slices"
)

// Death is one as the status API has it.
type Death struct {
	Container, Trigger, Cause string
	Restarted                 bool
	ExitCode                  *int    `json:"exit_code"`
	Ran                       float64 `json:"ran_seconds"`
	HealthOutput              string  `json:"health_output"`
	LastUsage                 *struct {
		Memory uint64 `json:"memory_bytes"`
	} `json:"last_usage"`
	Log      []struct{ Stream, Text string }
	Pending  bool   `json:"log_pending"`
	LogError string `json:"log_error"`
}

// Lines are those of its log, with their streams.
func (d Death) Lines() []string {
	lines := []string{}
	for _, l := range d.Log {
		lines = append(lines, l.Stream+" "+l.Text)
	}
	return lines
}

// Deaths are those of a container that Defib has evidence of, the newest first.
func (d *Defib) Deaths(of *Container) []Death {
	d.Helper()
	var status struct{ Deaths []Death }
	code, body, err := d.Get("/api/v1/status")
	if err == nil && code == 200 {
		err = json.Unmarshal([]byte(body), &status)
	}
	if err != nil || code != 200 {
		d.Fatalf("/api/v1/status: status %d, %v", code, err)
	}
	return slices.DeleteFunc(status.Deaths, func(one Death) bool { return one.Container != of.Name })
}

// AwaitDeaths waits until there is evidence of so many, with their logs, and returns it,
// the newest first.
func (d *Defib) AwaitDeaths(of *Container, n int) []Death {
	d.Helper()
	var deaths []Death
	Eventually(d, "evidence of the death of "+of.Name, func() bool {
		deaths = d.Deaths(of)
		return len(deaths) >= n && !slices.ContainsFunc(deaths, func(one Death) bool { return one.Pending })
	})
	return deaths
}
