//go:build browser

package page

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"keepwatch/reports/sample"
	"keepwatch/reports/sheet"
)

// policy is the console's.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// served shows every sample as the console does: /met?page=manager.
func served(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /report.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, Style)
	})
	mux.HandleFunc("GET /favicon.ico", http.NotFound)
	for _, s := range sample.All() {
		mux.HandleFunc("GET /"+s.Name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := Write(w, s.Report, Options{Page: sheet.Page(r.URL.Query().Get("page")), Style: "/report.css"}); err != nil {
				t.Error(err)
			}
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// tab opens a tab of a real Chromium: `make test-browser` installs it.
func tab(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, ctx context.Context, address string, width, height int64) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(address), chromedp.WaitReady("footer")); err != nil {
		t.Fatal(err)
	}
}

func media(t *testing.T, ctx context.Context, scheme, kind string) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: kind, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, ctx context.Context, js string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return got
}

func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	data, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(t.ArtifactDir(), name), data, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

// fold is one screen: 600 pixels wide, as high as a small tablet or half a laptop.
const fold = 860

// TestBrowserAboveTheFold: what a manager must see is on the first screen.
func TestBrowserAboveTheFold(t *testing.T) {
	t.Parallel()
	url, ctx := served(t), tab(t)
	for _, name := range []string{"met", "missed", "unproven"} {
		open(t, ctx, url+"/"+name+"?page=manager", 600, fold)
		for _, selector := range []string{".verdict", ".big", ".budget svg", ".budget .left", ".trend svg", ".worst li:nth-child(3)", ".load", ".people"} {
			bottom := ask[float64](t, ctx, fmt.Sprintf(`(e => e ? e.getBoundingClientRect().bottom : -1)(document.querySelector(%q))`, selector))
			absent := name != "met" && (selector == ".trend svg" || selector == ".worst li:nth-child(3)") // they have neither
			if bottom < 0 && !absent || bottom > fold {
				t.Errorf("%s: %s ends at %.0f px, want at most %d", name, selector, bottom, fold)
			}
		}
		shot(t, ctx, "report-"+name+"-600.png")
	}
}

// TestBrowserOneSheetOfPaper: the manager's page of one service is one A4.
func TestBrowserOneSheetOfPaper(t *testing.T) {
	t.Parallel()
	url, ctx := served(t), tab(t)
	pages := regexp.MustCompile(`/Type\s*/Page\b[^s]`)
	for _, tt := range []struct {
		target string
		most   int
	}{{"/met?page=manager", 1}, {"/missed?page=manager", 1}, {"/unproven?page=manager", 1}, {"/met", 3}} {
		open(t, ctx, url+tt.target, 800, 1000)
		on := true
		got, err := chromedp.Call(ctx, cdppage.PrintToPDF, cdppage.PrintToPDFParams{PreferCSSPageSize: &on, PrintBackground: &on})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(pages.FindAll(got.Data, -1)); n < 1 || n > tt.most {
			t.Errorf("%s: %d sheets, want 1 to %d", tt.target, n, tt.most)
		}
	}
}

// TestBrowserFits: nothing is wider than the window, however long names are.
func TestBrowserFits(t *testing.T) {
	t.Parallel()
	url, ctx := served(t), tab(t)
	for _, s := range sample.All() {
		for _, width := range []int64{360, 600, 1200} {
			open(t, ctx, url+"/"+s.Name, width, 900)
			if got := ask[float64](t, ctx, `document.scrollingElement.scrollWidth`); got > float64(width) {
				t.Errorf("%s at %d px is %.0f px wide", s.Name, width, got)
			}
		}
		if n := ask[int](t, ctx, `document.querySelectorAll("script, iframe, img, object, embed, form, [onload], [onerror]").length`); n != 0 {
			t.Errorf("%s: %d elements that no report has", s.Name, n)
		}
	}
	open(t, ctx, url+"/met?page=oncall", 760, 900)
	shot(t, ctx, "report-oncall.png")
	open(t, ctx, url+"/met?page=manager", 360, 900)
	shot(t, ctx, "report-phone.png")
}

// contrast returns every text with too little contrast to the ground it lies on, and
// every shape of a chart with less than 3 to 1 to its card (WCAG 2.2, 1.4.3 and 1.4.11).
const contrast = `(() => {
	const rgb = (c) => (c.match(/[\d.]+/g) || []).map(Number);
	const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
	const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
	const bad = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let texts = 0;
	for (let n; (n = walk.nextNode());) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest("title, desc, defs")) continue;
		texts++;
		const style = getComputedStyle(e), svg = e.closest("svg");
		const r = ratio(rgb(svg ? style.fill : style.color).slice(0, 3), ground(svg ? svg.parentElement : e));
		if (r < 4.5) bad.push(n.data.trim().slice(0, 40) + ": " + r.toFixed(2));
	}
	if (texts < 5) bad.push("only " + texts + " texts");
	for (const e of document.querySelectorAll("svg.chart path, svg.chart rect")) {
		if (e.closest("defs")) continue;
		const style = getComputedStyle(e), paint = rgb(style.fill).length >= 3 && style.fill !== "none" && !style.fill.startsWith("url") ? style.fill : style.stroke;
		const r = ratio(rgb(paint).slice(0, 3), ground(e.closest("svg").parentElement));
		if (r < 3) bad.push("shape " + e.getAttribute("class") + ": " + r.toFixed(2));
	}
	return bad;
})()`

// TestBrowserContrast: AA in light, in dark and on paper.
func TestBrowserContrast(t *testing.T) {
	t.Parallel()
	url, ctx := served(t), tab(t)
	for _, m := range []struct{ scheme, kind string }{{"light", "screen"}, {"dark", "screen"}, {"dark", "print"}} {
		for _, name := range []string{"met", "missed", "unproven", "nodata"} {
			open(t, ctx, url+"/"+name, 600, 900)
			media(t, ctx, m.scheme, m.kind)
			for _, bad := range ask[[]string](t, ctx, contrast) {
				t.Errorf("%s, %s %s: %s", name, m.scheme, m.kind, bad)
			}
			if name == "missed" {
				shot(t, ctx, "report-"+name+"-"+m.scheme+"-"+m.kind+".png")
			}
		}
	}
}

// TestBrowserCharts: each picture has words for those who do not see it, and shapes
// differ by more than colour.
func TestBrowserCharts(t *testing.T) {
	t.Parallel()
	url, ctx := served(t), tab(t)
	open(t, ctx, url+"/met", 600, 900)
	if n := ask[int](t, ctx, `[...document.querySelectorAll("svg")].filter((s) => s.getAttribute("role") === "img" && s.getAttribute("aria-labelledby").split(" ").every((id) => document.getElementById(id).textContent.length > 10)).length - document.querySelectorAll("svg").length`); n != 0 {
		t.Errorf("%d charts without words", -n)
	}
	if got := ask[bool](t, ctx, `(() => { const ids = [...document.querySelectorAll("[id]")].map((e) => e.id); return new Set(ids).size === ids.length; })()`); !got {
		t.Error("an id is there twice")
	}
	tall := ask[bool](t, ctx, `(() => { const h = (c) => Math.max(...[...document.querySelectorAll(".strip svg path." + c)].map((e) => e.getBBox().height)); return h("kb") > h("kg") + 5; })()`)
	if !tall {
		t.Error("lost hours are not taller than good ones")
	}
}
