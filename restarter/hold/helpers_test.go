package hold

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"defib/restarter/policy"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// file makes a file of this text.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holds")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func patterns(s string) []policy.Pattern {
	ps, err := policy.ParsePatterns([]string{s})
	if err != nil {
		panic(err)
	}
	return ps
}
