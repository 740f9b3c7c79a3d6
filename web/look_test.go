package web

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"defib/e2e/browser"
	"defib/engine"
)

var screenshots = flag.String("screenshots", "", "directory in which to put what the tests of the page's look have seen")

// idle is a host on a good day.
func idle() *host {
	h := ill()
	h.report.Containers = h.report.Containers[:0:0]
	for _, s := range ill().report.Containers {
		if s.Container.Well() {
			h.report.Containers = append(h.report.Containers, s)
		}
	}
	h.report.Whitelist, h.report.Holds = patterns("*"), nil
	return h
}

func away() *host {
	h := ill()
	h.away = errAway
	return h
}

// long has names of the greatest lengths.
func long() *host {
	name := strings.Repeat("a-long-name", 20)
	return newHost(died(name, minAgo, 1, held("back_off", hour), as(func(c *engine.Container) { c.Image, c.Error = name, strings.Repeat(name, 20) })), runs(name+"2", hour))
}

// A page that has to be pushed to and fro is none for a phone.
func TestThePageIsAsWideAsTheWindow(t *testing.T) {
	for name, h := range map[string]*host{"ill": ill(), "idle": idle(), "away": away(), "thousand": many(1000), "hostile": stranger(), "long": long()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, h)
			for _, window := range []struct {
				name          string
				width, height int64
			}{{"wide", 1180, 860}, {"phone", 390, 844}, {"small", 320, 568}} {
				p.Do(chromedp.EmulateViewport(window.width, window.height))
				p.Until("the window to be resized", "innerWidth === "+strconv.FormatInt(window.width, 10))
				if got := browser.Eval[int64](p, "document.scrollingElement.scrollWidth"); got > window.width {
					t.Errorf("%s: the page is %d wide, the window %d", window.name, got, window.width)
				}
				if got := browser.Eval[int](p, `[...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth).length`); got > 0 {
					t.Errorf("%s: %d tables are wider than their place", window.name, got)
				}
				if got := browser.Eval[int](p, `[...document.querySelectorAll(".case")].filter((card) => card.offsetWidth < card.parentElement.clientWidth).length`); got > 0 {
					t.Errorf("%s: %d cards leave a hole beside them", window.name, got)
				}
				shoot(t, p, name+"-"+window.name)
			}
			p.Do(browser.Dark())
			shoot(t, p, name+"-dark")
		})
	}
}

func shoot(t *testing.T, p *browser.Page, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	for suffix, whole := range map[string]bool{"": false, "-whole": true} {
		if err := os.WriteFile(filepath.Join(*screenshots, name+suffix+".png"), p.Screenshot(whole), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var colour = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{3,6})`)

// colours reads those of one scheme.
func colours(text string) map[string]string {
	found := map[string]string{}
	for _, m := range colour.FindAllStringSubmatch(text, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// luminance is as defined by https://www.w3.org/TR/WCAG21/#dfn-relative-luminance.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = hex[1:]
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// Text can be read by tired eyes: 4.5 is what WCAG asks for.
func TestColoursHaveContrast(t *testing.T) {
	light, dark, _ := strings.Cut(string(asset("style.css")), "@media (prefers-color-scheme: dark)")
	dark, _, _ = strings.Cut(dark, "\n}\n")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		c := colours(text)
		for pair := range strings.FieldsSeq("ink/paper ink/card ink/code soft/paper soft/card soft/code link/paper link/card " +
			"need/need-wash healing/healing-wash fine/fine-wash hold/hold-wash need/card healing/card hold/card card/need") {
			front, back, _ := strings.Cut(pair, "/")
			a, b := luminance(t, c[front]), luminance(t, c[back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", scheme, front, back, ratio)
			}
		}
	}
}
