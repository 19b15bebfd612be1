//go:build browser

package web

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// browser opens a tab of a real Chromium: `make test-browser` installs it.
func browser(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// wide reports whether the page is wider than its window.
const wide = `document.scrollingElement.scrollWidth > window.innerWidth`

// styled reports whether the style sheet arrived past the content security policy.
const styled = `getComputedStyle(document.querySelector(".card")).borderRadius !== "0px"`

// TestBrowserAcknowledges reads the page as a person does, on a phone and on a desk, and presses the button.
func TestBrowserAcknowledges(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx := browser(t)
	for _, width := range []int64{360, 1200} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(srv.URL)); err != nil {
			t.Fatal(err)
		}
		if got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wide)); err != nil || got {
			t.Errorf("at %d px the status page scrolls sideways (%v)", width, err)
		}
		if got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](styled)); err != nil || !got {
			t.Errorf("at %d px the style sheet is missing (%v)", width, err)
		}
	}
	heading, err := chromedp.Run(ctx, chromedp.Text("h1"))
	if err != nil || !strings.Contains(heading, "shop is failing") {
		t.Errorf("heading: got %q, %v", heading, err)
	}
	if err := chromedp.Do(ctx, chromedp.Click("form button"), chromedp.WaitVisible("input[name=by]")); err != nil {
		t.Fatal(err)
	}
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil || !strings.HasSuffix(where, "/incidents/kw-shop-1") {
		t.Errorf("after the button: at %q, %v", where, err)
	}
	if diff := cmp.Diff(d.acked, []string{"kw-shop-1 by console"}); diff != "" {
		t.Errorf("acks (-got +want):\n%s", diff)
	}
}

// TestBrowserAckLink opens the link of a page; only the button acknowledges.
func TestBrowserAckLink(t *testing.T) {
	t.Parallel()
	s, d, h := setup(t)
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx := browser(t)
	link := s.Signer.Link(srv.URL, "kw-shop-1", "ada", time.Now())
	if err := chromedp.Do(ctx, chromedp.Navigate(link)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.WaitVisible("button")); err != nil {
		t.Fatal(err)
	}
	if len(d.acked) != 0 {
		t.Fatal("opening the link acknowledged")
	}
	if err := chromedp.Do(ctx, chromedp.Click("button"), chromedp.WaitVisible("input[name=by]")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.acked, []string{"kw-shop-1 by ada"}); diff != "" {
		t.Errorf("acks (-got +want):\n%s", diff)
	}
}
