package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting/fakepd"
	"keepwatch/postgres/pgtest"
)

// TestRow11Webhooks is row 11 of the fault suite: a real daemon gets its webhooks five
// times, out of order, with forged ones before them and odd ones behind, one that was
// recorded three days ago, and one while its database is away. The state is right all the
// time, only forged ones are refused, and nothing that mallory says is done.
func TestRow11Webhooks(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	sw := pgtest.NewSwitch(t, dsn)
	r := newRig(t, 1, dsn)
	d := r.daemon("one")
	hook := "http://" + d.console + "/v1/webhooks/pagerduty"
	r.pd.HookTo(hook, rigSecret)
	if err := r.pd.AddFault(fakepd.Fault{WebhookCopies: 5, WebhookReorder: 2, WebhookForge: true, WebhookOdd: true, WebhookReplay: fakepd.Duration(4 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	r.within(time.Minute, "ready", func() bool { return d.says("/readyz", "") && d.leads() })
	r.goDown()
	r.within(30*time.Second, "paged", func() bool { return r.paged(d) })
	linger(3 * time.Second)
	if d.says("/api/v1/status", `"acknowledged"`) {
		t.Error("acknowledged, and nobody did that")
	}
	acked := time.Now()
	r.person("/_ack", "ada")
	r.within(10*time.Second, "acknowledged here", func() bool { return d.says("/api/v1/status", `"acknowledged"`) })
	t.Logf("figures: webhooks=%d ack_stop=%s", 5, time.Since(acked).Round(time.Millisecond))
	old := signed(t, hook, `{"event":{"id":"OLD1","event_type":"incident.unacknowledged","resource_type":"incident","occurred_at":"`+
		time.Now().Add(-72*time.Hour).UTC().Format(time.RFC3339)+`","data":{"id":"`+r.pd.State().Incidents[0].ID+`","type":"incident","status":"triggered","incident_key":"`+
		r.pd.State().Incidents[0].DedupKey+`"}}}`)
	if old != http.StatusAccepted {
		t.Errorf("a recording of three days was answered %d, want 202: a 4xx would switch the subscription off", old)
	}
	linger(6 * time.Second) // the replays
	if !d.says("/api/v1/status", `"acknowledged"`) {
		t.Error("a replayed webhook undid the acknowledgement")
	}
	sw.Off()
	r.within(20*time.Second, "503 without the database", func() bool {
		return signed(t, hook, strings.Replace(`{"event":{"id":"NEW","event_type":"incident.annotated","resource_type":"incident","occurred_at":"NOW","data":{"id":"N1","type":"incident_note"}}}`,
			"NOW", time.Now().UTC().Format(time.RFC3339), 1)) == http.StatusServiceUnavailable
	})
	sw.On()
	r.comeUp()
	db := r.openDatabase(d)
	defer db.Close()
	r.calm(d, db)
	r.wantIncidents(db, 1)
	r.answers()
	d.stop()
}

// answers requires that every webhook but the forged ones was answered 2xx or 503, and the
// forged ones 401.
func (r *rig) answers() {
	r.t.Helper()
	log, err := io.ReadAll(r.pdLog.reader())
	if err != nil {
		r.t.Fatal(err)
	}
	forged, odd := 0, 0
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, `"kind":"webhook"`) {
			continue
		}
		isForged := strings.Contains(line, `"note":"forged"`)
		if isForged {
			forged++
		}
		if strings.Contains(line, "odd type") {
			odd++
		}
		if is401 := strings.Contains(line, `"status":401`); is401 != isForged || !is401 && strings.Contains(line, `"status":4`) {
			r.t.Errorf("answered wrongly: %s", line)
		}
	}
	if forged == 0 || odd == 0 {
		r.t.Errorf("%d forged and %d odd webhooks: the test shows nothing", forged, odd)
	}
}

// signed posts a webhook with the right signature and returns the answer's status.
func signed(t *testing.T, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-PagerDuty-Signature", fakepd.Sign(rigSecret, []byte(body)))
	req.Header.Set("X-Webhook-Id", "W"+body[18:24])
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // the test's context ends it
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// person acts on the only open incident in PagerDuty's own pages.
func (r *rig) person(path, by string) {
	r.t.Helper()
	for key := range r.ringing() {
		if _, err := call(context.Background(), http.MethodPost, r.pdURL+path+"?dedup_key="+key+"&by="+by); err != nil {
			r.t.Fatal(err)
		}
	}
}
