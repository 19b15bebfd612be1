//go:build browser

package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserReports goes from the list to the manager's page and on to the on-call
// page, with the style sheet that the policy lets through.
func TestBrowserReports(t *testing.T) {
	t.Parallel()
	_, _, h := setup(t)
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx := browser(t)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(600, 860), chromedp.Navigate(srv.URL+"/reports"), chromedp.Click(`tbody a`), chromedp.WaitVisible(".verdict")); err != nil {
		t.Fatal(err)
	}
	colour, err := chromedp.Run(ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector(".verdict")).backgroundColor`))
	if err != nil || colour != "rgb(17, 115, 75)" && colour != "rgb(76, 195, 138)" {
		t.Errorf("the verdict's ground is %q (%v): the style sheet is missing", colour, err)
	}
	if err := chromedp.Do(ctx, chromedp.Click(`nav a[href*="page=oncall"]`), chromedp.WaitVisible("table.outages")); err != nil {
		t.Fatal(err)
	}
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil || !strings.Contains(where, "/reports/2025-W44?page=oncall") {
		t.Errorf("at %q, %v", where, err)
	}
	if got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wide)); err != nil || got {
		t.Errorf("the on-call page scrolls sideways (%v)", err)
	}
}
