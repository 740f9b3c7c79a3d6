package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBootOfTheEnginesHost(t *testing.T) {
	const id, unix, tcp = "7fd4c7a5-5a1f-4c4d-8d8f-3b8a1d0f9a11", "unix:///var/run/docker.sock", "tcp://10.0.0.1:2376"
	at := time.Unix(1770000000, 0)
	for _, tc := range []struct {
		name, host, id, stat string
		wantID               string
		wantAt               time.Time
	}{
		{"on this host", unix, id + "\n", "cpu  1 2 3\nbtime 1770000000\nprocesses 7\n", id, at},
		{"on another host", tcp, id + "\n", "btime 1770000000\n", "", time.Time{}},
		{"the moment is not told", unix, id, "cpu  1 2 3\nbtime soon\n", id, time.Time{}},
		{"nothing can be read", unix, "", "", "", time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for path, text := range map[string]string{"sys/kernel/random/boot_id": tc.id, "stat": tc.stat} {
				path = filepath.Join(dir, path)
				if text == "" {
					continue
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			gotID, gotAt := (&flags{host: tc.host, procFS: dir}).boot()
			if gotID != tc.wantID || !gotAt.Equal(tc.wantAt) {
				t.Errorf("%q since %v, want %q since %v", gotID, gotAt, tc.wantID, tc.wantAt)
			}
		})
	}
}

func TestBootOfThisHostIsKnown(t *testing.T) {
	id, at := (&flags{host: "unix:///s", procFS: procFS}).boot()
	if len(id) != 36 || at.IsZero() || at.After(time.Now()) {
		t.Errorf("%q since %v", id, at)
	}
}
