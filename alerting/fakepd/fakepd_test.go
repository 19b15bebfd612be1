package fakepd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jba/templatecheck"
)

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
