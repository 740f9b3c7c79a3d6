package query

import (
	"strings"
	"testing"
)

const page = `# X

## Metrics

The usual ` + "`go_*` and `process_*`" + ` metrics are there too.

| metric | type | labels | meaning |
|---|---|---|---|
| ` + "`light_on` | gauge | `name`, `colour` | 1 if it is on: `red`, `green`" + ` |
| ` + "`light_labels` | gauge | `name`, `label_*`" + ` | 1 |
| ` + "`light_seconds` | histogram | `name`" + ` | how long |

## More
`

func TestCheckFindsWhatTheReadmeDoesNotKnow(t *testing.T) {
	t.Parallel()
	doc, err := Read(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, expr, wrong string }{
		{"all right", `sum by (name) (light_on{colour=~"red|green", name=~"$name"}) > 0`, ""},
		{"joined", `light_on == 1 and on (instance, name) light_on{colour="red"}`, ""},
		{"a histogram", `histogram_quantile(0.5, sum by (name, le) (rate(light_seconds_bucket[5m])))`, ""},
		{"a subquery", `max_over_time(light_on[1h:1m] @ end()) * 2`, ""},
		{"one of every program's", `rate(process_cpu_seconds_total{job="x"}[5m])`, ""},
		{"Prometheus's own", `up == 0`, ""},
		{"a label of the user's", `light_labels{label_room="kitchen"}`, ""},
		{"a label that is replaced", `label_replace(light_on, "name", "$1", "name", "[/-](bulb)")`, ""},
		{"no metric", `vector(0)`, "no metric found"},
		{"a metric that is not there", `light_off`, "no light_off"},
		{"a histogram by its bare labels", `light_on{le="1"}`, "has no label le"},
		{"a label that is not there", `light_on{color="red"}`, "has no label color"},
		{"a label that is not the user's", `light_labels{room="kitchen"}`, "has no label room"},
		{"a value that is not there", `light_on{colour=~"red|blue"}`, `colour="blue"`},
		{"grouped by what is not there", `sum by (shape) (light_on)`, "has a label shape"},
	} {
		_, wrong := doc.Check(row.expr)
		got := strings.Join(wrong, "\n")
		if (row.wrong == "") != (got == "") || !strings.Contains(got, row.wrong) {
			t.Errorf("%s, %s: complains %q, want %q", row.name, row.expr, got, row.wrong)
		}
	}
}

func TestReadWantsTheTable(t *testing.T) {
	t.Parallel()
	if _, err := Read("# X\n\nNone.\n"); err == nil {
		t.Error("a page without metrics is taken")
	}
}
