package telemetry

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, reply string
		period      time.Duration
		limit       int
	}{
		{"as the service answers", `{"return_value":{"event_harvest_config":{"report_period_ms":5000,"harvest_limits":{"custom_event_data":8333}}}}`, 5 * time.Second, 8333},
		{"nothing", `{"return_value":{}}`, time.Minute, 100_000},
		{"garbage", `<html>`, time.Minute, 100_000},
		{"no limit", `{"return_value":{"event_harvest_config":{"report_period_ms":5000}}}`, 5 * time.Second, 100_000},
		{"none wanted", `{"return_value":{"event_harvest_config":{"report_period_ms":5000,"harvest_limits":{"custom_event_data":0}}}}`, 5 * time.Second, 0},
		{"not collected", `{"return_value":{"collect_custom_events":false}}`, time.Minute, 0},
		{"negative", `{"return_value":{"event_harvest_config":{"report_period_ms":5000,"harvest_limits":{"custom_event_data":-5}}}}`, 5 * time.Second, 0},
		{"shorter than the agent's clock", `{"return_value":{"event_harvest_config":{"report_period_ms":1,"harvest_limits":{"custom_event_data":5}}}}`, time.Second, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			period, limit := pace([]byte(tc.reply))
			if period != tc.period || limit != tc.limit {
				t.Errorf("%v, %d; want %v, %d", period, limit, tc.period, tc.limit)
			}
		})
	}
}

func FuzzPace(f *testing.F) {
	f.Add([]byte(`{"return_value":{"event_harvest_config":{"report_period_ms":5000,"harvest_limits":{"custom_event_data":8333}}}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, reply []byte) {
		if period, limit := pace(reply); period < time.Second || limit < 0 {
			t.Errorf("pace %v, %d", period, limit)
		}
	})
}

func TestFateOf(t *testing.T) {
	t.Parallel()
	want := map[int]fate{0: kept, 200: taken, 202: taken, 401: freed, 408: kept, 409: freed, 410: freed, 413: freed, 429: kept, 500: kept, 502: freed, 503: kept, 504: freed}
	for status, f := range want {
		if got := fateOf(status); got != f {
			t.Errorf("fate of %d is %d, want %d", status, got, f)
		}
	}
}

func TestIDsIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{"none", `["run",{},[]]`, nil},
		{"two", `[[{},{"a":1,"eventId":"x"},{}],[{},{"eventId":"y","b":2},{}]]`, []string{"x", "y"}},
		{"in a text", `[{"error":"see \"eventId\":\"fake\" there","eventId":"x"}]`, []string{"x"}},
		{"cut", `[{"eventId":"x`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, idsIn([]byte(tc.body))); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.learn(5*time.Second, 100)
	now := noon
	room := func() int { n, _ := w.room(now); return n }
	if got := room(); got != 50 {
		t.Errorf("room %d, want half the limit, 50", got)
	}
	for i := range 50 {
		w.launch(string(rune('A'+i)), 100, now.Add(w.lease()))
	}
	if got := room(); got != 0 {
		t.Errorf("room %d in the same period, want 0", got)
	}
	now = now.Add(5 * time.Second)
	for i := range 50 {
		w.launch(string(rune('a'+i))+"2", 100, now.Add(w.lease()))
	}
	now = now.Add(5 * time.Second)
	if got := room(); got != 0 {
		t.Errorf("room %d with 100 on their way, want 0: the agent would drop some", got)
	}
	w.begin()
	w.posted([]string{"A", "B", "C"}, taken, now)
	if got := room(); got != 3 {
		t.Errorf("room %d after 3 were taken, want 3", got)
	}
	now = now.Add(time.Minute) // every lease is over
	if n, size := w.room(now); n != 50 || size != maxPostBytes {
		t.Errorf("room %d and %d bytes, want 50 and all", n, size)
	}
}

func TestTooLargePostsShrink(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.learn(time.Second, 100)
	for range 20 {
		w.answered(customEvents, http.StatusRequestEntityTooLarge)
	}
	if got, _ := w.room(noon); got != 1 {
		t.Errorf("room %d, want 1", got)
	}
	for range 20 {
		w.begin()
		w.posted([]string{"a"}, taken, noon)
	}
	if got, _ := w.room(noon.Add(time.Minute)); got != 50 {
		t.Errorf("room %d after success, want 50", got)
	}
}

func TestOutcomesSurviveAFailedWrite(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.posted([]string{"a", "b", "c"}, kept, noon)
	w.posted([]string{"a"}, taken, noon)
	w.posted([]string{"a"}, freed, noon) // a late answer of an older post
	old := w.takeOutcomes()
	w.posted([]string{"b"}, taken, noon)
	w.putBack(old)
	got := w.fates
	want := map[string]fate{"a": taken, "b": taken, "c": kept}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fates (-want +got):\n%s", diff)
	}
}

func TestEndedWaitsLongerEachTime(t *testing.T) {
	t.Parallel()
	var s runState
	var got []time.Duration
	for range 7 {
		s.ended(noon, rebuildFirst)
		got = append(got, s.wait)
		if d := s.rebuildAt.Sub(noon); d < s.wait || d > s.wait*5/4+1 {
			t.Errorf("next try after %v, want %v and up to a quarter more", d, s.wait)
		}
	}
	want := []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}
