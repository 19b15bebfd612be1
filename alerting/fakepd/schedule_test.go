package fakepd

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := team(Options{})
		defer s.Close()
		got := call(t, s, http.MethodPost, "/_schedule", `[
			{"at": "20s", "for": "10s", "fault": {"status": 503}},
			{"at": "10s", "fault": {"status": 500}},
			{"at": "25s", "clear": true},
			{"at": "40s", "account": {"users": [], "escalation_policies": [], "services": [{"id": "S", "name": "s", "escalation_policy": "P", "maintenance": true}]}}
		]`)
		if got.Status != 201 {
			t.Fatalf("%+v", got)
		}
		var seen []string
		for range 10 {
			synctest.Wait()
			send(t, s, trigger, "a")
			ls := lines(t, s)
			seen = append(seen, ls[len(ls)-1].Did)
			send(t, s, resolve, "a")
			time.Sleep(5*time.Second + time.Millisecond)
		}
		want := "opened opened failed failed failed failed opened opened suppressed suppressed"
		// At 20 s and 25 s the older fault comes first; at 25 s all is off, and at 30 s the end of the second changes nothing.
		if got := strings.Join(seen, " "); got != strings.Replace(want, "failed failed failed failed", "failed failed failed opened", 1) {
			t.Errorf("got %s", got)
		}
	})
}

func TestBadSchedules(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{}`:                                    "a JSON list",
		`[]`:                                    "1 to 200 steps",
		`[{"at":"1s"}]`:                         "step 1: the step does nothing",
		`[{"at":"1s","for":"1s","clear":true}]`: "for belongs to a fault",
		`[{"at":"25h","clear":true}]`:           "0s to 24h",
		`[{"at":"1s","clear":true},{"at":"1s","fault":{"status":200}}]`: "step 2: status 200",
		`[{"at":"1s","clear":true}] x`:                                  "something follows",
		`[{"at":"1s","fault":{"statsu":500}}]`:                          "unknown field",
	} {
		if _, err := ParseSchedule([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add([]byte(`[{"at":"1s","for":"1m","fault":{"status":503}}]`))
	f.Add([]byte(`[{"at":"1s","clear":true}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		steps, err := ParseSchedule(raw)
		if err == nil && checkSteps(steps) != nil {
			t.Error("taken, and yet wrong")
		}
	})
}
