package docscheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"defib/restarter"
	"defib/restarter/heartbeat"
	"defib/web"
)

// stableStatus are the fields of /api/v1/status, and the values of those that have few.
func stableStatus(t *testing.T) (lines []string) {
	t.Helper()
	typeFields("", reflect.TypeFor[web.Status](), func(field string) { lines = append(lines, "status: field "+field) })
	for field, from := range map[string]struct{ file, typ string }{
		"containers[].kind":    {"web/view.go", "Kind"},
		"containers[].state":   {"engine/container.go", "State"},
		"containers[].health":  {"engine/container.go", "Health"},
		"containers[].trigger": {"restarter/policy/trigger.go", "Trigger"},
		"containers[].reason":  {"restarter/outcome/reason.go", "Reason"},
		"deaths[].cause":       {"engine/container.go", "ExitCause"},
	} {
		for _, value := range constants(t, from.file, from.typ) {
			lines = append(lines, fmt.Sprintf("status: value %s=%s", field, value))
		}
	}
	for s := heartbeat.Unknown; s <= heartbeat.Down; s++ {
		lines = append(lines, fmt.Sprintf("status: value containers[].heartbeat.cells=%c", s.Letter()))
	}
	return lines
}

// constants are the values of a file's constants of this type, but for the empty one.
func constants(t *testing.T, path, typ string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), at(path), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typ && len(spec.Values) == 1 {
			if value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value); err == nil && value != "" {
				values = append(values, value)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants of the type %s", path, typ)
	}
	return values
}

// typeFields emits path and type of each field that JSON has of a type. What may be left
// out bears a question mark.
func typeFields(path string, typ reflect.Type, emit func(string)) {
	if kind := jsonKind(typ); kind != "" {
		emit(path + ", " + kind)
		return
	}
	switch typ.Kind() {
	case reflect.Pointer:
		typeFields(path, typ.Elem(), emit)
	case reflect.Slice:
		typeFields(path+"[]", typ.Elem(), emit)
	case reflect.Map:
		typeFields(path+"{}", typ.Elem(), emit)
	case reflect.Struct:
		for field := range typ.Fields() {
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			if strings.Contains(options, "omit") {
				name += "?"
			}
			switch {
			case name == "-" || !field.IsExported():
			case field.Anonymous && name == "":
				typeFields(path, field.Type, emit)
			default:
				typeFields(strings.TrimPrefix(path+"."+name, "."), field.Type, emit)
			}
		}
	}
}

// jsonKind is what JSON has in place of a type; "": something that has parts.
func jsonKind(typ reflect.Type) string {
	if typ == reflect.TypeFor[time.Time]() {
		return "time"
	}
	if zero, ok := reflect.TypeAssert[json.Marshaler](reflect.Zero(typ)); ok && typ.Kind() != reflect.Pointer {
		text, _ := json.Marshal(zero)
		return map[byte]string{'"': "string", '{': "object", '[': "list"}[text[0]]
	}
	switch typ.Kind() {
	case reflect.String, reflect.Array: // the array is an ID, as text
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	}
	return ""
}

// stablePaths asks a server for everything, while the engine is there and while it is not.
func stablePaths(t *testing.T) (lines []string) {
	t.Helper()
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for when, ready := range map[string]error{"": nil, ", while the engine is unavailable": errors.New("unavailable")} {
		server := web.New(defaultOf("web.telemetry-path"), ok, ok, func(*http.Request) error { return ready }, func() restarter.Report { return restarter.Report{} }, nil)
		for _, path := range []string{"/", "/metrics", "/webhook", "/-/healthy", "/-/ready", "/api/v1/status"} {
			rec := httptest.NewRecorder()
			server.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			kind, _, _ := strings.Cut(rec.Header().Get("Content-Type"), ";")
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("path: %s answers %d %s", path, rec.Code, kind))+when)
		}
	}
	return lines
}
