//go:build browser

package web

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/oncall"
)

// faint lists texts of the page whose contrast is below WCAG's AA (4.5 to 1).
const faint = `(() => {
	const rgb = s => { const m = s.match(/[\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m };
	const lum = c => { const f = c.slice(0,3).map(v => { v /= 255; return v <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4 }); return .2126*f[0]+.7152*f[1]+.0722*f[2] };
	const under = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c) return c } return [255,255,255] };
	const bad = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.offsetParent === null) continue;
		const a = lum(rgb(getComputedStyle(e).color)), b = lum(under(e));
		const ratio = (Math.max(a,b)+.05)/(Math.min(a,b)+.05);
		if (ratio < 4.5) bad.push(e.tagName + " " + e.textContent.trim().slice(0,30) + " " + ratio.toFixed(2));
	}
	return bad.join("; ");
})()`

// TestBrowserPagesOfPeople looks at the incident, the list and the plan on a phone
// and on a desk, in the light and in the dark, without a script of ours.
func TestBrowserPagesOfPeople(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	shift := func(person string, days int) PlannedShift {
		return PlannedShift{Shift: oncall.Shift{Rotation: "primary", Person: person, From: opened.AddDate(0, 0, days), To: opened.AddDate(0, 0, days+7), Source: oncall.FromRotation}}
	}
	covered := shift("grace", 7)
	covered.Source, covered.Instead, covered.Why = oncall.FromOverride, "ada", "ada: a dentist"
	d.plan = Plan{
		Now: opened, People: map[string]string{"ada": "Ada", "grace": "Grace"}, Holes: []string{"primary: nobody is on call from Monday to Tuesday"},
		Rotations: []RotationPlan{{Name: "primary", Now: shift("ada", 0).Shift, Next: covered.Shift, Shifts: []PlannedShift{shift("ada", 0), covered, shift("", 14)}}},
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx := browser(t)
	for _, page := range []string{"/incidents/kw-shop-1", "/incidents", "/oncall"} {
		for _, width := range []int64{360, 1200} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(srv.URL+page), chromedp.WaitVisible("main")); err != nil {
				t.Fatal(err)
			}
			if got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wide)); err != nil || got {
				t.Errorf("%s at %d px scrolls sideways (%v)", page, width, err)
			}
			if got, err := chromedp.Run(ctx, chromedp.Evaluate[string](faint)); err != nil || got != "" {
				t.Errorf("%s at %d px has faint text: %s (%v)", page, width, got, err)
			}
			if dir := t.ArtifactDir(); dir != "" {
				shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				name := strings.ReplaceAll(strings.Trim(page, "/"), "/", "-") + map[int64]string{360: "-phone", 1200: ""}[width] + ".png"
				if err := os.WriteFile(filepath.Join(dir, name), shot, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestBrowserDeeds presses the buttons of the incident page that do not acknowledge.
func TestBrowserDeeds(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	d.did = make(chan struct{}, 9)
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx := browser(t)
	press := func(more bool, note, verb string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/incidents/kw-shop-1"), chromedp.WaitVisible("#by"), chromedp.SendKeys("#by", "ada"), chromedp.SendKeys("#text", note)); err != nil {
			t.Fatal(err)
		}
		if more {
			if err := chromedp.Do(ctx, chromedp.Click("details.more summary")); err != nil {
				t.Fatal(err)
			}
		}
		if err := chromedp.Do(ctx, chromedp.Click(`button[formaction$="/`+verb+`"]`)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-d.did:
		case <-ctx.Done():
			t.Fatalf("the button of %s did nothing", verb)
		}
		for back := false; !back; { // the page comes back empty; while it does, nobody can be asked
			back, _ = chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && document.querySelector("#by").value === ""`))
			if ctx.Err() != nil {
				t.Fatal(ctx.Err())
			}
		}
	}
	press(false, "the disk is full", "note")
	press(true, "", "silence")
	press(true, "", "resolve")
	want := []Act{
		{Verb: VerbNote, Incident: "kw-shop-1", By: "ada", Via: "console", Text: "the disk is full"},
		{Verb: VerbSilence, Incident: "kw-shop-1", By: "ada", Via: "console", For: 30 * time.Minute},
		{Verb: VerbResolve, Incident: "kw-shop-1", By: "ada", Via: "console"},
	}
	if diff := cmp.Diff(d.acts, want, cmpopts.IgnoreFields(Act{}, "At")); diff != "" {
		t.Errorf("acts (-got +want):\n%s", diff)
	}
}
