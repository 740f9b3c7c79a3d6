package docscheck

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"defib/internal/cli"
)

// instruction is a line of a Dockerfile, those that continue it included.
type instruction struct{ name, args string }

// stages reads the Dockerfile; what stands before the first FROM is left out.
func stages(t *testing.T) [][]instruction {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	var all [][]instruction
	for line := range strings.Lines(text) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "FROM":
			all = append(all, nil)
		case len(all) == 0 || name == "" || strings.HasPrefix(name, "#"):
			continue
		}
		last := &all[len(all)-1]
		*last = append(*last, instruction{name, strings.Join(strings.Fields(args), " ")})
	}
	if len(all) != 2 {
		t.Fatalf("the Dockerfile has %d stages, want one that builds and one that is left", len(all))
	}
	return all
}

// root is the root of the repository, which all paths begin at. The tests do not change
// into it: Go's test cache would not notice then that a page has changed.
const root = "../.."

func at(path string) string { return filepath.Join(root, path) }

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(at(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDockerfileNeedsNoFrontend: a syntax line would have one fetched.
func TestDockerfileNeedsNoFrontend(t *testing.T) {
	if regexp.MustCompile(`(?mi)^#\s*syntax\s*=`).MatchString(read(t, "Dockerfile")) {
		t.Error("the Dockerfile has a syntax line")
	}
}

func TestDockerfileMakesTheImageThatTheReadmePromises(t *testing.T) {
	final := map[string]string{}
	for _, i := range stages(t)[1] {
		final[i.name] += i.args + "\n"
	}
	for name, want := range map[string]string{
		"FROM":       "scratch", // no shell
		"USER":       "65534:65534",
		"ENTRYPOINT": `["/defib"]`,
		"EXPOSE":     "10911",
		"VOLUME":     "/var/lib/defib",
	} {
		if got := strings.TrimSuffix(final[name], "\n"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.HasSuffix(final["HEALTHCHECK"], "CMD [\"/defib\", \"healthcheck\"]\n") {
		t.Errorf("HEALTHCHECK is %q", final["HEALTHCHECK"])
	}
	for _, flag := range cli.Model().Flags {
		if flag.Name == "web.listen-address" && strings.Join(flag.Default, ",") != ":"+strings.TrimSpace(final["EXPOSE"]) {
			t.Errorf("the image exposes %s, the program listens on %q", final["EXPOSE"], flag.Default)
		}
	}
	for _, label := range []string{"title", "description", "licenses", "version", "revision"} {
		if !strings.Contains(final["LABEL"], "org.opencontainers.image."+label+`="`) {
			t.Errorf("there is no label %s", label)
		}
	}
	for _, word := range []string{"VERSION", "REVISION"} { // an ARG of another stage is empty here
		if strings.Contains(final["LABEL"], "${"+word+"}") && !strings.Contains("\n"+final["ARG"], "\n"+word+"=") {
			t.Errorf("a label takes %s, which is no ARG of its stage", word)
		}
		if !strings.Contains(read(t, "scripts/image.sh"), "--build-arg "+word+"=") {
			t.Errorf("scripts/image.sh does not pass %s", word)
		}
	}
}

// TestDockerfileCompilesForOtherArchitectures: on the builder's own, so that nothing has to be
// emulated, and without BuildKit too, where no platform has a name.
func TestDockerfileCompilesForOtherArchitectures(t *testing.T) {
	build := stages(t)[0]
	if !strings.HasPrefix(build[0].args, "--platform=${BUILDPLATFORM:-linux} golang:") {
		t.Errorf("the compiler is FROM %s", build[0].args)
	}
	compile := slices.Index(build, instruction{"RUN", "GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} scripts/build.sh"})
	for _, name := range []string{"TARGETARCH", "TARGETVARIANT"} { // else empty
		if i := slices.Index(build, instruction{"ARG", name}); i < 0 || i > compile {
			t.Errorf("what is compiled for is no ARG: %s", name)
		}
	}
}

// TestDockerfileCopiesWhatIsThere looks at both ends: what is copied in exists, and what is
// copied on was copied in, or is built.
func TestDockerfileCopiesWhatIsThere(t *testing.T) {
	both := stages(t)
	for _, i := range slices.Concat(both...) {
		words := strings.Fields(i.args)
		if i.name != "COPY" || len(words) < 2 {
			continue
		}
		for _, source := range words[:len(words)-1] {
			source = strings.TrimPrefix(source, "/src/")
			if strings.HasPrefix(source, "--") || source == "defib" || strings.Contains(read(t, "Dockerfile"), "RUN install -d -m 1777 "+source+"/") {
				continue
			}
			if _, err := os.Stat(at(source)); err != nil {
				t.Errorf("COPY %s: %v", i.args, err)
			}
		}
	}
	if !strings.Contains(read(t, "scripts/build.sh"), `-o "${OUTPUT:-defib}"`) {
		t.Error("scripts/build.sh does not build defib, which is copied")
	}
}

// TestDockerignoreLeavesWhatGitKnows: a file that git misses has the program say that it was
// built from a commit and changes.
func TestDockerignoreLeavesWhatGitKnows(t *testing.T) {
	var ignored []string
	for line := range strings.Lines(read(t, ".dockerignore")) {
		if !strings.HasPrefix(line, "#") {
			ignored = append(ignored, "/"+strings.TrimSpace(line))
		}
	}
	untracked := strings.Fields(read(t, ".gitignore"))
	slices.Sort(untracked)
	if !slices.Equal(ignored, untracked) || len(untracked) == 0 {
		t.Errorf(".dockerignore has %q, .gitignore %q", ignored, untracked)
	}
}
