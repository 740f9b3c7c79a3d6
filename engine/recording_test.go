package engine

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/events"
)

// step is one command of a recording and the events that it made.
type step struct {
	name   string
	events []events.Message
}

// recordedSteps reads the events of a recording, without those that Defib does
// not subscribe to.
func recordedSteps(t *testing.T, engine string) (steps []step) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", engine, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var line struct {
			Step string
			events.Message
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if line.Step != "" {
			steps = append(steps, step{name: line.Step})
			continue
		}
		if s := &steps[len(steps)-1]; subscribed(line.Message) {
			s.events = append(s.events, line.Message)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

func recordedEvents(t *testing.T, engine string) (all []events.Message) {
	t.Helper()
	for _, s := range recordedSteps(t, engine) {
		all = append(all, s.events...)
	}
	return all
}

// subscribed filters as the engine does.
func subscribed(m events.Message) bool {
	asked := eventFilters()
	return asked.ExactMatch("type", string(m.Type)) && asked.FuzzyMatch("event", string(m.Action))
}

func jsonFile(t *testing.T, engine, file string) ([]byte, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", engine, file))
	if err != nil {
		t.Fatal(err)
	}
	return text, nil
}
