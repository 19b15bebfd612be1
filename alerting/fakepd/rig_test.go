package fakepd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
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
