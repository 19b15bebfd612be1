package pagerduty

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/probe"
)

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

func ackBody(id string, at time.Time) string {
	return fmt.Sprintf(`{"event":{"id":%q,"event_type":"incident.acknowledged","resource_type":"incident","occurred_at":%q,
		"agent":{"id":"PABC123","type":"user_reference","summary":"Ada"},
		"data":{"id":"Q1","type":"incident","incident_key":"kw-shop-1","status":"acknowledged","priority":null}}}`, id, at.Format(time.RFC3339))
}

func post(h http.Handler, body string, signatures ...string) int {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("X-Webhook-Id", "W1")
	for _, s := range signatures {
		r.Header.Add("X-PagerDuty-Signature", s)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestWebhookSignature(t *testing.T) {
	t.Parallel()
	body := ackBody("E1", time.Now())
	for _, tt := range []struct {
		name       string
		secrets    []probe.Secret
		signatures []string
		want       int
		taken      bool
	}{
		{"good", []probe.Secret{"s1"}, []string{sign("s1", body)}, 202, true},
		{"second secret", []probe.Secret{"s1", "s2"}, []string{sign("s2", body)}, 202, true},
		{"one of two signatures", []probe.Secret{"s1"}, []string{sign("old", body) + "," + sign("s1", body)}, 202, true},
		{"a space after the comma", []probe.Secret{"s1"}, []string{sign("old", body) + ", " + sign("s1", body)}, 202, true},
		{"two header lines", []probe.Secret{"s1"}, []string{sign("old", body), sign("s1", body)}, 202, true},
		{"forged", []probe.Secret{"s1"}, []string{sign("other", body)}, 401, false},
		{"of another body", []probe.Secret{"s1"}, []string{sign("s1", body+" ")}, 401, false},
		{"none", []probe.Secret{"s1"}, nil, 401, false},
		{"nonsense", []probe.Secret{"s1"}, []string{"v1=zz,v2=aa,,"}, 401, false},
		{"an empty secret never verifies", []probe.Secret{""}, []string{sign("", body)}, 503, false},
		{"no secret at all", nil, []string{sign("", body)}, 503, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []alerting.Heard
			h := &Webhook{Secrets: tt.secrets, Keep: func(_ context.Context, e alerting.Heard) error { got = append(got, e); return nil }}
			if code := post(h, body, tt.signatures...); code != tt.want || (len(got) == 1) != tt.taken {
				t.Errorf("answered %d, took %d, want %d %v", code, len(got), tt.want, tt.taken)
			}
		})
	}
}

func TestWebhookEvents(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	var kept, meanwhile []alerting.Heard
	var refused []error
	var fail error
	h := &Webhook{
		Secrets:   []probe.Secret{"s"},
		Keep:      func(_ context.Context, e alerting.Heard) error { kept = append(kept, e); return fail },
		Meanwhile: func(_ context.Context, e alerting.Heard) { meanwhile = append(meanwhile, e) },
		Refused:   func(err error) { refused = append(refused, err) },
	}
	send := func(body string) int { return post(h, body, sign("s", body)) }

	if code := send(ackBody("E1", now)); code != 202 {
		t.Errorf("answered %d", code)
	}
	want := []alerting.Heard{{
		ID: "E1", Delivery: "W1", Type: string(EventAcknowledged), DedupKey: "kw-shop-1", Incident: "Q1", By: "Ada",
		Status: true, At: now, Raw: []byte(ackBody("E1", now)),
	}}
	if diff := cmp.Diff(kept, want); diff != "" {
		t.Error(diff)
	}
	if send(ackBody("E2", now.Add(-72*time.Hour))); len(kept) != 1 || len(refused) != 1 || !errors.Is(refused[0], ErrRecording) {
		t.Errorf("a recording of three days ago was kept (%d) or not counted (%v)", len(kept), refused)
	}
	for _, body := range []string{
		`{"event":{"id":"E3","event_type":"incident.conference_bridge.updated","occurred_at":"2026-11-22T03:12:09Z","data":{}}}`,
		`{"event":{"id":"E4","event_type":"pagey.ping","data":{"message":"Hello"}}}`,
		`{"event":{}}`, `[]`, `not JSON`, `{"event":{"id":"E5","event_type":"incident.resolved","data":"text"}}`,
		`{"event":{"id":"` + strings.Repeat("x", maxWebhook) + `"}}`,
	} {
		if code := send(body); code != 202 || len(kept) != 1 {
			t.Errorf("%.60s: answered %d, kept %d", body, code, len(kept))
		}
	}
	if len(meanwhile) != 0 {
		t.Errorf("acted at once on %v although all was kept", meanwhile)
	}
	// What could not be kept is acted on, and sent again by PagerDuty.
	fail = errors.New("away")
	if code := send(ackBody("E6", now)); code != 503 || len(meanwhile) != 1 || meanwhile[0].ID != "E6" {
		t.Errorf("a failure was answered %d, want 503; acted at once on %v", code, meanwhile)
	}
	fail = nil
	if code := send(ackBody("E6", now)); code != 202 || len(kept) != 3 {
		t.Errorf("after a failure: answered %d, kept %d times, want 202 and 3", code, len(kept))
	}
}

// TestWebhookSecondSecret: a configured header is asked for although the signature is good.
func TestWebhookSecondSecret(t *testing.T) {
	t.Parallel()
	body, kept := ackBody("E1", time.Now()), 0
	h := &Webhook{
		Secrets: []probe.Secret{"s"}, Header: "second",
		Keep: func(context.Context, alerting.Heard) error { kept++; return nil },
	}
	for _, tt := range []struct {
		header string
		want   int
	}{{"", 401}, {"secon", 401}, {"second ", 401}, {"second", 202}} {
		r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
		r.Header.Set("X-PagerDuty-Signature", sign("s", body))
		r.Header.Set(SecretHeader, tt.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("header %q: answered %d, want %d", tt.header, w.Code, tt.want)
		}
	}
	if kept != 1 {
		t.Errorf("%d events were kept, want 1", kept)
	}
}

func TestDecodeAnnotation(t *testing.T) {
	t.Parallel()
	got, err := decode([]byte(`{"event":{"id":"E7","event_type":"incident.annotated","occurred_at":"2026-11-22T03:12:09Z",
		"agent":{"id":"P1","type":"user_reference"},
		"data":{"incident":{"id":"Q1","incident_key":"kw-shop-1"},"id":"N1","content":"rebooted","type":"incident_note"}}}`))
	want := Event{ID: "E7", Type: EventAnnotated, DedupKey: "kw-shop-1", Incident: "Q1", By: "P1", At: time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC), Text: "rebooted"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func FuzzParse(f *testing.F) {
	body := ackBody("E1", time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC))
	f.Add([]byte(body), sign("s", body))
	f.Add([]byte(`{"event":{"agent":null,"data":{"incident":null}}}`), "v1=")
	f.Add([]byte(`{}`), ", ,v1=00,v1=zz")
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header["X-Pagerduty-Signature"] = []string{signature}
		// Never panics, and takes nothing that is not signed.
		if _, _, err := Parse(r, []probe.Secret{"s"}); err == nil && !strings.Contains(signature, strings.TrimPrefix(sign("s", string(body)), "v1=")) && len(signature) < 64 {
			t.Errorf("took %q signed %q", body, signature)
		}
		// The decoder itself, as if the signature were good.
		if e, err := decode(body); err == nil && (e.ID == "" || e.Type == "") {
			t.Errorf("an event without id or type: %+v", e)
		}
	})
}
