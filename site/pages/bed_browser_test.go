//go:build browser

package pages_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
)

// patience is how long a page may take for one thing on a busy machine.
const patience = 30 * time.Second

// bed is the whole site on a real Postgres, real files and a real socket.
type bed struct {
	url    string
	photos postgres.Photos
	site   *site.Site
}

func serve(t *testing.T) bed {
	t.Helper()
	dir := t.TempDir()
	db := pgtest.New(t)
	cfg := site.Config{Originals: filepath.Join(dir, "originals")}
	cfg.Cache.Dir = filepath.Join(dir, "cache")
	cfg.Uploads.Dir = filepath.Join(dir, "uploads")
	none := time.Duration(0)
	cfg.Drain = &none
	cfg.Challenge = guard.Never // a busy machine is no attack here
	cfg.SetDefaults()
	store := postgres.Photos{DB: db}
	s, err := site.New(cfg, store, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the site ended: %v", err)
		}
	})
	return bed{url: "http://" + ln.Addr().String(), photos: store, site: s}
}

// code makes a code of the operator's.
func (b bed) code(t *testing.T, tag string, level gallery.Level) string {
	t.Helper()
	code := gallery.NewCode()
	err := b.photos.MakeCode(t.Context(), gallery.ImportedCode{Tag: tag, Code: gallery.Code{Code: code, Level: level}, Now: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	return gallery.FormatCode(code)
}

// browser starts one Chromium for a test.
func browser(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab is a browser of one person: its cookies are its own.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // it is the tab: chromedp keeps tabs in contexts
	base string

	mu    sync.Mutex
	wrong []string // guarded by mu: what the browser complained about
}

// watching runs in every document before anything else: it notes violations of
// the policy, shifts of the layout and beacons that fired.
const watching = `
window.kwViolations = []; window.kwShift = 0; window.kwShifts = []; window.kwBeacons = 0;
window.beacon = () => { window.kwBeacons++; };
document.addEventListener("securitypolicyviolation", (e) => window.kwViolations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));
new PerformanceObserver((l) => { for (const e of l.getEntries()) if (!e.hadRecentInput) { window.kwShift += e.value;
  for (const s of e.sources) window.kwShifts.push((s.node && (s.node.className || s.node.nodeName)) + ""); } }).observe({ type: "layout-shift", buffered: true });
window.confirm = () => true;
`

func person(t *testing.T, browser context.Context, base string) *tab { //nolint:revive // t comes first in tests
	t.Helper()
	p := &tab{t: t, base: base}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // the tab ends with the context of its first use
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1280, 800)) //nolint:contextcheck // the tab has its own
	call(p, log.Enable, cdp.Empty{})
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watching})
	return p
}

func call[P, R any](p *tab, cmd cdp.Command[P, R], params P) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, cmd, params); err != nil {
		p.t.Fatal(err)
	}
}

// listen notes what the browser complains about.
func (p *tab) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			p.wrong = append(p.wrong, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		p.wrong = append(p.wrong, "exception: "+e.ExceptionDetails.Text)
	}
}

// complaints returns and forgets what the browser complained about, save refusals
// that a test asks for by a part of their text.
func (p *tab) complaints(but ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.DeleteFunc(p.wrong, func(w string) bool {
		return slices.ContainsFunc(but, func(b string) bool { return strings.Contains(w, b) })
	})
	p.wrong = nil
	return out
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%v, at %s", err, p.where())
	}
}

func (p *tab) where() string {
	at, _ := chromedp.Run(p.ctx, chromedp.Location())
	return strings.TrimPrefix(at, p.base)
}

// open goes to a page, also to one that answers with an error, and waits until the
// page before it is gone and the new one is there with its scripts: what is asked
// next must not reach the old one.
func (p *tab) open(path string) {
	p.t.Helper()
	eval[bool](p, "window.kwLeaving = true")
	p.do(chromedp.Navigate(p.base + path))
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	const arrived = "!window.kwLeaving && document.readyState === 'complete'" // no promise: scripts may be off
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](arrived))
		if err == nil && ok {
			return
		}
		if ctx.Err() != nil {
			p.t.Fatalf("%s never came (%v): %v", path, err, p.complaints())
		}
	}
}

// wait asks the page, frame after frame, until an expression is true and the page
// with its scripts is there.
func (p *tab) wait(what string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	expr := fmt.Sprintf("new Promise((r) => requestAnimationFrame(() => r(document.readyState === 'complete' && Boolean(%s))))", what)
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expr, chromedp.EvalAwaitPromise))
		if err == nil && ok {
			return
		}
		if ctx.Err() != nil { // an error before that is a page that is being left
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			p.t.Fatalf("at %s never: %s (%v)\n%s\n%v", p.where(), what, err, text, p.complaints())
		}
	}
}

func eval[T any](p *tab, expr string) T {
	p.t.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expr))
	if err != nil {
		p.t.Fatalf("%s: %v", expr, err)
	}
	return out
}

// text is what people read in the part of the page.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(selector, chromedp.NodeVisible))
}

// write replaces what is in a field.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`((e) => { e.focus(); e.select(); return true; })(document.querySelector(%q))`, selector))
	p.do(chromedp.SendKeys(selector, text))
}

// login types a code at the door.
func (p *tab) login(code string) {
	p.t.Helper()
	p.open("/")
	p.write("#rc", code)
	p.click(".door button")
	p.wait(`document.querySelector(".bar")`)
}

// pictures waits until the pictures in the window are there.
func (p *tab) pictures() {
	p.t.Helper()
	p.wait(`document.readyState === "complete" && document.fonts.status === "loaded" &&
		[...document.images].every((i) => (i.complete && i.naturalWidth > 0) || i.getBoundingClientRect().top > innerHeight || i.offsetParent === null)`)
}

// look sets the window and the colours.
func (p *tab) look(width, height int64, scheme string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// shot keeps a screenshot for those who look at them.
func (p *tab) shot(name string) {
	p.t.Helper()
	p.pictures()
	data, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), data, 0o600)
	}
	if err != nil {
		p.t.Error(err)
	}
}

// sound fails when the page violated its policy, moved while it came, or when the
// browser complained.
func (p *tab) sound(but ...string) {
	p.t.Helper()
	if got := eval[[]string](p, "kwViolations"); len(got) > 0 {
		p.t.Errorf("%s violates its policy: %v", p.where(), got)
	}
	if got := eval[int](p, "kwBeacons"); got > 0 {
		p.t.Errorf("%s ran %d beacons", p.where(), got)
	}
	if got := p.complaints(but...); len(got) > 0 {
		p.t.Errorf("%s: the browser complains: %v", p.where(), got)
	}
}

// drawing is a small picture whose upper left corner is red, so that turning shows.
func drawing(width, height int, ground color.RGBA) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := ground
			c.G += uint8(y * 60 / height)
			c.B += uint8(x * 60 / width)
			if x < width/3 && y < height/3 {
				c = color.RGBA{R: 220, G: 30, B: 30, A: 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// jpegOf encodes a drawing, with the maker of its camera in EXIF when there is one.
func jpegOf(t *testing.T, img image.Image, maker string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	if maker == "" {
		return out.Bytes()
	}
	text := append([]byte(maker), 0)
	tiff := binary.BigEndian.AppendUint32([]byte("MM\x00\x2a"), 8)
	tiff = binary.BigEndian.AppendUint16(tiff, 1)      // entries
	tiff = binary.BigEndian.AppendUint16(tiff, 0x010f) // Make
	tiff = binary.BigEndian.AppendUint16(tiff, 2)      // ASCII
	tiff = binary.BigEndian.AppendUint32(tiff, uint32(len(text)))
	tiff = binary.BigEndian.AppendUint32(tiff, 26)
	tiff = binary.BigEndian.AppendUint32(tiff, 0)
	tiff = append(tiff, text...)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(segment)+2))
	return slices.Concat(head, segment, out.Bytes()[2:])
}

// zipOf packs files; pairs of names and contents.
func zipOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, data := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// put writes a file for the chooser.
func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
