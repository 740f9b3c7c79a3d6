//go:build race

package harness

// Race says that the tests run under the race detector. Then Defib does too: a race
// shows as lines on stderr that are not JSON, which fails the test.
const Race = true
