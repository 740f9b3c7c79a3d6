package webconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"defib/internal/webconfig"
)

func TestRead(t *testing.T) {
	for name, row := range map[string]struct {
		text      string
		users     int
		encrypted bool
		fault     string
	}{
		"empty":        {},
		"users":        {text: "basic_auth_users: {prometheus: x, alertmanager: y}", users: 2},
		"TLS":          {text: "tls_server_config: {cert_file: a.crt, key_file: a.key}", encrypted: true},
		"not readable": {text: "basic_auth_users: [", fault: "web.yml: yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "web.yml")
			if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := webconfig.Read(file)
			if row.fault != "" {
				if err == nil || !strings.Contains(err.Error(), row.fault) {
					t.Errorf("error %v, want %s", err, row.fault)
				}
				return
			}
			if err != nil || len(config.Users) != row.users || config.TLSConfig.IsEnabled() != row.encrypted {
				t.Errorf("%d users, TLS %v, %v", len(config.Users), config.TLSConfig.IsEnabled(), err)
			}
		})
	}
}

func TestLaw12AFileThatHangsIsRefusedInTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := webconfig.Validate(t.Context(), file); err == nil || !strings.Contains(err.Error(), "does not respond") {
		t.Errorf("error %v", err)
	}
	// Ends what still reads it.
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNoFileSaysNothingAndAMissingOneIsAFault(t *testing.T) {
	if config, err := webconfig.Read(""); err != nil || len(config.Users) != 0 {
		t.Errorf("without a file: %d users, %v", len(config.Users), err)
	}
	if _, err := webconfig.Read(filepath.Join(t.TempDir(), "web.yml")); !os.IsNotExist(err) {
		t.Errorf("of a missing file: %v", err)
	}
}
