// Command matrix prints what came of the tests of several runs: for each engine and server
// that was used, its release and how many tests it took part in, and what was left out and
// why. Its arguments are files of go test -json, named RUN.json. It fails if a test did, or
// a run that ended in another way, or if nothing was tested: without -some in one of them.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	some := flag.Bool("some", false, "only some tests were asked for: a run may have had none of them")
	flag.Parse()
	var runs []*run
	for _, path := range flag.Args() {
		r, err := read(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		runs = append(runs, r)
	}
	if !report(os.Stdout, runs, *some) {
		os.Exit(1)
	}
}

// report writes all about the runs, and reports whether they passed.
func report(w io.Writer, runs []*run, some bool) bool {
	ok, ran := true, 0
	for _, r := range runs {
		n, passed := r.report(w, some)
		ok, ran = ok && passed, ran+n
	}
	table(w, runs)
	leftOut(w, runs)
	if ran == 0 {
		fmt.Fprintln(w, "\nFAIL nothing was tested")
	}
	return ok && ran > 0
}

// run is one call of go test.
type run struct {
	name    string
	passed  bool
	elapsed float64
	tests   map[string]*test // by name, subtests too
	output  strings.Builder  // of no test
}

type test struct {
	result string // pass, fail, skip; empty: it was cut short
	output strings.Builder
}

// event is a line of go test -json, as cmd/test2json describes it.
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

func read(path string) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parse(strings.TrimSuffix(filepath.Base(path), ".json"), f)
}

func parse(name string, from io.Reader) (*run, error) {
	r := &run{name: name, tests: map[string]*test{}}
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return r, nil // half a line is of a run that was cut short
		}
		if err != nil {
			return nil, fmt.Errorf("reading the run %s: %w", name, err)
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			e = event{Output: string(line)} // what test2json, or its Go, has to say
		}
		r.add(e)
	}
}

func (r *run) add(e event) {
	result := e.Action == "pass" || e.Action == "fail" || e.Action == "skip"
	switch {
	case e.Test == "" && result:
		r.passed, r.elapsed = e.Action == "pass", e.Elapsed
	case e.Test == "":
		r.output.WriteString(e.Output)
	default:
		t := r.tests[e.Test]
		if t == nil {
			t = &test{}
			r.tests[e.Test] = t
		}
		t.output.WriteString(e.Output)
		if result {
			t.result = e.Action
		}
	}
}

// top is the test to which a subtest belongs.
func top(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}

// report writes all about what failed, and the closing line of the run. It returns how many
// tests ran, and whether the run passed, which one without tests does only if it may be empty.
func (r *run) report(w io.Writer, empty bool) (ran int, passed bool) {
	failed := 0
	for _, name := range slices.Sorted(maps.Keys(r.tests)) {
		t := r.tests[name]
		if t.result != "pass" && t.result != "skip" {
			fmt.Fprintf(w, "== %s, %s:\n%s\n", r.name, name, t.output.String())
		}
		if name != top(name) || t.result == "skip" {
			continue
		}
		ran++
		if t.result != "pass" {
			failed++
		}
	}
	ok := r.passed && failed == 0 && (ran > 0 || empty)
	verdict := "ok"
	if !ok {
		verdict = "FAIL"
		fmt.Fprint(w, r.output.String())
	}
	fmt.Fprintf(w, "%-4s %s: %d tests, %d failed, %.0f s\n", verdict, r.name, ran, failed, r.elapsed)
	return ran, ok
}

// uses is what harness.Uses logs.
var uses = regexp.MustCompile(`: uses (\S+ \S+)\n`)

// row is what a program of one release took part in.
type row struct{ passed, failed int }

func (r *run) rows() map[string]*row {
	used := map[string]map[string]bool{} // by program, then by test
	for name, t := range r.tests {
		for _, found := range uses.FindAllStringSubmatch(t.output.String(), -1) {
			if used[found[1]] == nil {
				used[found[1]] = map[string]bool{}
			}
			used[found[1]][top(name)] = true
		}
	}
	rows := map[string]*row{}
	for program, tests := range used {
		counted := &row{}
		for name := range tests {
			switch r.tests[name].result {
			case "pass":
				counted.passed++
			case "skip": // on second thoughts: it may take an engine to find out
			default:
				counted.failed++
			}
		}
		if *counted != (row{}) {
			rows[program] = counted
		}
	}
	return rows
}

func table(w io.Writer, runs []*run) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nRUN\tPROGRAM\tRELEASE\tTESTS RUN\tPASSED\tFAILED")
	for _, r := range runs {
		rows := r.rows()
		for _, program := range slices.Sorted(maps.Keys(rows)) {
			name, release, _ := strings.Cut(program, " ")
			passed, failed := rows[program].passed, rows[program].failed
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\n", r.name, name, release, passed+failed, passed, failed)
		}
	}
	t.Flush()
}

// leftOut counts tests and cases of tests by the reason why they were skipped.
func leftOut(w io.Writer, runs []*run) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nRUN\tLEFT OUT\tWHY")
	for _, r := range runs {
		reasons := map[string]int{}
		for _, one := range r.tests {
			if one.result == "skip" {
				reasons[one.reason()]++
			}
		}
		most := func(a, b string) int { return cmp.Or(reasons[b]-reasons[a], cmp.Compare(a, b)) }
		for _, why := range slices.SortedFunc(maps.Keys(reasons), most) {
			fmt.Fprintf(t, "%s\t%d\t%s\n", r.name, reasons[why], why)
		}
	}
	t.Flush()
}

var logged = regexp.MustCompile(`(?m)^\s+\w+\.go:\d+: (.*)$`)

// reason is the last line that a test logged, which for one that was skipped says why.
func (t *test) reason() string {
	all := logged.FindAllStringSubmatch(t.output.String(), -1)
	if len(all) == 0 {
		return "it does not say"
	}
	return all[len(all)-1][1]
}
