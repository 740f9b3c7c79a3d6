package web

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"defib/e2e/browser"
	"defib/engine"
	"defib/stats"
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
	h := newHost(died(name, minAgo, 1, held("back_off", hour), as(func(c *engine.Container) { c.Image, c.Error = name, strings.Repeat(name, 20) })), runs(name+"2", hour))
	h.read(map[string]*stats.Usage{name + "2": quota(using(999, 1023<<40, 1023<<40), 1000)})
	h.reading.Faults = []stats.Fault{stats.Fault(name)}
	return h
}

// A page that has to be pushed to and fro is none for a phone.
func TestThePageIsAsWideAsTheWindow(t *testing.T) {
	for name, h := range map[string]*host{"ill": ill(), "idle": idle(), "away": away(), "thousand": many(1000), "hostile": stranger(), "long": long(), "deaths": deadly()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, h)
			for _, window := range []struct {
				name, media, scheme string
				width, height       int64
			}{
				{"wide", "screen", "light", 1180, 860},
				{"dark", "screen", "dark", 1180, 860},
				{"phone", "screen", "light", 390, 844},
				{"small", "screen", "light", 320, 568},
				{"paper", "print", "light", 718, 1046}, // A4 with the usual margins
			} {
				p.Do(browser.Media(window.media, window.scheme), chromedp.EmulateViewport(window.width, window.height))
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
