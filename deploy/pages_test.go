package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"defib/engine"
	"defib/internal/cli"
	"defib/restarter/policy"
)

// block is a fenced block of a page.
type block struct {
	where, language, text string
}

var fence = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```$")

// blocks returns the fenced blocks of a page, in order.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	text := read(t, page)
	var all []block
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		line := 1 + strings.Count(text[:m[0]], "\n")
		lines := strings.Split(text[m[6]:m[7]], "\n")
		for i := range lines { // of a list it is indented
			lines[i] = strings.TrimPrefix(lines[i], text[m[2]:m[3]])
		}
		all = append(all, block{fmt.Sprintf("%s:%d", page, line), text[m[4]:m[5]], strings.Join(lines, "\n")})
	}
	if len(all) == 0 {
		t.Fatalf("%s has no blocks", page)
	}
	return all
}

// compose reports whether a block is a compose file.
func (b block) compose() bool {
	return b.language == "yaml" && regexp.MustCompile(`(?m)^services:$`).MatchString(b.text)
}

// file writes the block into a directory of its own.
func (b block) file(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkCompose has a compose file read by docker compose, the settings of Defib in it by
// Defib, and the labels on containers compared with those that there are.
func checkCompose(t *testing.T, b block) {
	t.Helper()
	path := b.file(t, "compose.yaml")
	if out, err := dockerCompose(t, path, "DOCKER_GID=987"); err != nil {
		t.Errorf("%s: %v\n%s", b.where, err, out)
	}
	for _, s := range composed(t, path).Services {
		if s.Image == "defib" {
			if err := accepted(t, append(slices.Clone(s.Command), asFlags(t, s.Environment)...)); err != nil {
				t.Errorf("%s: %v", b.where, err)
			}
		}
	}
	checkLabels(t, b)
}

// checkLabels looks at every label of Defib's in a block, and its value.
func checkLabels(t *testing.T, b block) {
	t.Helper()
	for _, m := range regexp.MustCompile(`\b(defib\.[a-z-]+)(?:: |=)"?([0-9a-z,-]*)`).FindAllStringSubmatch(b.text, -1) {
		c := &engine.Container{Labels: map[string]string{m[1]: m[2]}}
		if wrong := policy.ReadLabels(c, policy.Settings{}).Mislabelled(); wrong != nil {
			t.Errorf("%s: %q", b.where, wrong)
		}
	}
}

// asFlags turns environment variables of Defib's into its flags. Those of Docker's client
// are not looked at.
func asFlags(t *testing.T, environment map[string]string) []string {
	t.Helper()
	known := map[string]string{}
	for _, f := range cli.Model().Flags {
		known["DEFIB_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(f.Name))] = f.Name
	}
	var flags []string
	for name, value := range environment {
		switch {
		case known[name] != "" && value == "true": // of a switch, which takes no value
			flags = append(flags, "--"+known[name])
		case known[name] != "":
			flags = append(flags, "--"+known[name]+"="+value)
		case strings.HasPrefix(name, "DEFIB_"):
			t.Errorf("there is no flag for %s", name)
		}
	}
	return flags
}

// accepted has Defib itself check flags. Files that they name need not be there: a token
// is put in their place.
func accepted(t *testing.T, flags []string) error {
	t.Helper()
	token := block{text: strings.Repeat("0123456789abcdef", 2)}.file(t, "token")
	args := []string{"check", "--docker.host=unix://" + filepath.Join(t.TempDir(), "no.sock")}
	for _, flag := range flags {
		switch name, _, _ := strings.Cut(flag, "="); name {
		case "--docker.host":
		case "--webhook.token-file":
			args = append(args, name+"="+token)
		case "--restart.hold-file", "--state.file":
			args = append(args, name+"="+filepath.Join(t.TempDir(), "file"))
		case "--web.config.file":
			args = append(args, name+"="+block{text: "{}"}.file(t, "web.yml"))
		default:
			args = append(args, flag)
		}
	}
	var out, mistakes strings.Builder
	cli.Run(t.Context(), args, &out, &mistakes)
	// The engine is not there, which is said after the settings.
	settings, _, found := strings.Cut(out.String(), "\n\n")
	if !found || strings.Contains(settings, "FAIL") {
		return fmt.Errorf("%v: %s%s", flags, settings, mistakes.String())
	}
	return nil
}

func TestAcceptedRefusesWhatDefibDoes(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--restart.polcy=always", "--restart.policy=sometimes", "--restart.whitelist=^web$"} {
		if accepted(t, []string{flag}) == nil {
			t.Errorf("%s is accepted", flag)
		}
	}
}

func TestResourcesPageHasComposeFilesThatWork(t *testing.T) {
	t.Parallel()
	const page = "../docs/resources.md"
	found := 0
	for _, b := range blocks(t, page) {
		if !b.compose() {
			continue
		}
		found++
		checkCompose(t, b)
		if d := composed(t, b.file(t, "compose.yaml")).Services["defib"]; !d.readsResources() {
			t.Errorf("%s: Defib cannot read what containers use: %+v", b.where, d)
		}
	}
	if found == 0 {
		t.Error("there is none")
	}
}

func TestVPNPageHasAComposeFileThatWorks(t *testing.T) {
	t.Parallel()
	found := slices.DeleteFunc(blocks(t, "../docs/vpn.md"), func(b block) bool { return !b.compose() })
	if len(found) != 1 {
		t.Fatalf("%d compose files, want the one that e2e runs", len(found))
	}
	checkCompose(t, found[0])
	children := 0
	for name, s := range composed(t, found[0].file(t, "compose.yaml")).Services {
		if s.NetworkMode == "" {
			continue
		}
		children++
		if s.NetworkMode != "service:vpn" || s.Labels["defib.enable"] != "true" || s.Labels["defib.recreate"] != "true" {
			t.Errorf("%s has the network of %s and labels %v", name, s.NetworkMode, s.Labels)
		}
	}
	if children != 3 {
		t.Errorf("%d children, want 3", children)
	}
}

func TestReadmeHasAComposeFileThatWorks(t *testing.T) {
	t.Parallel()
	const page = "../README.md"
	i := slices.IndexFunc(blocks(t, page), block.compose)
	if i < 0 {
		t.Fatal("there is none")
	}
	b := blocks(t, page)[i]
	checkCompose(t, b)
	if lines := strings.Count(b.text, "\n"); lines > 14 {
		t.Errorf("it has %d lines, want 14 at most", lines)
	}
	d := composed(t, b.file(t, "compose.yaml")).Services["defib"]
	if d.Image != "defib" || len(d.Volumes) != 3 || !d.readsResources() || len(d.GroupAdd) != 1 || len(d.Ports) != 1 || !strings.HasPrefix(fmt.Sprint(d.Ports[0]), "127.0.0.1:") {
		t.Errorf("Defib has image, socket, group or port wrong: %+v", d)
	}
	if !strings.Contains(b.text, `defib.enable: "true"`) {
		t.Error("no container is whitelisted")
	}
}
