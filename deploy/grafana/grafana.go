// Package grafana reads the dashboard, so that tests can hold it to what the
// program exposes.
package grafana

import (
	_ "embed"
	"encoding/json"
)

//go:embed dashboards/defib.json
var dashboard []byte

// Dashboard is as much of one as the tests look at.
type Dashboard struct {
	UID, Title string
	Panels     []Panel
	Templating struct {
		List []struct{ Name, Definition string }
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

// Panel is one; a row has those that it folds away as its own.
type Panel struct {
	ID                       int
	Type, Title, Description string
	Collapsed                bool
	Datasource               Datasource
	GridPos                  Position
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []Target
	Panels                   []Panel
}

// Datasource says whom a panel or a query asks.
type Datasource struct{ Type, UID string }

// Position is a rectangle on a grid of 24 columns.
type Position struct{ X, Y, W, H int }

// Target is a query of a panel.
type Target struct {
	RefID, Expr string
	Instant     bool
	Datasource  Datasource
}

// Query is an expression with where it stands, for people.
type Query struct {
	Where, Expr string
	Instant     bool
}

// Defib returns the dashboard.
func Defib() (*Dashboard, error) {
	d := &Dashboard{}
	return d, json.Unmarshal(dashboard, d)
}

// All returns every panel, those of folded rows too.
func (d *Dashboard) All() []Panel {
	var all []Panel
	for _, p := range d.Panels {
		all = append(append(all, p), p.Panels...)
	}
	return all
}

// Queries returns those of panels and of annotations.
func (d *Dashboard) Queries() []Query {
	var all []Query
	for _, p := range d.All() {
		for _, t := range p.Targets {
			all = append(all, Query{p.Title + ", " + t.RefID, t.Expr, t.Instant})
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all = append(all, Query{"annotation " + a.Name, a.Expr, false})
		}
	}
	return all
}
