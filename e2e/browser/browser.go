// Package browser opens pages in a headless Chromium, for tests.
package browser

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// limit bounds every wait: machines are slow and busy.
const limit = 60 * time.Second

// Page is a page in a browser of its own, which ends with the test.
type Page struct {
	testing.TB
	base string
	ctx  context.Context //nolint:containedctx // chromedp's contexts are its tabs

	mu     sync.Mutex
	wrongs []string // what the browser complained of, and requests to elsewhere
}

// Open starts a browser and opens base in it. The test fails if the page has the
// browser complain of anything, or ask anybody but base, until the test ends.
func Open(tb testing.TB, base string, actions ...chromedp.Action[chromedp.Void]) *Page {
	tb.Helper()
	if testing.Short() {
		tb.Skip("a browser is slow: leave out -short")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatal("chromium, of Debian's package of that name, is not on the PATH, and CI is set")
		}
		tb.Skip("chromium, of Debian's package of that name, is not on the PATH")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	parent, cancelBrowser := chromedp.NewExecAllocator(context.WithoutCancel(tb.Context()), options...)
	ctx, cancelTab := chromedp.NewContext(parent)
	p := &Page{TB: tb, base: base, ctx: ctx}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the page: %s", text(ctx))
		}
		if err := chromedp.Cancel(ctx); err != nil {
			tb.Error("ending the browser:", err)
		}
		cancelTab()
		cancelBrowser()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, wrong := range p.wrongs {
			tb.Error("the browser: ", wrong)
		}
	})
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		tb.Fatal("starting chromium:", err)
	}
	p.Do(append(actions, chromedp.Navigate(base))...)
	return p
}

// hear takes note of what should not be.
func (p *Page) hear(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *log.EventEntryAdded:
		p.wrongs = append(p.wrongs, string(ev.Entry.Source)+": "+ev.Entry.Text+" "+ev.Entry.URL)
	case *runtime.EventExceptionThrown:
		p.wrongs = append(p.wrongs, "exception: "+ev.ExceptionDetails.Text+" "+ev.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		p.wrongs = append(p.wrongs, "the page writes to the console")
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(ev.Request.URL, p.base) {
			p.wrongs = append(p.wrongs, "request to "+ev.Request.URL)
		}
	}
}

// Forgive forgets complaints that have this in them: the test made for them.
func (p *Page) Forgive(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest []string
	for _, wrong := range p.wrongs {
		if !strings.Contains(wrong, what) {
			rest = append(rest, wrong)
		}
	}
	p.wrongs = rest
}

// Do carries out actions, or fails the test.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// Eval returns what an expression in the page comes to.
func Eval[T any](p *Page, expression string) T {
	p.Helper()
	return get(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Screenshot returns what the reader sees, as PNG; all of the page if whole.
func (p *Page) Screenshot(whole bool) []byte {
	p.Helper()
	if whole {
		return get(p, chromedp.FullScreenshot(100))
	}
	return get(p, chromedp.CaptureScreenshot())
}

func get[T any](p *Page, action chromedp.Action[T]) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.Fatal(err)
	}
	return value
}

// Until waits until an expression in the page is true; what completes the
// sentence "waited for …".
func (p *Page) Until(what, expression string) {
	p.Helper()
	deadline := time.Now().Add(limit)
	for !Eval[bool](p, "Boolean("+expression+")") {
		if time.Now().After(deadline) {
			p.Fatalf("waited %v for %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// text is what a reader would read.
func text(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	shown, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.title + '\\n' + document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return shown
}

// Media has the page shown on "screen" or "print" to somebody who prefers "light" or
// "dark" pages.
func Media(media, scheme string) chromedp.Action[chromedp.Void] {
	return action(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// Scriptless has the page shown without JavaScript.
func Scriptless() chromedp.Action[chromedp.Void] {
	return action(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
}

// Timed has the browser measure how long it computes, see Computed.
func Timed() chromedp.Action[chromedp.Void] {
	return action(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
		return err
	})
}

// Computed returns how long the browser has computed for the page since it was
// opened. How busy the machine is has no part in it.
func (p *Page) Computed() time.Duration {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	result, err := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		p.Fatal(err)
	}
	for _, m := range result.Metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second))
		}
	}
	p.Fatal("the browser does not tell TaskDuration")
	return 0
}

// Node is what a screen reader is told of an element.
type Node struct{ Role, Name string }

// Accessible returns what a screen reader is told of the page, in its order.
func (p *Page) Accessible() []Node {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	tree, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		p.Fatal(err)
	}
	byID := map[accessibility.NodeID]*accessibility.Node{}
	for _, n := range tree.Nodes {
		byID[n.NodeID] = n
	}
	var nodes []Node
	var walk func(n *accessibility.Node)
	walk = func(n *accessibility.Node) {
		if n == nil {
			return
		}
		if !n.Ignored {
			nodes = append(nodes, Node{Role: value(n.Role), Name: value(n.Name)})
		}
		for _, id := range n.ChildIDs {
			walk(byID[id])
		}
	}
	walk(tree.Nodes[0])
	return nodes
}

// value is a text of the accessibility tree.
func value(v *accessibility.Value) string {
	var text string
	if v != nil {
		_ = json.Unmarshal(v.Value, &text) // what is no text has none
	}
	return text
}

func action(f func(ctx context.Context) error) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) })
}
