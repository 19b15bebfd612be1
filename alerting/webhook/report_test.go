package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keepwatch/alerting"
	"keepwatch/probe"
)

func TestReportSender(t *testing.T) {
	t.Parallel()
	var got ReportBody
	var header http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(srv.Close)
	s := NewReportSender(Report{Name: "wiki", URL: probe.Secret(srv.URL + "/hook?token=hush"), Headers: map[string]probe.Secret{"Authorization": "Bearer hush"}})
	body := ReportBody{Version: 1, ID: "r1", Week: "2026-W47", Revision: 1, Text: "shop MET", Report: json.RawMessage(`{"week":"2026-W47"}`)}
	if r := s.Send(t.Context(), body); r.Class != alerting.Taken {
		t.Fatalf("got %+v", r)
	}
	if got.Text != "shop MET" || string(got.Report) != `{"week":"2026-W47"}` || header.Get("Idempotency-Key") != "r1" || header.Get("Authorization") != "Bearer hush" {
		t.Errorf("got %+v with %v", got, header)
	}
	srv.Close()
	if r := s.Send(t.Context(), body); r.Class == alerting.Taken || strings.Contains(r.Detail, "hush") {
		t.Errorf("got %+v", r)
	}
}

func TestReportValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  Report
		want string
	}{
		"good":    {Report{Name: "wiki", URL: "https://wiki.example.com/x"}, ""},
		"empty":   {Report{}, "name url"},
		"bad":     {Report{Name: "a b", URL: "ftp://x", Headers: map[string]probe.Secret{"A:": "b"}}, "name url headers"},
		"newline": {Report{Name: "wiki\n", URL: "https://x"}, "name"},
	} {
		var got []string
		tt.cfg.Validate(func(path, msg string) {
			got = append(got, path)
			if strings.Contains(msg, "ftp://") {
				t.Errorf("%s: the address is printed", name)
			}
		})
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %q", name, got, tt.want)
		}
	}
}
