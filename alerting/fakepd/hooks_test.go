package fakepd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// receiver collects webhooks and answers with the given statuses, then 202.
type receiver struct {
	mu       sync.Mutex
	statuses []int
	got      []webhookBody
	ids      []string
	bad      int
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var b webhookBody
	if err := json.Unmarshal(body, &b); err != nil || req.Header.Get("X-PagerDuty-Signature") != Sign("s3cret", body) {
		r.bad++
	}
	r.got = append(r.got, b)
	r.ids = append(r.ids, req.Header.Get("X-Webhook-Id"))
	status := 202
	if len(r.statuses) > 0 {
		status, r.statuses = r.statuses[0], r.statuses[1:]
	}
	if status == 0 {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: req}, nil
}

func hooked(statuses ...int) (*Server, *receiver) {
	s := New(Options{WebhookURL: "http://keepwatch.example/hook", WebhookSecret: "s3cret"})
	r := &receiver{statuses: statuses}
	s.client.Transport = r
	return s, r
}

func (r *receiver) types() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.got {
		out = append(out, b.Event.Type+" "+b.Event.Data.Status+" "+b.Event.Data.IncidentKey+" "+b.Event.Agent.Summary)
	}
	return out
}

func TestPeopleAndWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := hooked(503, 0) // the first try fails, the second times out
		defer s.Close()
		send(t, s, trigger, "kw-1")
		time.Sleep(time.Minute)
		if got := call(t, s, http.MethodPost, "/_ack?dedup_key=kw-1&by=ada", ""); got.Status != 200 {
			t.Errorf("ack: %+v", got)
		}
		if got := call(t, s, http.MethodPost, "/_resolve?dedup_key=kw-1&by=grace", ""); got.Status != 200 {
			t.Errorf("resolve: %+v", got)
		}
		if got := call(t, s, http.MethodPost, "/_ack?dedup_key=kw-1", ""); got.Status != 404 {
			t.Errorf("ack of a resolved incident: %+v, want 404", got)
		}
		time.Sleep(time.Minute)
		want := []string{
			"incident.triggered triggered kw-1 Keepwatch", "incident.triggered triggered kw-1 Keepwatch", "incident.triggered triggered kw-1 Keepwatch",
			"incident.acknowledged acknowledged kw-1 ada", "incident.resolved resolved kw-1 grace",
		}
		if diff := cmp.Diff(want, r.types()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if r.bad != 0 || r.ids[0] != r.ids[2] || r.ids[2] == r.ids[3] || r.got[0].Event.ID != r.got[2].Event.ID {
			t.Errorf("%d bad, ids %v: tries must keep the id", r.bad, r.ids)
		}
		if sum, err := verify(t, s); err != nil || sum.Incidents != 1 {
			t.Errorf("Verify: %+v, %v", sum, err)
		}
	})
}

// The value was made with openssl dgst -sha256 -hmac s3cret.
func TestSign(t *testing.T) {
	t.Parallel()
	if got, want := Sign("s3cret", []byte(`{"event":{}}`)), "v1=352991ebcbce339cc66a2794cf09fe782c95f38e7988e48bda8ded984a11311c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWebhookDrops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := hooked(404, 404, 404)
		defer s.Close()
		for i := range 5 {
			send(t, s, trigger, fmt.Sprint("k", i))
			time.Sleep(time.Second)
		}
		if n := len(r.types()); n != 3 || !s.State().WebhooksOff {
			t.Errorf("%d webhooks, off %v; want 3 and off: a 4xx is not repeated, three switch it off", n, s.State().WebhooksOff)
		}
		call(t, s, http.MethodPost, "/_webhook", "")
		if err := s.AddFault(Fault{WebhookCopies: 5}); err != nil {
			t.Fatal(err)
		}
		send(t, s, trigger, "again")
		time.Sleep(time.Second)
		if n := len(r.types()); n != 8 || r.ids[3] != r.ids[7] {
			t.Errorf("%d webhooks, want 3 and five copies", n)
		}
	})
}

func TestWebhookTriesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := hooked(slices.Repeat([]int{500}, 100)...)
		defer s.Close()
		send(t, s, trigger, "a")
		time.Sleep(time.Hour)
		if n := len(r.types()); n != webhookTries {
			t.Errorf("%d tries, want %d", n, webhookTries)
		}
	})
}

func TestAutoAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoAck: 20 * time.Second})
		defer s.Close()
		send(t, s, trigger, "a")
		send(t, s, trigger, "b")
		send(t, s, resolve, "b")
		time.Sleep(10 * time.Second)
		send(t, s, trigger, "b") // a new incident: its own 20 s
		time.Sleep(9 * time.Second)
		if got := s.State().Incidents[0].Status; got != triggered {
			t.Errorf("after 19s: %s", got)
		}
		time.Sleep(2 * time.Second)
		st := s.State()
		if st.Incidents[0].Status != acknowledged || st.Incidents[0].AcknowledgedBy != "autoack" || st.Incidents[1].Status != resolved ||
			st.Incidents[2].Status != triggered || st.PutOff != 1 {
			t.Errorf("after 21s: %+v", st)
		}
	})
}
