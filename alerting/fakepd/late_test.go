package fakepd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
