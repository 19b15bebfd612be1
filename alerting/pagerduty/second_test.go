package pagerduty

import (
	"net/http"
	"testing"

	"keepwatch/alerting"
)

// The second service takes pages of every route with its own key, and resolves too.
func TestSecondService(t *testing.T) {
	t.Parallel()
	const second = "fedcba9876543210fedcba9876543210"
	e := newEvents(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusAccepted) })
	n := NewSecond(Second{RoutingKey: second, EventsURL: e.URL})
	for _, p := range []alerting.Page{
		{ID: "1", Route: "person:ada", DedupKey: "kw-shop-1", Action: alerting.Trigger, Message: alerting.Message{Summary: "shop is failing", Source: "shop"}},
		{ID: "2", Route: "service", DedupKey: "kw-shop-1", Action: alerting.Resolve},
	} {
		if r := n.Send(t.Context(), p); r.Class != alerting.Taken {
			t.Errorf("%s: got %+v", p.ID, r)
		}
	}
	got := e.requests()
	if len(got) != 2 {
		t.Fatalf("%d events, want 2", len(got))
	}
	for i, action := range []string{"trigger", "resolve"} {
		if got[i]["routing_key"] != second || got[i]["event_action"] != action || got[i]["dedup_key"] != "kw-shop-1" {
			t.Errorf("event %d: %v", i, got[i])
		}
	}
}

func TestSecondValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  Second
		want int
	}{
		"good":    {Second{RoutingKey: testKey}, 0},
		"no key":  {Second{}, 1},
		"bad key": {Second{RoutingKey: "short"}, 1},
		"address": {Second{RoutingKey: testKey, EventsURL: "events"}, 1},
	} {
		var got []string
		tt.cfg.Validate(func(path, msg string) { got = append(got, path+" "+msg) })
		if len(got) != tt.want {
			t.Errorf("%s: got %q, want %d mistakes", name, got, tt.want)
		}
	}
	s := Second{RoutingKey: testKey}
	if s.SetDefaults(); s.EventsURL != DefaultEventsURL {
		t.Errorf("default address %q", s.EventsURL)
	}
}
