//go:build !race

package harness

// Race says that the tests run under the race detector, see race.go.
const Race = false
