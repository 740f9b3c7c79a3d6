package e2e

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
//	go test -run '^$' -bench Budgets -benchtime 1x -timeout 40m ./e2e
//
// Each part can be had alone, as in -bench Budgets/storm.
func BenchmarkBudgets(b *testing.B) {
	var t table
	parts := []struct {
		name    string
		measure func(*testing.B, *table)
	}{
		{"deaths", measureDeaths},
		{"crowd", measureCrowd},
		{"scrapes", measureScrapes},
		{"idle", measureIdle},
		{"replayed", measureReplayed},
		{"storm", measureStorm},
		{"size", measureSize},
	}
	for _, part := range parts {
		b.Run(part.name, func(b *testing.B) {
			var measured table
			for range b.N {
				measured = table{}
				part.measure(b, &measured)
			}
			t = append(t, measured...)
		})
	}
	if !b.Failed() {
		t.print(os.Stdout)
	}
}

// table is what was measured, in the order it was.
type table []row

type row struct {
	what     string
	measured float64
	unit     string
	beside   string // what it stands beside
	other    float64
	budget   string
	bound    float64 // the budget in the unit; 0: none
}

func (t table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nwhat\tmeasured\tbeside\t\tratio\tbudget\t")
	for _, r := range t {
		other, ratio, verdict := "", "", ""
		if r.beside != "" {
			other, ratio = fmt.Sprintf("%.2f %s", r.other, r.unit), fmt.Sprintf("%.2f", r.measured/r.other)
		}
		switch {
		case r.bound == 0:
		case r.measured <= r.bound:
			verdict = "kept"
		default:
			verdict = fmt.Sprintf("missed by %.2f %s", r.measured-r.bound, r.unit)
		}
		fmt.Fprintf(tw, "%s\t%.2f %s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.measured, r.unit, r.beside, other, ratio, r.budget, verdict)
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
