package deploy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"
)

// compose is as much of a compose file as the tests look at.
type compose struct {
	Services map[string]service
	Volumes  map[string]struct {
		DriverOpts map[string]string `yaml:"driver_opts"`
	}
}

type service struct {
	Image, User string
	Command     []string
	Environment map[string]string
	Healthcheck struct{ Test []string }
	Deploy      struct{ Mode string }
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	GroupAdd    []string `yaml:"group_add"`
	Ports       []any
	Volumes     []any
	Labels      map[string]string
	NetworkMode string `yaml:"network_mode"`
}

// resourceMounts are what Defib in a container reads resources from.
var resourceMounts = []any{"/proc:/host/proc:ro", "/sys/fs/cgroup:/host/sys/fs/cgroup:ro"}

// readsResources reports whether Defib is told to read what containers use, and can.
func (s service) readsResources() bool {
	if !slices.Contains(s.Command, "--collector.resources") && s.Environment["DEFIB_COLLECTOR_RESOURCES"] != "true" {
		return false
	}
	for _, m := range resourceMounts {
		if !slices.Contains(s.Volumes, m) {
			return false
		}
	}
	return true
}

// composed reads a compose file as it stands.
func composed(t *testing.T, file string) compose {
	t.Helper()
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, file)), &c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(c.Services) == 0 {
		t.Fatalf("%s: no services", file)
	}
	return c
}

// composeProgram is docker compose, or docker-compose.
func composeProgram(t *testing.T) (program string, args []string) {
	t.Helper()
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() == nil {
		return "docker", []string{"compose"}
	}
	need(t, "docker-compose", "docker-compose")
	return "docker-compose", nil
}

// dockerCompose has a file read by the program that it is for.
func dockerCompose(t *testing.T, file string, env ...string) (string, error) {
	t.Helper()
	program, args := composeProgram(t)
	cmd := exec.CommandContext(t.Context(), program, append(args, "-f", file, "config", "--quiet")...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "DOCKER_") }), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestComposeAcceptsItsFiles(t *testing.T) {
	t.Parallel()
	for _, file := range append([]string{"compose/compose.yaml", stack}, proxyFiles...) {
		if out, err := dockerCompose(t, file, "DOCKER_GID=987"); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

func TestExamplesReadWhatContainersUse(t *testing.T) {
	t.Parallel()
	for _, file := range append([]string{"compose/compose.yaml", stack}, proxyFiles...) {
		if d := composed(t, file).Services["defib"]; !d.readsResources() {
			t.Errorf("%s: Defib has arguments %v, environment %v and volumes %v", file, d.Command, d.Environment, d.Volumes)
		}
	}
	if !strings.Contains(read(t, "systemd/defib.env"), "\nDEFIB_COLLECTOR_RESOURCES=true\n") {
		t.Error("systemd/defib.env does not switch it on")
	}
}

// stateFlag and stateVolume have Defib in a container remember what it learnt.
const (
	stateFlag   = "--state.file=/var/lib/defib/state.json"
	stateVolume = "defib:/var/lib/defib"
)

func TestExamplesRememberWhatDefibLearnt(t *testing.T) {
	t.Parallel()
	for _, file := range append([]string{"compose/compose.yaml", stack}, proxyFiles...) {
		c := composed(t, file)
		d := c.Services["defib"]
		_, volume := c.Volumes["defib"]
		if !slices.Contains(d.Command, stateFlag) || !slices.Contains(d.Volumes, any(stateVolume)) || !volume {
			t.Errorf("%s: Defib has arguments %v and volumes %v", file, d.Command, d.Volumes)
		}
	}
	if !strings.Contains(read(t, "systemd/defib.env"), "\nDEFIB_STATE_FILE=/var/lib/defib/state.json\n") {
		t.Error("systemd/defib.env does not set it")
	}
}

func TestComposeIsHardened(t *testing.T) {
	t.Parallel()
	c := composed(t, "compose/compose.yaml")
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
		if s.Healthcheck.Test == nil && name != "worker" { // which dies instead
			t.Errorf("%s has no health check", name)
		}
		if registry, _, found := strings.Cut(s.Image, "/"); found && strings.ContainsAny(registry, ".:") {
			t.Errorf("%s has its image %s from a registry of its own", name, s.Image)
		}
		for _, port := range s.Ports {
			if text, ok := port.(string); !ok || !strings.HasPrefix(text, "127.0.0.1:") {
				t.Errorf("%s can be reached from other hosts: %v", name, port)
			}
		}
	}
	d := c.Services["defib"]
	if d.User != "65534:65534" || len(d.GroupAdd) != 1 || !strings.HasPrefix(d.GroupAdd[0], "${DOCKER_GID:?") {
		t.Errorf("defib is user %s with groups %v, want nobody with the socket's group", d.User, d.GroupAdd)
	}
	if want := map[string]string{"type": "none", "o": "bind", "device": "${DOCKER_SOCKET_DIR:-/run}"}; !cmp.Equal(c.Volumes["engine"].DriverOpts, want) {
		t.Errorf("the volume of the socket has %v, want %v", c.Volumes["engine"].DriverOpts, want)
	}
}

func TestComposeAsksForTheSocketsGroup(t *testing.T) {
	t.Parallel()
	out, err := dockerCompose(t, "compose/compose.yaml")
	if err == nil || !strings.Contains(out, "must be the group of /var/run/docker.sock") {
		t.Errorf("without DOCKER_GID: %v\n%s", err, out)
	}
}

// TestComposeAlertmanagerDiffersInAddressesOnly: there is one home for the why,
// and one for the what.
func TestComposeAlertmanagerDiffersInAddressesOnly(t *testing.T) {
	t.Parallel()
	original := read(t, "alertmanager/alertmanager.yml")
	for from, to := range map[string]string{
		"http://127.0.0.1:10911/":       "http://defib:10911/",
		"credentials_file: defib.token": "credentials_file: /run/secrets/defib_token",
	} {
		if !strings.Contains(original, from) {
			t.Fatalf("alertmanager.yml has no %s", from)
		}
		original = strings.ReplaceAll(original, from, to)
	}
	var want, got any
	for text, into := range map[string]*any{original: &want, read(t, "compose/alertmanager.yml"): &got} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alertmanager.yml (-), that of compose (+): %s", diff)
	}
}
