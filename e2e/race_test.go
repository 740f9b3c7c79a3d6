//go:build race

package e2e

// raceFlags: tests under the race detector run a Defib under it too. A race
// shows as lines on stderr that are not JSON, which fails the test.
var raceFlags = []string{"-race"}
