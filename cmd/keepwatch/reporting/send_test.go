package reporting

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/reports"
	"keepwatch/reports/courier"
	"keepwatch/reports/sample"
)

// noting is the book, and tells when something was settled.
type noting struct {
	postgres.Sending
	settled chan struct{}
}

func (n noting) Settle(ctx context.Context, e courier.Entry) error {
	defer func() { n.settled <- struct{}{} }()
	return n.Sending.Settle(ctx, e)
}

// TestReportIsSentOnce: a written report reaches the address of the configuration,
// once however often daemons start, and again by hand.
func TestReportIsSentOnce(t *testing.T) {
	t.Parallel()
	got := make(chan []byte, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- body
	}))
	t.Cleanup(srv.Close)
	path := filepath.Join(t.TempDir(), "keepwatch.yaml")
	text := "version: 1\nchecks: [{name: a, tcp: {address: \"127.0.0.1:1\"}}]\nservices: [{name: a, critical: [a]}]\n" +
		"console: {listen: 127.0.0.1:0, public_url: \"https://console.example\"}\n" +
		"reports: {to: [team@example.com], smtp: {host: \"127.0.0.1:1\", from: kw@example.com, tls: none}, webhooks: [{name: wiki, url: \"" + srv.URL + "\"}]}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(config.Options{Path: path, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	db := pgtest.New(t)
	now := time.Now().UTC()
	r := sample.Met()
	week := reports.WeekBefore(now, time.UTC)
	r.Week, r.Zone, r.From, r.To, r.Revision = week.String(), "UTC", week.From, week.To, 1
	store := postgres.Reports{DB: db}
	if err := store.Save(t.Context(), r, now); err != nil {
		t.Fatal(err)
	}
	all := Recipients(f)
	if names := courier.Names(all); names != "mail:team@example.com, webhook:wiki" {
		t.Fatalf("recipients: %s", names)
	}
	noted := noting{Sending: postgres.Sending{Reports: store}, settled: make(chan struct{}, 8)}
	c := &courier.Courier{Book: noted, Recipients: func() []courier.Recipient { return all[1:] }, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }() // ends with cancel
	select {
	case <-noted.settled:
	case <-time.After(20 * time.Second):
		t.Error("the courier did not send in time")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var sent struct {
		Week, Text, Link string
		Report           reports.Report
	}
	body := <-got
	if err := json.Unmarshal(body, &sent); err != nil || sent.Week != r.Week || len(sent.Report.Services) != 1 || sent.Report.Services[0].BadMs != r.Services[0].BadMs ||
		!strings.Contains(sent.Text, "fakeflickr MET 98.98 %") || sent.Link != "https://console.example/reports/"+r.Week+"?revision=1&zone=UTC" {
		t.Errorf("sent %s (%v)", body, err)
	}
	outcomes, err := Send(t.Context(), db, f, r, "")
	if err != nil || len(outcomes) != 2 {
		t.Fatalf("by hand: %v, %v", outcomes, err)
	}
	if outcomes[0].Err == nil || outcomes[1].Err != nil || !outcomes[1].Before {
		t.Errorf("by hand: the mail server is not there, the webhook had it: %+v", outcomes)
	}
	if n := len(got); n != 1 { // that of sending by hand only
		t.Errorf("%d more deliveries, want 1", n)
	}
	entries, err := postgres.Sending{Reports: store}.Entries(t.Context(), now.Add(-time.Hour))
	if err != nil || len(entries) != 2 {
		t.Fatalf("entries %+v, %v", entries, err)
	}
}
