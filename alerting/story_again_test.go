package alerting

import (
	"testing"
	"time"

	"keepwatch/oncall"
)

// TestStoryHourLivedThroughAgain: the clock of the host is set back while no daemon runs,
// and everything fails at the very seconds at which it failed before. Each episode pages:
// none is taken for the one that has its start.
func TestStoryHourLivedThroughAgain(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		ahead := time.Duration(0)
		w.now = func() time.Time { return time.Now().Add(ahead) }
		alarm := Alarm{
			Name: "budget", Severity: Critical, Summary: "the budget burns",
			Policy: oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "alan"}}},
		}
		began := w.now().Add(90 * time.Second)
		var want []string
		ids := map[string]bool{}
		for range 3 {
			w.start()
			time.Sleep(2 * time.Minute)
			id, err := w.engine.Raise(w.t.Context(), alarm, began)
			if err != nil || ids[id] {
				w.t.Fatalf("raised %q, %v; want an incident of its own", id, err)
			}
			ids[id] = true
			time.Sleep(30 * time.Second)
			if err := w.engine.Clear(w.t.Context(), alarm.Name, "it is over", w.now()); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(30 * time.Second) // to the same second of the same minute
			want = append(want, "trigger person:alan", "resolve person:alan")
			for range 2 { // the second one while the first one's ID names time to come
				w.fail()
				time.Sleep(2 * time.Minute)
				open := w.open()
				if len(open) != 1 || ids[open[0].ID] || open[0].Started.After(w.now()) {
					w.t.Fatalf("open at %v: %+v; want one that has an ID of its own and has begun", w.now(), open)
				}
				ids[open[0].ID] = true
				w.heal()
				time.Sleep(3 * time.Minute)
				want = append(want, "trigger person:ada", "resolve person:ada")
			}
			w.want(w.pager.taken(), want...)
			w.stop()
			ahead -= 13 * time.Minute
			w.mu.Lock()
			w.seen = time.Time{} // it was another process that looked
			w.mu.Unlock()
		}
		w.start()
	})
}
