package fakepd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jba/templatecheck"
)

const key = "0123456789abcdef0123456789abcdef"

// body makes an event; payload only for triggers.
func eventBody(action, dedup string) string {
	if action == trigger {
		return fmt.Sprintf(`{"routing_key":%q,"event_action":"trigger","dedup_key":%q,"payload":{"summary":"image-site is down","source":"image-site","severity":"critical"}}`, key, dedup)
	}
	return fmt.Sprintf(`{"routing_key":%q,"event_action":%q,"dedup_key":%q}`, key, action, dedup)
}

type answered struct {
	Status int
	Retry  string
	Body   string
}

// call sends a request through the in-process transport.
func call(t *testing.T, s *Server, method, path, body string) answered {
	t.Helper()
	got, err := try(t.Context(), s, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

func try(ctx context.Context, s *Server, method, path, body string) (answered, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://pd.example"+path, strings.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.RoundTrip(req)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header.Get("Retry-After"), string(raw)}, err
}

func send(t *testing.T, s *Server, action, dedup string) answered {
	t.Helper()
	return call(t, s, http.MethodPost, "/v2/enqueue", eventBody(action, dedup))
}

func lines(t *testing.T, s *Server) []Line {
	t.Helper()
	var out []Line
	for raw := range strings.Lines(call(t, s, http.MethodGet, "/_log", "").Body) {
		var l Line
		if err := json.Unmarshal([]byte(raw), &l); err != nil {
			t.Fatal(err)
		}
		if l.Kind != kindNotify { // who was rung has tests of its own
			out = append(out, l)
		}
	}
	return out
}

// dids lists what the logged lines did.
func dids(t *testing.T, s *Server) []string {
	t.Helper()
	var out []string
	for _, l := range lines(t, s) {
		if l.Did != "" {
			out = append(out, l.Did)
		}
	}
	return out
}

func verify(t *testing.T, s *Server) (Summary, error) {
	t.Helper()
	return Verify(strings.NewReader(call(t, s, http.MethodGet, "/_log", "").Body))
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 1025)
	tests := map[string]struct {
		body string
		want answered
	}{
		"trigger": {eventBody(trigger, "kw-1"), answered{202, "", `{"status":"success","message":"Event processed","dedup_key":"kw-1"}`}},
		"resolve": {eventBody(resolve, "kw-1"), answered{202, "", `{"status":"success","message":"Event processed","dedup_key":"kw-1"}`}},
		"short key": {
			strings.Replace(eventBody(trigger, "a"), key, key[1:], 1),
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}`},
		},
		"unknown key": {
			strings.Replace(eventBody(trigger, "a"), key, strings.Repeat("f", 32), 1),
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is not known"]}`},
		},
		"no payload": {
			`{"routing_key":"` + key + `","event_action":"trigger"}`,
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'payload' is missing or blank"]}`},
		},
		"empty payload": {
			`{"routing_key":"` + key + `","event_action":"trigger","payload":{"severity":"fatal"}}`,
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is not one of critical, error, warning, info","'payload.source' is missing or blank","'payload.summary' is missing or blank"]}`},
		},
		"bad action, no dedup key": {
			`{"routing_key":"` + key + `","event_action":"ack"}`,
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'event_action' is not one of trigger, acknowledge, resolve"]}`},
		},
		"resolve without a dedup key": {
			eventBody(resolve, ""),
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'dedup_key' is missing or blank"]}`},
		},
		"long dedup key": {
			eventBody(trigger, strings.Repeat("k", 256)),
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'dedup_key' is too long (256 characters, at most 255)"]}`},
		},
		"long summary": {
			strings.Replace(eventBody(trigger, "a"), "image-site is down", long, 1),
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'payload.summary' is too long (1025 characters, at most 1024)"]}`},
		},
		"longest summary": {
			strings.Replace(eventBody(trigger, "a"), "image-site is down", long[2:], 1),
			answered{202, "", `{"status":"success","message":"Event processed","dedup_key":"a"}`},
		},
		"number as text": {
			`{"routing_key":"` + key + `","event_action":"resolve","dedup_key":7}`,
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'dedup_key' is not a text","'dedup_key' is missing or blank"]}`},
		},
		"bad time": {
			strings.Replace(eventBody(trigger, "a"), `"summary"`, `"timestamp":"yesterday","summary"`, 1),
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["'payload.timestamp' is not an ISO 8601 time"]}`},
		},
		"no JSON": {`routing_key=1`, answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["JSON cannot be read: not an object"]}`}},
		"two objects": {
			eventBody(trigger, "a") + "{}",
			answered{400, "", `{"status":"invalid event","message":"Event object is invalid","errors":["JSON cannot be read: something follows the object"]}`},
		},
		"too large": {
			eventBody(trigger, "a") + strings.Repeat(" ", maxBody),
			answered{413, "", `{"status":"invalid event","message":"Event object is invalid","errors":["the event is larger than 512 KB"]}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Options{Keys: []string{key}})
			defer s.Close()
			got := call(t, s, http.MethodPost, "/v2/enqueue", tt.body)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			ls := lines(t, s)
			if len(ls) != 1 || ls[0].Status != tt.want.Status || (ls[0].Did == didRefuse) != (tt.want.Status >= 400) {
				t.Errorf("log %+v", ls)
			}
		})
	}
}

// What PagerDuty would swallow is answered as it does, but it is written down and
// makes Verify fail.
func TestStrictness(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]string{
		"'severity' is no field of an event":      `"severity":"critical",`,
		"'Dedup_Key' is no field of an event":     `"Dedup_Key":"x",`,
		"'links[0].href' is missing or blank":     `"links":[{"text":"console"}],`,
		"'images[0].url' is no field of an event": `"images":[{"src":"https://a.example/x.png","url":"x"}],`,
	} {
		s := New(Options{})
		got := call(t, s, http.MethodPost, "/v2/enqueue", strings.Replace(eventBody(trigger, "a"), "{", "{"+extra, 1))
		send(t, s, resolve, "a")
		if got.Status != 202 {
			t.Errorf("%s: %d", name, got.Status)
		}
		if w := lines(t, s)[0].Warnings; !slices.Contains(w, name) {
			t.Errorf("warnings %q, want %q", w, name)
		}
		if _, err := verify(t, s); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Verify says %v", err)
		}
		s.Close()
	}
}

func TestIncidents(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	defer s.Close()
	for _, action := range []string{resolve, acknowledge, trigger, trigger, acknowledge, acknowledge, trigger, resolve, resolve, trigger} {
		if got := send(t, s, action, "kw-1"); got.Status != 202 {
			t.Fatalf("%s: %+v", action, got)
		}
	}
	want := []string{didNothing, didNothing, didOpen, didRepeat, didAck, didRepeat, didRepeat, didResolve, didNothing, didOpen}
	if diff := cmp.Diff(want, dids(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	st := s.State()
	if len(st.Incidents) != 2 || st.Incidents[0].Triggers != 3 || st.Incidents[0].Status != resolved || st.Incidents[1].Status != triggered {
		t.Errorf("incidents %+v", st.Incidents)
	}
	// Another routing key is another world.
	other := strings.Replace(eventBody(resolve, "kw-1"), key, strings.Repeat("e", 32), 1)
	call(t, s, http.MethodPost, "/v2/enqueue", other)
	if got := dids(t, s); got[len(got)-1] != didNothing || s.State().Incidents[1].Status != triggered {
		t.Errorf("a resolve by another routing key: %v", got)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do   []string
		want string
	}{
		"good":            {[]string{trigger, trigger, acknowledge, resolve, resolve}, ""},
		"left open":       {[]string{trigger, acknowledge}, `episode "a": still open at the end`},
		"second incident": {[]string{trigger, resolve, trigger, resolve}, `episode "a": 2 incidents were opened, want one`},
		"never triggered": {[]string{resolve}, `episode "a": acknowledged or resolved, but never triggered`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Options{})
			defer s.Close()
			for _, action := range tt.do {
				send(t, s, action, "a")
			}
			sum, err := verify(t, s)
			if got := fmt.Sprint(err); (tt.want == "") != (err == nil) || (err != nil && got != tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if sum.Events != len(tt.do) || sum.Episodes != 1 {
				t.Errorf("summary %+v", sum)
			}
		})
	}
	t.Run("resolved after an attempt that failed", func(t *testing.T) {
		t.Parallel()
		s := New(Options{})
		defer s.Close()
		if err := s.AddFault(Fault{Status: 503, Count: 1}); err != nil {
			t.Fatal(err)
		}
		send(t, s, trigger, "a")
		send(t, s, resolve, "a")
		if sum, err := verify(t, s); err != nil || sum.Incidents != 0 || sum.Dropped != 1 {
			t.Errorf("got %+v, %v; want a resolve of nothing to be right", sum, err)
		}
	})
	t.Run("400 repeated", func(t *testing.T) {
		t.Parallel()
		s := New(Options{})
		defer s.Close()
		call(t, s, http.MethodPost, "/v2/enqueue", "{}")
		if _, err := verify(t, s); err != nil {
			t.Errorf("once: %v", err)
		}
		call(t, s, http.MethodPost, "/v2/enqueue", "{}")
		if _, err := verify(t, s); err == nil || !strings.Contains(err.Error(), "sent again as it was") {
			t.Errorf("twice: %v", err)
		}
	})
	t.Run("incomplete or false log", func(t *testing.T) {
		t.Parallel()
		s := New(Options{})
		defer s.Close()
		send(t, s, trigger, "a")
		send(t, s, resolve, "a")
		log := call(t, s, http.MethodGet, "/_log", "").Body
		first, rest, _ := strings.Cut(log, "\n")
		if _, err := Verify(strings.NewReader(rest)); err == nil || !strings.Contains(err.Error(), "gap") {
			t.Errorf("without its first line: %v", err)
		}
		if _, err := Verify(strings.NewReader(first + "\n{")); err == nil {
			t.Error("a torn line was taken")
		}
		if _, err := Verify(strings.NewReader(strings.Replace(log, didOpen, didRepeat, 1))); err == nil || !strings.Contains(err.Error(), "should be [opened]") {
			t.Errorf("a false effect: %v", err)
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault string
		sent  []string
		want  []string // status and what it did, by event
	}{
		"status twice":       {`{"status":503,"count":2}`, []string{trigger, trigger, trigger}, []string{"503 failed", "503 failed", "202 opened"}},
		"one action only":    {`{"status":500,"action":"resolve"}`, []string{trigger, resolve}, []string{"202 opened", "500 failed"}},
		"another dedup key":  {`{"status":500,"dedup_key":"b"}`, []string{trigger}, []string{"202 opened"}},
		"500 but processed":  {`{"status":500,"processed":true,"count":1}`, []string{trigger, trigger}, []string{"500 opened", "202 repeated"}},
		"429 with a wait":    {`{"status":429,"retry_after":"30s","count":1}`, []string{trigger}, []string{"429 failed 30"}},
		"reply lost":         {`{"lost":true,"count":1}`, []string{trigger, trigger}, []string{"closed opened", "202 repeated"}},
		"closed":             {`{"close":true,"count":1}`, []string{trigger, trigger}, []string{"closed closed", "202 opened"}},
		"dropped silently":   {`{"drop":true,"count":1}`, []string{trigger, trigger}, []string{"202 suppressed", "202 opened"}},
		"rate limit":         {`{"per_minute":2}`, []string{trigger, trigger, trigger}, []string{"202 opened", "202 repeated", "429 throttled 60"}},
		"a share of 1 event": {`{"status":500,"probability":1}`, []string{trigger}, []string{"500 failed"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{})
				defer s.Close()
				if got := call(t, s, http.MethodPost, "/_fault", tt.fault); got.Status != 201 {
					t.Fatalf("fault: %+v", got)
				}
				var got []string
				for _, action := range tt.sent {
					a, err := try(t.Context(), s, http.MethodPost, "/v2/enqueue", eventBody(action, "a"))
					text := strconv.Itoa(a.Status)
					if errors.Is(err, errClosed) {
						text = "closed"
					} else if err != nil {
						t.Fatal(err)
					}
					ls := lines(t, s)
					got = append(got, strings.TrimSpace(text+" "+ls[len(ls)-1].Did+" "+a.Retry))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				call(t, s, http.MethodDelete, "/_fault", "")
				time.Sleep(time.Minute)
				if got := send(t, s, trigger, "after"); got.Status != 202 || len(s.State().Faults) != 0 {
					t.Errorf("after DELETE: %+v", got)
				}
			})
		})
	}
}

// The event that times out at the sender and is processed long after: the double
// page that senders must guard against.
func TestLateProcessing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		if err := s.AddFault(Fault{Delay: Duration(11 * time.Second), Late: Duration(55 * time.Second), Count: 1}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := try(ctx, s, http.MethodPost, "/v2/enqueue", eventBody(trigger, "a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a time-out", err)
		}
		send(t, s, trigger, "a")
		send(t, s, resolve, "a") // too early
		time.Sleep(time.Minute)
		want := []string{didPutOff, didOpen, didResolve, didOpen}
		if diff := cmp.Diff(want, dids(t, s)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if sum, err := verify(t, s); err == nil || sum.Incidents != 2 || !strings.Contains(err.Error(), "2 incidents were opened") || !strings.Contains(err.Error(), "still open") {
			t.Errorf("Verify: %+v, %v", sum, err)
		}
	})
}

func TestBadFaults(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	defer s.Close()
	for _, f := range []string{
		`{}`, `{"count":1}`, `{"status":200}`, `{"status":"500"}`, `{"delay":"-1s"}`, `{"delay":"1h"}`, `{"delay":5}`, `{"probability":2,"drop":true}`,
		`{"statsu":500}`, `{"close":true,"drop":true}`, `{"status":500,"lost":true}`, `{"drop":true,"action":"ack"}`, `nonsense`, `{"webhook_copies":21}`,
	} {
		if got := call(t, s, http.MethodPost, "/_fault", f); got.Status != 400 {
			t.Errorf("%s: %d %s, want 400", f, got.Status, got.Body)
		}
	}
	for range maxFaults {
		call(t, s, http.MethodPost, "/_fault", `{"drop":true}`)
	}
	if got := call(t, s, http.MethodPost, "/_fault", `{"drop":true}`); got.Status != 400 {
		t.Errorf("fault %d: %d, want 400", maxFaults+1, got.Status)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := New(Options{MaxLog: 50, MaxIncidents: 20})
	defer s.Close()
	send(t, s, trigger, "first")
	for i := range 100 {
		send(t, s, trigger, fmt.Sprint("k", i))
		send(t, s, resolve, fmt.Sprint("k", i))
	}
	st := s.State()
	if len(st.Incidents) != 20 || st.Incidents[0].DedupKey != "first" {
		t.Errorf("%d incidents, the oldest is %q; want 20 and the open one", len(st.Incidents), st.Incidents[0].DedupKey)
	}
	if n := strings.Count(call(t, s, http.MethodGet, "/_log", "").Body, "\n"); n != 50 {
		t.Errorf("%d lines kept, want 50", n)
	}
	if _, err := verify(t, s); err == nil || !strings.Contains(err.Error(), "gap") {
		t.Errorf("Verify of a cut log: %v", err)
	}
	for i := range 30 {
		send(t, s, trigger, fmt.Sprint("open", i))
	}
	if st := s.State(); len(st.Incidents) != 20 {
		t.Errorf("%d open incidents kept, want 20", len(st.Incidents))
	}
}

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

func TestCloseEndsWhatIsPutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoAck: time.Hour})
		if err := s.AddFault(Fault{Late: maxFaultDelay, Count: 1}); err != nil {
			t.Fatal(err)
		}
		send(t, s, trigger, "a")
		send(t, s, trigger, "b")
		start := time.Now()
		s.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestOverARealSocket(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	s := New(Options{Log: &file})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	defer s.Close()
	if err := s.AddFault(Fault{Lost: true, Count: 1}); err != nil {
		t.Fatal(err)
	}
	for i, wantErr := range []bool{true, false} {
		resp, err := srv.Client().Post(srv.URL+"/v2/enqueue", "application/json", strings.NewReader(eventBody(trigger, "a")))
		if (err != nil) != wantErr {
			t.Errorf("call %d: %v", i, err)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
	if got, want := file.String(), call(t, s, http.MethodGet, "/_log", "").Body; got != want || strings.Count(got, "\n") != 4 {
		t.Errorf("the file holds %q, the log %q", got, want)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	tmpl, err := parsePage()
	if err != nil {
		t.Fatal(err)
	}
	if err := templatecheck.CheckHTML(tmpl, pageData{}); err != nil {
		t.Error(err)
	}
	s := New(Options{})
	defer s.Close()
	send(t, s, trigger, "old")
	send(t, s, resolve, "old")
	send(t, s, trigger, `<script>"kw"</script>`)
	page := call(t, s, http.MethodGet, "/", "").Body
	for _, want := range []string{"<title>1 open", "Acknowledge</button>", "image-site is down", "&lt;script&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script>") {
		t.Error("the page holds a script")
	}
	if got := call(t, s, http.MethodPost, "/_ack?dedup_key=old&back=1", ""); got.Status != 303 {
		t.Errorf("a button of an old page: %d, want 303", got.Status)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(eventBody(trigger, "a")))
	f.Add([]byte(eventBody(resolve, "")))
	f.Add([]byte(`{"routing_key":null,"payload":[],"links":[1,{"href":{}}],"images":{}}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, c := decode(body)
		if len(c.errors) > 0 {
			return
		}
		if !json.Valid(body) || len(e.RoutingKey) != keyLength || (e.Action != trigger && e.DedupKey == "") ||
			(e.Action == trigger && (e.Summary == "" || e.Source == "" || e.Severity == "")) {
			t.Errorf("%q was taken as %+v", body, e)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(`{"seq":1,"kind":"event","action":"trigger","did":"opened","status":202}` + "\n" + `{"seq":2,"kind":"event","action":"resolve","did":"resolved","status":202}`)
	f.Fuzz(func(t *testing.T, log string) {
		sum, err := Verify(strings.NewReader(log))
		if err == nil && sum.Incidents != sum.Episodes {
			t.Errorf("%+v was passed", sum)
		}
	})
}

func FuzzFault(f *testing.F) {
	f.Add(`{"status":503,"count":2,"probability":0.5}`)
	f.Add(`{"delay":"11s","late":"55s","routing_key":"x"}`)
	f.Fuzz(func(t *testing.T, in string) {
		fault, err := parseFault([]byte(in))
		if err == nil && (fault.Delay < 0 || fault.Late > maxFaultDelay || (fault.Status != 0 && fault.Status < 400)) {
			t.Errorf("%q was taken as %+v", in, fault)
		}
	})
}
