//go:build browser

package pages_test

import (
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"keepwatch/site/gallery"
)

// faults lists what a page lacks for people who do not see it, or who use a
// keyboard: labels, texts for pictures, the order of headings, names of buttons.
const faults = `(() => {
	const out = [], shown = (e) => e.checkVisibility();
	const name = (e) => (e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ").map((i) => (document.getElementById(i) || {}).textContent || "").join(" ") || e.textContent).trim();
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
		if (![...e.labels].some((l) => l.textContent.trim()) && !e.getAttribute("aria-label")) out.push("no label: " + e.outerHTML.slice(0, 120));
	for (const e of document.querySelectorAll("img")) {
		if (!e.hasAttribute("alt")) out.push("no alt: " + e.outerHTML.slice(0, 120));
		if (!e.alt && !name(e.closest("a, label, li") || e)) out.push("a picture that says nothing: " + e.outerHTML.slice(0, 120));
	}
	for (const e of document.querySelectorAll("a[href], button")) if (shown(e) && !name(e) && !e.querySelector("img[alt]:not([alt=''])")) out.push("no name: " + e.outerHTML.slice(0, 120));
	const heads = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((e) => !e.closest("dialog:not([open])"));
	if (heads.filter((e) => e.tagName === "H1").length !== 1) out.push("not one h1");
	let last = 0;
	for (const e of heads) { const n = Number(e.tagName[1]); if (n > last + 1) out.push("heading " + e.tagName + " after H" + last + ": " + e.textContent); last = n; }
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) out.push("twice the id " + id);
	for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
		for (const id of [e.getAttribute("aria-labelledby"), e.getAttribute("aria-describedby")].join(" ").split(" "))
			if (id && !document.getElementById(id)) out.push("points at no " + id);
	for (const e of document.querySelectorAll(".print img")) { // as large as the window allows, and not larger
		if (e.offsetWidth < innerWidth * .4 && e.offsetHeight < innerHeight * .4) out.push("a picture of " + e.offsetWidth + " x " + e.offsetHeight);
		if (e.offsetHeight > innerHeight || e.offsetWidth > innerWidth) out.push("a picture larger than the window");
		if (Math.abs(e.offsetWidth / e.offsetHeight - e.naturalWidth / e.naturalHeight) > .02 && e.complete && e.naturalWidth) out.push("a distorted picture");
	}
	if (!document.documentElement.lang) out.push("no language");
	if (!document.querySelector("main")) out.push("no main");
	for (const e of document.querySelectorAll(".bar a, button, select, input:not([type=checkbox]):not([type=radio]):not([type=hidden]):not(.unseen)")) {
		const r = e.getBoundingClientRect();
		if (shown(e) && r.height > 1 && r.height < 24) out.push("too small to touch: " + e.outerHTML.slice(0, 100));
	}
	return out;
})()`

// TestBrowserLooks opens every page as a phone and as a desk, by day and by
// night: nothing moves, nothing is cut off, everything has a name.
func TestBrowserLooks(t *testing.T) {
	t.Parallel()
	b := serve(t)
	if _, err := b.site.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := person(t, browser(t), b.url)
	p.open("/")
	checkLook(t, p, "door", "/", 0)
	p.login(b.code(t, "samples", gallery.Write))
	p.open("/recent")
	id := eval[int64](p, `Number(document.querySelector(".mount img").src.match(/(\d+)\.jpg/)[1])`)
	for name, path := range map[string]string{
		"recent": "/recent", "months": "/months", "places": "/places", "people": "/people", "tags": "/tags", "day": "/day/2026-01-05",
		"month": "/month/2026-01", "new": "/new", "deleted": "/deleted", "search": "/search?q=lake", "search-empty": "/search",
		"search-nothing": "/search?q=zeppelin", "photo": fmt.Sprintf("/photo/%d?in=month:2026-01", id), "slides": "/slides?in=month:2026-01",
		"edit": fmt.Sprintf("/edit/%d?in=month:2026-01", id), "batch": "/batch?in=month:2026-01", "upload": "/upload", "access": "/access",
		"nowhere": "/photo/999999",
	} {
		for _, width := range []int64{360, 1280} {
			checkLook(t, p, name, path, width)
		}
	}
}

// checkLook judges one page; width 0 is both, without being logged in.
func checkLook(t *testing.T, p *tab, name, path string, width int64) {
	t.Helper()
	if width == 0 {
		checkLook(t, p, name, path, 360)
		width = 1280
	}
	height := int64(800)
	if width < 500 {
		height = 740
	}
	for _, scheme := range []string{"light", "dark"} {
		p.look(width, height, scheme)
		p.open(path)
		p.pictures()
		at := fmt.Sprintf("%s at %d px, %s", name, width, scheme)
		if eval[bool](p, `document.scrollingElement.scrollWidth > innerWidth`) {
			t.Errorf("%s scrolls sideways: %s", at, eval[string](p, `[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className || e.tagName).slice(0, 5).join(", ")`))
		}
		// On a busy machine the head or the foot is painted a frame before the rest of the
		// page has come (0.0043 was seen). Nothing between them may move, ever.
		moved := eval[[]string](p, `kwShifts`)
		frame := func(what string) bool {
			return slices.Contains([]string{"brand", "menu", "find", "tools", "foot"}, what)
		}
		if got := eval[float64](p, `kwShift`); got > 0.01 || slices.ContainsFunc(moved, func(w string) bool { return !frame(w) }) {
			t.Errorf("%s moves by %.4f while it comes: %v", at, got, moved)
		}
		if got := eval[[]string](p, faults); len(got) > 0 {
			t.Errorf("%s: %v", at, got)
		}
		if !eval[bool](p, `document.fonts.check("16px Go")`) {
			t.Errorf("%s: the font is missing", at)
		}
		p.sound("403")
		p.shot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
	}
}

// TestBrowserWithoutScripts logs in and looks with JavaScript switched off.
func TestBrowserWithoutScripts(t *testing.T) {
	t.Parallel()
	b := serve(t)
	store(t, b, b.code(t, "album", gallery.Write), "quay.jpg", jpegOf(t, image.NewRGBA(image.Rect(0, 0, 900, 600)), ""))
	p := person(t, browser(t), b.url)
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.open("/months")
	p.do(chromedp.SendKeys("#rc", b.code(t, "album", gallery.Read)), chromedp.Submit("#rc"), chromedp.WaitReady(".mount img"))
	for _, path := range []string{"/recent", "/search?q=quay", "/slides", "/photo/1"} {
		p.open(path)
		p.do(chromedp.WaitVisible("main img"))
	}
}

// TestBrowserBusy meets a site that is busy at first: the picture comes all the same.
func TestBrowserBusy(t *testing.T) {
	t.Parallel()
	b := serve(t)
	code := b.code(t, "album", gallery.Write)
	store(t, b, code, "one.jpg", jpegOf(t, image.NewRGBA(image.Rect(0, 0, 900, 600)), ""))
	target, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int32
	next := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/img/") && refused.Add(1) <= 2 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	p := person(t, browser(t), front.URL)
	p.login(code)
	p.pictures()
	if got := refused.Load(); got != 3 {
		t.Errorf("the picture was asked for %d times, want 3", got)
	}
	p.sound("503")
}

// TestBrowserKeys walks by the keys, and by the addresses of the original site.
func TestBrowserKeys(t *testing.T) {
	t.Parallel()
	b := serve(t)
	code := b.code(t, "album", gallery.Write)
	for i, name := range []string{"one.jpg", "two.jpg", "three.jpg"} {
		store(t, b, code, name, jpegOf(t, image.NewRGBA(image.Rect(0, 0, 900, 600+i)), ""))
	}
	p := person(t, browser(t), b.url)
	p.login(code)
	for hash, want := range map[string]string{
		"#dr": "/recent", "#dm": "/months", "#dl1": "/places", "#dl7": "/place/7", "#dp": "/people", "#ddd2026-01-05": "/day/2026-01-05",
		"#ddm2026-01": "/month/2026-01", "#ddp3": "/person/3", "#ddn": "/new", "#t": "/access", "#u": "/upload",
	} {
		p.open("/?" + hash[1:] + hash)
		p.wait(fmt.Sprintf("location.pathname === %q", want))
	}
	press := func(keys ...string) {
		for _, k := range keys {
			p.do(chromedp.KeyEvent(k))
		}
	}
	p.open("/new")
	p.pictures()
	const focused = `document.activeElement.dataset.id`
	first := eval[string](p, `document.querySelector(".shot").dataset.id`)
	press("j")
	p.wait(focused + " === " + fmt.Sprintf("%q", first))
	press("j")
	p.wait(focused + " !== " + fmt.Sprintf("%q", first))
	press("k")
	p.wait(focused + " === " + fmt.Sprintf("%q", first))
	press("e")
	p.wait(fmt.Sprintf("location.pathname === '/edit/%s'", first))
	p.wait(`document.querySelector(".work img").complete`)
	p.do(chromedp.Focus("#cap"), chromedp.KeyEvent("j/?e"))
	if got := eval[string](p, `cap.value`); got != "j/?e" {
		t.Errorf("typing into the caption gave %q", got)
	}
	p.do(chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.wait(fmt.Sprintf("location.pathname.startsWith('/edit/') && location.pathname !== '/edit/%s'", first))
	p.open("/edit/" + first)
	if got := eval[string](p, `cap.value`); got != "j/?e" {
		t.Errorf("leaving by the keys lost the caption: %q", got)
	}
	p.open("/recent")
	press("?")
	p.wait(`keys.open`)
	p.shot("keys")
	press(kb.Escape)
	p.wait(`!keys.open`)
	press("/")
	p.wait(`document.activeElement.id === "q"`)
	p.do(chromedp.KeyEvent("two\r"))
	p.wait(`location.pathname === "/search" && document.querySelectorAll(".shot").length === 1`)
	p.sound("404", "403")
}
