package address

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for host, want := range map[string]string{
		"unix:///var/run/docker.sock": "", "tcp://10.0.0.1:2376": "", "http://10.0.0.1:2375": "", "https://10.0.0.1:2376": "",
		"ssh://user@host":      "ssh -nNT -L",
		"npipe:////./pipe/x":   "not supported",
		"fd://":                "unix:///path",
		"/var/run/docker.sock": "unix:///path",
		"":                     "unix:///path",
	} {
		err := Check(host)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", host, err, want)
		}
	}
}
