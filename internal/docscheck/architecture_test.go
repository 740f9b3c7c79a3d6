package docscheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared returns the functions, methods (Type.Method) and types of the repository, of
// its tests too.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, name := range s.Names {
							names[name.Name] = true
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// receiver is "Type." of a method, "" of a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	typ := d.Recv.List[0].Type
	if p, ok := typ.(*ast.StarExpr); ok {
		typ = p.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}

// identifier is a name of the code as the page writes it.
var identifier = regexp.MustCompile(`^(?:[a-z]+\.)?([A-Z]\w*|[a-z]+\w*)(\.[A-Za-z]\w*)?$`)

func TestArchitectureNamesWhatThereIs(t *testing.T) {
	page := read(t, "docs/architecture.md")
	names := declared(t)
	found := 0
	for _, word := range quoted(page) {
		if _, err := os.Stat(at(word)); err == nil {
			found++
			continue // a file or a folder
		}
		if folder, _, below := strings.Cut(word, "/"); below && folder != "" && !strings.ContainsAny(word, " *") {
			if _, err := os.Stat(at(folder)); err == nil {
				t.Errorf("docs/architecture.md speaks of %s, which does not exist", word)
			}
		}
		if strings.ContainsAny(word, " -/'") || !identifier.MatchString(word) {
			continue
		}
		_, after, qualified := strings.Cut(word, ".")
		if !names[word] && (!qualified || !names[after]) && word != "die" {
			t.Errorf("docs/architecture.md speaks of %s, which does not exist", word)
		}
		found++
	}
	if found < 30 {
		t.Errorf("only %d names were found: this test does not see them", found)
	}
}

func TestTheMapHasEachPackage(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "defib/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	mapped := quoted(read(t, "docs/architecture.md"))
	for path := range strings.FieldsSeq(string(out)) {
		if dir := strings.TrimPrefix(path, "defib/"); dir != "defib" && !slices.Contains(mapped, dir) {
			t.Errorf("docs/architecture.md: the map has no %s", dir)
		}
	}
}

func TestEachLawHasATest(t *testing.T) {
	_, laws, _ := strings.Cut(read(t, "docs/architecture.md"), "\n## Laws\n")
	laws, _, _ = strings.Cut(laws, "\n## ")
	names := declared(t)
	// The last is kept by the rule tests, which are run by both releases of promtool.
	for _, m := range regexp.MustCompile(`(?m)^(\d+)\. `).FindAllStringSubmatch(laws, -1) {
		law := regexp.MustCompile(`^Test\w*Law` + m[1] + `(\D|$)`)
		has := m[1] == "13"
		for name := range names {
			has = has || law.MatchString(name)
		}
		if !has {
			t.Errorf("no test bears the number of law %s", m[1])
		}
	}
}
