package fakepd

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// rest makes one REST call as Keepwatch does and decodes the answer.
func rest(t *testing.T, s *Server, method, path, body string, headers ...string) (int, map[string]json.RawMessage, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://api.example"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token token=t0ken")
	req.Header.Set("Accept", "application/vnd.pagerduty+json;version=2")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]json.RawMessage{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, raw, err)
		}
	}
	return resp.StatusCode, out, resp.Header
}

// team is a stand-in with two levels of people.
func team(opts Options) *Server {
	a := TeamAccount()
	opts.Account = &a
	return New(opts)
}

// shown is what tests look at of an incident.
type shown struct {
	ID          string  `json:"id"`
	Type        string  `json:"type"`
	Status      string  `json:"status"`
	IncidentKey *string `json:"incident_key"`
	Assignments []struct {
		Assignee struct {
			ID, Summary string
		} `json:"assignee"`
	} `json:"assignments"`
}

func incidents(t *testing.T, raw json.RawMessage) []shown {
	t.Helper()
	var out []shown
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// rang lists who was notified of an incident.
func rang(inc Incident) (out []string) {
	for _, r := range inc.Records {
		if r.Type == recNotify {
			out = append(out, r.User)
		}
	}
	return out
}
