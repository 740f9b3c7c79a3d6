package deploy_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var proxyFiles = []string{"socket-proxy/wollomatic.yaml", "socket-proxy/tecnativa.yaml"}

func TestSocketProxiesKeepDefibFromTheSocket(t *testing.T) {
	t.Parallel()
	for _, file := range proxyFiles {
		c := composed(t, file)
		d := c.Services["defib"]
		if !slices.Equal(d.Volumes, append(slices.Clone(resourceMounts), stateVolume)) || len(d.GroupAdd) > 0 || d.Environment["DOCKER_HOST"] != "tcp://socket-proxy:2375" {
			t.Errorf("%s: defib has volumes %v and groups %v, and asks %s", file, d.Volumes, d.GroupAdd, d.Environment["DOCKER_HOST"])
		}
		if p := c.Services["socket-proxy"]; len(p.Ports) > 0 || !p.ReadOnly {
			t.Errorf("%s: the proxy is published or may be written to: %+v", file, p)
		}
	}
}

// TestWollomaticRefusesAllElse tries the patterns, not the proxy. That they let through
// what Defib needs is tried in e2e, by a proxy that treats patterns as this one does.
func TestWollomaticRefusesAllElse(t *testing.T) {
	t.Parallel()
	allowed := map[string]*regexp.Regexp{}
	for _, arg := range composed(t, proxyFiles[0]).Services["socket-proxy"].Command {
		// The proxy puts no brackets of its own around a pattern.
		if method, pattern, found := strings.Cut(arg, "="); found && strings.HasPrefix(method, "-allow") && method != "-allowfrom" {
			allowed[strings.TrimPrefix(method, "-allow")] = regexp.MustCompile("^" + pattern + "$")
		}
	}
	if len(allowed) != 3 {
		t.Fatalf("patterns for %v, want GET, HEAD and POST", maps.Collect(maps.All(allowed)))
	}
	const id = "/v1.41/containers/4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
	for _, request := range []string{
		"POST /v1.41/containers/create", "POST " + id + "/exec", "POST " + id + "/kill", "POST " + id + "/stop",
		"POST " + id + "/update", "POST " + id + "/attach", "POST " + id + "/rename", "POST " + id + "/pause", "POST " + id + "/start/x",
		"POST /v1.41/containers/x/../create/start/..", "POST /v1.41/exec/4f/start", "POST /v1.41/images/create", "POST /v1.41/build",
		"POST /v1.41/commit", "POST /v1.41/containers/prune", "POST /v1.41/volumes/create", "POST /v1.41/services/create", "POST /v1.41/swarm/init",
		"POST /v1.23/containers/4f/start", "POST /containers/4f/start", "POST /v1.41/containers//start",
		"GET " + id + "/archive", "GET " + id + "/export", "GET " + id + "/logs", "GET " + id + "/attach/ws", "GET " + id + "/top", "GET " + id + "/json/x",
		"GET /v1.41/secrets", "GET /v1.41/configs", "GET /v1.41/images/4f/get", "GET /v1.41/images/json/get", "GET /v1.41/volumes", "GET /x/_ping",
		"DELETE " + id, "DELETE /v1.41/images/4f", "PUT " + id + "/archive", "HEAD " + id + "/archive", "HEAD /", "GET /",
	} {
		method, path, _ := strings.Cut(request, " ")
		if p := allowed[method]; p != nil && p.MatchString(path) {
			t.Errorf("%s is let through by %s", request, p)
		}
	}
}

// TestTecnativaIsAskedForReadingOnly knows the proxy's settings: each is the
// first word of a path, but for POST, which is a method.
func TestTecnativaIsAskedForReadingOnly(t *testing.T) {
	t.Parallel()
	env := composed(t, proxyFiles[1]).Services["socket-proxy"].Environment
	delete(env, "SOCKET_PATH")
	want := map[string]string{"CONTAINERS": "1", "INFO": "1", "IMAGES": "1", "EVENTS": "1", "PING": "1", "VERSION": "1", "POST": "0"}
	if !maps.Equal(env, want) {
		t.Errorf("the settings are %v, want %v", env, want)
	}
}
