package daemon

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"keepwatch/alerting/fakepd"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
	"keepwatch/probe"
)

// TestReloadExchangesWebhookSecrets: a rotated secret counts from the reload on.
func TestReloadExchangesWebhookSecrets(t *testing.T) {
	t.Parallel()
	d := &daemon{Options: Options{Log: slog.New(slog.DiscardHandler)}}
	door := d.pagerDutyWebhook()
	knock := func(secret string) int {
		body := []byte(`{"event":{"id":"1","event_type":"pagey.ping","resource_type":"pagey","occurred_at":"2026-11-22T00:00:00Z","data":{}}}`)
		r := httptest.NewRequest(http.MethodPost, "/v1/webhooks/pagerduty", bytes.NewReader(body))
		r.Header.Set("X-PagerDuty-Signature", fakepd.Sign(secret, body))
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		return w.Code
	}
	for _, secret := range []string{"old secret", "new secret"} {
		d.putWebhook(&config.File{PagerDuty: &pagerduty.Config{WebhookSecret: probe.Secret(secret)}})
		got := []int{knock("old secret"), knock("new secret")}
		want := []int{http.StatusAccepted, http.StatusUnauthorized}
		if secret == "new secret" {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("with the %s: old and new got %v, want %v", secret, got, want)
		}
	}
}

// TestReloadsDuringAnAbsenceAreAllWritten: each configuration counts for its own time.
func TestReloadsDuringAnAbsenceAreAllWritten(t *testing.T) {
	t.Parallel()
	d := &database{}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		d.pending = append(d.pending, checkChange{at: at.Add(time.Duration(i) * time.Minute)})
	}
	d.written(at)
	d.written(at)
	if len(d.pending) != 2 || !d.pending[0].at.Equal(at.Add(time.Minute)) {
		t.Errorf("got %v, want the two later ones to wait still", d.pending)
	}
}
