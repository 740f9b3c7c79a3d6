package web

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"defib/e2e/browser"
)

// luminance is as defined by https://www.w3.org/TR/WCAG22/#dfn-relative-luminance.
func luminance(rgb []float64) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := rgb[i] / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(a, b []float64) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// colours returns, for each visible text, placeholder, edge of a control and bar, its
// colour and that behind it, as rendered.
const colours = `(() => {
	const rgb = (text) => text.match(/[\d.]+/g).map(Number);
	const visible = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const colour = rgb(getComputedStyle(e).backgroundColor);
			if (colour[3] === undefined) return colour;
			if (colour[3] !== 0) throw new Error("half a background: " + e.outerHTML);
		}
		return [255, 255, 255];
	};
	const seen = new Map();
	const add = (what, text, front, back, least) => seen.set([front, back, least].join(), { What: what, Text: text, Front: rgb(front), Back: back, Least: least });
	for (const e of document.body.querySelectorAll("*")) {
		if (!visible(e)) continue;
		const style = getComputedStyle(e);
		if (style.opacity !== "1") throw new Error("opacity: " + e.outerHTML);
		const text = [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join("").trim();
		if (text) add(e.nodeName, text, style.color, behind(e), 4.5);
		if (e.nodeName === "path") add("path", e.getAttribute("class"), style.stroke, behind(e), 3);
		const before = getComputedStyle(e, "::before");
		if (!["none", "normal"].includes(before.content)) add(e.nodeName + "::before", before.content, before.color, behind(e), 4.5);
		if (e.nodeName !== "INPUT") continue;
		add("placeholder", e.placeholder, getComputedStyle(e, "::placeholder").color, behind(e), 4.5);
		add("edge", e.id, style.borderTopColor, behind(e.parentElement), 3);
	}
	return [...seen.values()];
})()`

// Text can be read by tired eyes, and controls be found: WCAG 2.2 AA asks for 4.5 and 3.
func TestWhatIsShownHasContrast(t *testing.T) {
	t.Parallel()
	h := deadly()
	h.report.DryRun, h.report.HoldFault = true, "line 1: not understood"
	p := open(t, h)
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	for _, state := range []struct{ name, prepare string }{
		{"as it is", `follow(); true`},
		{"an unknown container", `location.hash = "nobody"; true`},
		{"Defib gone", `look = () => {}; lose("gone"); true`},
	} {
		browser.Eval[bool](p, state.prepare)
		for _, media := range []string{"screen", "print"} {
			for _, scheme := range []string{"light", "dark"} {
				p.Do(browser.Media(media, scheme))
				pairs := browser.Eval[[]struct {
					What, Text  string
					Front, Back []float64
					Least       float64
				}](p, colours)
				if len(pairs) < 5 {
					t.Errorf("only %d colours on %s", len(pairs), media)
				}
				for _, c := range pairs {
					if got := contrast(c.Front, c.Back); got < c.Least {
						t.Errorf("%s, %s, %s: %s %q has a contrast of %.2f, want %.1f", state.name, media, scheme, c.What, c.Text, got, c.Least)
					}
					if media == "print" && luminance(c.Back) < 1 {
						t.Errorf("%s, %s: %s %q stands on a background, which browsers do not print", state.name, scheme, c.What, c.Text)
					}
				}
			}
		}
	}
}

// Paper has no filter to use and no list to open.
func TestThePageOnPaper(t *testing.T) {
	t.Parallel()
	p := open(t, ill(), browser.Media("print", "dark"))
	p.Until("the page", `!document.getElementById("filter-box").hidden`)
	browser.Eval[bool](p, `document.getElementById("left").open = false; document.activeElement.blur(); true`)
	for what, want := range map[string]bool{
		"#filter":                 false,
		"#left .case":             true,
		"#need .command":          true,
		"#rows td.wide":           true,
		"#rows .day svg":          true,
		"#done tbody tr":          true,
		"footer a[href='m']":      false,
		"footer p":                true,
		"body > header #engine":   true,
		"#heard tbody td.outcome": true,
	} {
		if got := browser.Eval[bool](p, fmt.Sprintf(`document.querySelector(%q).checkVisibility({ contentVisibilityAuto: true })`, what)); got != want {
			t.Errorf("%s is printed: %t, want %t", what, got, want)
		}
	}
}

// cells counts tables and what is in them: stylesheets can make a table none.
func cells(nodes []browser.Node) map[string]int {
	count := map[string]int{}
	for _, n := range nodes {
		if slices.Contains([]string{"table", "row", "rowheader"}, n.Role) {
			count[n.Role]++
		}
	}
	return count
}

// What a screen reader goes by: landmarks, headings, and the names of controls.
func TestWhatAScreenReaderIsTold(t *testing.T) {
	t.Parallel()
	p := open(t, ill())
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	nodes := p.Accessible()

	var outline []string
	names := map[string]bool{}
	for _, n := range nodes {
		switch n.Role {
		case "banner", "main", "contentinfo", "region", "heading", "status", "alert":
			outline = append(outline, strings.TrimSpace(n.Role+" "+n.Name))
		case "link", "button", "textbox", "searchbox", "DisclosureTriangle", "group", "table", "image":
			if n.Name == "" {
				t.Errorf("a %s has no name", n.Role)
			}
		}
		if n.Role == "region" || n.Role == "link" {
			if names[n.Role+n.Name] {
				t.Errorf("two of role %s are called %q", n.Role, n.Name)
			}
			names[n.Role+n.Name] = true
		}
	}
	want := []string{
		"banner", "heading harbor-3", "main", "status",
		"region Needs attention", "heading Needs attention", "heading payments", "heading explorer", "heading gateway", "heading importer", "heading ledger",
		"region Being healed", "heading Being healed", "heading token",
		"heading Left alone", "heading backup", "heading reports",
		"region All containers", "heading All containers", "status", "region What Defib did", "heading What Defib did",
		"region Alerts received", "heading Alerts received", "contentinfo",
	}
	p.Do(chromedp.EmulateViewport(320, 568))
	p.Until("the window to be resized", "innerWidth === 320")
	if got, want := cells(p.Accessible()), cells(nodes); !maps.Equal(got, want) || want["table"] != 3 {
		t.Errorf("on a phone there are %v, else %v", got, want)
	}
	if !slices.Equal(outline, want) {
		t.Errorf("the outline is\n%q\nwant\n%q", outline, want)
	}
	if got := browser.Eval[string](p, `[...document.querySelectorAll("h1, h2, h3")].map((h) => +h.nodeName[1]).every((level, i, all) => level <= (all[i - 1] ?? 0) + 1) + " " + document.documentElement.lang`); got != "true en" {
		t.Errorf("levels of headings without a gap, and the language: %s", got)
	}
}

// Tab goes through the page from top to bottom, and the focus can be seen.
func TestTheKeyboardReachesEverything(t *testing.T) {
	t.Parallel()
	p := open(t, deadly())
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	want := browser.Eval[[]string](p, `[...document.querySelectorAll("summary, input, a, .scroll, .log")].filter((e) => e.checkVisibility()).map((e, i) => e.dataset.stop = i + " " + e.nodeName)`)
	var got []string
	for range want {
		p.Do(chromedp.KeyEvent(kb.Tab))
		stop := browser.Eval[struct {
			Stop        string
			Width       float64
			Front, Back []float64
		}](p, `(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			const rgb = (text) => text.match(/[\d.]+/g).map(Number);
			return { Stop: e.dataset.stop ?? e.nodeName, Width: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth), Front: rgb(style.outlineColor), Back: rgb(getComputedStyle(document.body).backgroundColor) };
		})()`)
		got = append(got, stop.Stop)
		if stop.Width < 2 || contrast(stop.Front, stop.Back) < 3 {
			t.Errorf("the focus on %s can hardly be seen: %+v", stop.Stop, stop)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Tab goes to\n%q\nwant\n%q", got, want)
	}
}
