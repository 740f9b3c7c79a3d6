package harness

import "testing"

// TestExpositionHasTheValuesThatAreParsed: what polls sees the same series.
func TestExpositionHasTheValuesThatAreParsed(t *testing.T) {
	t.Parallel()
	const text = `# HELP docker_up Whether it is up.
# TYPE docker_up gauge
docker_up 1
# TYPE docker_container_events_total counter
docker_container_events_total{event="die",name="a \"quoted\"\nname"} 3
docker_container_events_total{event="die",name="ä\\b"} 1.5e+09
# TYPE defib_recovery_seconds histogram
defib_recovery_seconds_bucket{trigger="exited",le="1"} 1
defib_recovery_seconds_bucket{trigger="exited",le="+Inf"} 2
defib_recovery_seconds_sum{trigger="exited"} 4.25
defib_recovery_seconds_count{trigger="exited"} 2
`
	parsed, err := Parse(text)
	if err != nil || len(parsed) != 5 {
		t.Fatalf("parsed %v, %v", parsed, err)
	}
	for key, want := range parsed {
		if got, there := Exposition(text).Value(key); !there || got != want {
			t.Errorf("%s is %s, want %v", key, Written(got, there), want)
		}
	}
	for _, absent := range []string{"docker", "defib_recovery_seconds_count", Series("docker_container_events_total", "event", "die")} {
		if got, there := Exposition(text).Value(absent); there {
			t.Errorf("%s is %v, want no such series", absent, got)
		}
	}
}
