package web

import (
	"fmt"
	"testing"

	"defib/e2e/browser"
	"defib/restarter"
)

// follow opens an address as a click on a link of an alert would.
func follow(p *browser.Page, hash string) {
	p.Helper()
	browser.Eval[bool](p, fmt.Sprintf("location.hash = %q; true", hash))
}

const marked = `[...document.querySelectorAll("[aria-current]")].map((e) => e.querySelector("bdi").textContent + " " + e.nodeName).join()`

func TestAContainerHasAnAddress(t *testing.T) {
	t.Parallel()
	h := ill()
	p := open(t, h)
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	seen := `(() => {
		const box = document.querySelector("[aria-current]").getBoundingClientRect();
		return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && document.activeElement.hasAttribute("aria-current");
	})()`
	browser.Eval[bool](p, `(() => {
		document.getElementById("left").open = false;
		const box = document.getElementById("filter");
		box.value = "cart";
		box.dispatchEvent(new Event("input"));
		return true;
	})()`)
	for _, row := range []struct{ hash, want string }{
		{"gateway", "gateway LI"},
		{"reports", "reports LI"}, // in a list that was closed
		{"web-3", "web-3 TR"},     // in a row that was filtered out
		{"payments", "payments LI"},
		{"w%65b-2", "web-2 TR"},
	} {
		follow(p, row.hash)
		p.Until(row.hash+" to be in view", fmt.Sprintf("%s === %q && %s", marked, row.want, seen))
	}
	for hash, known := range map[string]bool{"no-such": false, "%": false, "constructor": false, "all": true, "": true} {
		follow(p, hash)
		p.Until("what is no container's address", fmt.Sprintf(`%s === "" && document.getElementById("unknown").hidden === %t`, marked, known))
	}

	// A page that stays open marks it, wherever it goes, and lets the reader go elsewhere.
	follow(p, "token")
	p.Until("token to be in view", fmt.Sprintf(`%s === "token LI" && %s`, marked, seen))
	browser.Eval[bool](p, "scrollTo(0, 0); true")
	h.change(func(r *restarter.Report) { heals(r, "token") })
	p.Until("token to be healed", marked+` === "token TR"`)
	if got := browser.Eval[float64](p, "scrollY"); got != 0 {
		t.Errorf("the page has jumped to %v", got)
	}
}

// The link of an alert may be opened while the engine is down.
func TestAnAddressIsFollowedOnceTheContainersAreKnown(t *testing.T) {
	t.Parallel()
	h := away()
	p := open(t, h)
	follow(p, "gateway")
	p.Until("the cause", `document.getElementById("unavailable") && document.getElementById("unknown").hidden`)
	h.goesAway(nil)
	p.Until("the card", marked+` === "gateway LI" && document.activeElement.hasAttribute("aria-current")`)
}
