//go:build browser

package guard

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestBrowserSolvesTheTask opens the front page as a stranger while strangers are
// challenged: the page's module does the work, the pass is kept, and the page
// that was wanted comes. With a strict policy, over plain HTTP.
func TestBrowserSolvesTheTask(t *testing.T) {
	t.Parallel()
	g := newGuard(t, func(o *Options) {
		o.Challenge = Always
		o.Classify = func(r *http.Request) Class {
			if r.URL.Path == "/" {
				return Home
			}
			return Free
		}
	})
	var served atomic.Int64
	srv := httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			served.Add(1)
			_, _ = w.Write([]byte("<!doctype html><title>in</title><h1 id=in>Pictures</h1>"))
		}
	})))
	defer srv.Close()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	defer cancel()
	page := srv.URL + "/?back=1"
	if err := chromedp.Do(ctx, chromedp.Navigate(page), chromedp.WaitVisible("#in")); err != nil {
		t.Fatal(err)
	}
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil || !strings.HasSuffix(where, "/?back=1") {
		t.Errorf("at %q, %v", where, err)
	}
	if s := g.Stats(); served.Load() != 1 || s.Challenges != 1 || s.Solved != 1 || s.Forged != 0 {
		t.Errorf("served %d, stats %+v", served.Load(), s)
	}
}
