package bench

import (
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// BenchmarkBudgets measures what Defib promises, each beside what it is compared
// with, in one run on one machine, and prints one table:
//
//	go test -run '^$' -bench Budgets -benchtime 1x -timeout 0 ./e2e/bench
//
// Each part can be had alone, as in -bench Budgets/storm.
func BenchmarkBudgets(b *testing.B) {
	parts := []struct {
		name    string
		runs    int // whose medians count; 1 for what takes several samples by itself, or long
		measure func(*testing.B, *table)
	}{
		{"deaths", 1, measureDeaths},
		{"postmortem", 1, measureEvidence},
		{"crowd", 1, measureCrowd},
		{"snapshot", 1, measureSnapshot},
		{"scrapes", 1, measureScrapes},
		{"idle", 1, measureIdle},
		{"replayed", 3, measureReplayed},
		{"resources", 1, measureResources},
		{"thousand", 1, measureThousand},
		{"fleet", 1, measureFleet},
		{"storm", 3, measureStorm},
		{"size", 1, measureSize},
	}
	var t table
	for _, part := range parts {
		b.Run(part.name, func(b *testing.B) {
			runs := make([]table, part.runs)
			for i := range runs {
				part.measure(b, &runs[i])
			}
			t = append(t, medians(runs)...)
		})
	}
	t.print(os.Stdout)
}

// table is what was measured, in the order it was.
type table []row

type row struct {
	what     string
	measured float64
	unit     string
	beside   string // what it stands beside
	other    float64
	budget   budget
}

// budget is what a row may measure at most: so many times of what it stands
// beside, and so much more in its unit. The zero value is none.
type budget struct {
	text         string
	factor, more float64
}

// medians of the same rows, measured several times.
func medians(runs []table) table {
	t := slices.Clone(runs[0])
	for i := range t {
		var measured, other times
		for _, run := range runs {
			measured, other = append(measured, run[i].measured), append(other, run[i].other)
		}
		t[i].measured, t[i].other = measured.median(), other.median()
	}
	return t
}

func (t table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nwhat\tmeasured\tbeside\t\tratio\tbudget\t")
	for _, r := range t {
		other, ratio, verdict := "", "", ""
		if r.beside != "" {
			other, ratio = fmt.Sprintf("%.2f %s", r.other, r.unit), fmt.Sprintf("%.2f", r.measured/r.other)
		}
		bound := r.budget.factor*r.other + r.budget.more
		switch {
		case r.budget == budget{}:
		case r.measured <= bound:
			verdict = "kept"
		default:
			verdict = fmt.Sprintf("missed by %.2f %s", r.measured-bound, r.unit)
		}
		fmt.Fprintf(tw, "%s\t%.2f %s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.measured, r.unit, r.beside, other, ratio, r.budget.text, verdict)
	}
	fmt.Fprintln(tw)
	tw.Flush()
}

// series of measurements in milliseconds.
type times []float64

func (t *times) add(d time.Duration) { *t = append(*t, float64(d)/float64(time.Millisecond)) }

func (t times) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (t times) median() float64 { return t.quantile(0.5) }
