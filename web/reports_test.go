package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keepwatch/reports"
	"keepwatch/reports/page"
	"keepwatch/reports/pdf"
	"keepwatch/reports/plain"
	"keepwatch/reports/sample"
)

// menu is the formats of the tests.
func menu() []reports.Format {
	return []reports.Format{plain.Text{}, page.HTML{}, pdf.PDF{}, plain.CSV{}, reports.JSON{}}
}

func (d *desk) SavedReports(context.Context) ([]reports.Saved, error) {
	at := time.Date(2025, 11, 3, 17, 0, 0, 0, time.UTC)
	return []reports.Saved{
		{Week: "2025-W44", Zone: "America/Los_Angeles", Revision: 2, Written: at.Add(time.Hour)},
		{Week: "2025-W44", Zone: "America/Los_Angeles", Revision: 1, Written: at},
		{Week: "2025-W43", Zone: "UTC", Revision: 1, Written: at.AddDate(0, 0, -7)},
	}, d.failing
}

func (d *desk) LoadReport(_ context.Context, week, zone string, revision int) (reports.Report, error) {
	if d.failing != nil {
		return reports.Report{}, d.failing
	}
	r := sample.Met()
	if week != "" && week != r.Week || revision > r.Revision || zone == "Nowhere" {
		return reports.Report{}, ErrNotFound
	}
	return r, nil
}

func TestReports(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	const html = "text/html,*/*"
	for _, tt := range []struct {
		name, target, accept string
		code                 int
		media                string
		want                 []string
	}{
		{"list", "/reports", html, 200, "text/html", []string{"2025-W44", "revision=1", "revision=2", "zone=America", "3 Nov 2025 18:00 UTC"}},
		{"manager's page", "/reports/2025-W44", html, 200, "text/html", []string{"MET", "98.98 %", `href="/report.css"`, "Worst outages", "format=pdf"}},
		{"on-call page", "/reports/2025-W44?page=oncall&service=fakeflickr", html, 200, "text/html", []string{"what happened", "no incident was opened"}},
		{"a program gets text", "/reports/2025-W44", "*/*", 200, "text/plain", []string{"MET          availability 98.98 %"}},
		{"running week", "/reports/now?format=text", "", 200, "text/plain", []string{"fakeflickr"}},
		{"pdf", "/reports/2025-W44?format=pdf&revision=2", html, 200, "application/pdf", []string{"%PDF-"}},
		{"html file", "/reports/2025-W44?format=html&file=1", html, 200, "text/html", []string{"<style>"}},
		{"json", "/api/v1/reports/2025-W44", "", 200, "application/json", []string{`"availability": "98.98"`}},
		{"sheet", "/report.css", "", 200, "text/css", []string{".verdict"}},
		{"no such week", "/reports/2020-W01", html, 404, "", nil},
		{"no such service", "/reports/2025-W44?service=none", html, 404, "", nil},
		{"no such revision", "/api/v1/reports/2025-W44?revision=9", "", 404, "", nil},
		{"no week", "/reports/yesterday", html, 400, "", nil},
		{"a week of another kind", "/reports/..%2f..%2fetc", html, 400, "", nil},
		{"no page", "/reports/now?page=ceo", html, 400, "", nil},
		{"no format", "/reports/now?format=doc", html, 400, "", nil},
		{"no number", "/reports/now?revision=-1", html, 400, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, tt.target, nil)
			r.Header.Set("Accept", tt.accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.code || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.media) {
				t.Fatalf("got %d %s, want %d %s: %.200s", w.Code, w.Header().Get("Content-Type"), tt.code, tt.media, w.Body)
			}
			for _, want := range tt.want {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the answer lacks %q", want)
				}
			}
		})
	}
	if d.failing != nil {
		t.Error("the table must not fail on purpose")
	}
}

// TestReportsKeepThePolicy: nothing on the page needs an inline style, a script or another host.
func TestReportsKeepThePolicy(t *testing.T) {
	t.Parallel()
	_, _, h := setup(t)
	for _, target := range []string{"/reports", "/reports/2025-W44", "/reports/2025-W44?page=oncall"} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body := w.Body.String()
		for _, bad := range []string{"<style", "style=", "<script", "onclick", "http://", "https://"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", target, bad)
			}
		}
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'; style-src 'self'") {
			t.Errorf("%s: Content-Security-Policy is %q", target, got)
		}
	}
}

func TestReportFiles(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	if got, want := do(h, "GET", "/reports/2025-W44?format=csv", "").Header().Get("Content-Disposition"), `attachment; filename="keepwatch-2025-W44-r2.csv"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var r reports.Report
	if err := json.Unmarshal(do(h, "GET", "/api/v1/reports/2025-W44", "").Body.Bytes(), &r); err != nil || r.Services[0].BadMs != sample.Met().Services[0].BadMs {
		t.Errorf("the API's report: %v, %d ms bad", err, r.Services[0].BadMs)
	}
	d.failing = errors.New("secret detail")
	w := do(h, "GET", "/reports/2025-W44", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("got %d %q: the wrapped chain must stay in the log", w.Code, w.Body)
	}
}
