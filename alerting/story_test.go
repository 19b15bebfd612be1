package alerting

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/probe"
)

func TestStoryPrimarySilent(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		time.Sleep(5*time.Minute + 30*time.Second)
		w.fail()
		failed := time.Now()
		time.Sleep(time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		if at := w.pager.when("trigger person:ada"); len(at) == 1 && at[0].Sub(failed) > 33*time.Second {
			t.Errorf("paged %s after the failure, want at most the 30 s to the next slot and 3 s", at[0].Sub(failed))
		}
		time.Sleep(11 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:grace")
		first, second := w.pager.when("trigger person:ada"), w.pager.when("trigger person:grace")
		if d := second[0].Sub(first[0]) - 10*time.Minute; d < -time.Second || d > time.Second {
			t.Errorf("the second level was %s off", d)
		}
		id := w.open()[0].ID
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:grace", "resolve person:ada", "resolve person:grace")
		if open := w.open(); len(open) != 0 {
			t.Errorf("still open: %+v", open)
		}
		for _, part := range []string{"opened", "paging ada", "paging grace", "has ended", "accepted the trigger for ada", "recovered: front good again"} {
			if !strings.Contains(w.timeline(id), part) {
				t.Errorf("the timeline lacks %q:\n%s", part, w.timeline(id))
			}
		}
	})
}

func TestStoryOneBadSlot(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		time.Sleep(time.Second)
		// The slot's looks are bad, the looks asked for at once find all well.
		now := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
		for _, loc := range []string{"west", "central", "east"} {
			w.engine.Record(look(loc, now, probe.Bad))
		}
		time.Sleep(3 * time.Minute)
		w.want(w.pager.taken())
		if w.asked.Load() == 0 {
			t.Error("nobody looked again")
		}
	})
}

func TestStoryOneLocationOnly(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		w.fail("west")
		time.Sleep(6 * time.Hour)
		w.want(w.pager.taken())
		if open := w.open(); len(open) != 0 {
			t.Errorf("opened %+v", open)
		}
		if n := w.asked.Load(); n == 0 || n > 4 {
			t.Errorf("looked again %d times in 6 hours", n)
		}
	})
}

func TestStoryAckThenResolve(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		id := w.open()[0].ID
		if err := w.engine.Ack(t.Context(), id, "ada", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Ack(t.Context(), id, "grace", time.Now()); err != nil {
			t.Errorf("acknowledging twice: %v", err)
		}
		time.Sleep(time.Hour)
		w.want(w.pager.taken(), "trigger person:ada", "acknowledge person:ada")
		if inc := w.open()[0]; inc.State != Acknowledged || inc.AckBy != "ada" || !inc.NextActionAt.IsZero() {
			t.Errorf("stored %+v", inc)
		}
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "acknowledge person:ada", "resolve person:ada")
		if err := w.engine.Ack(t.Context(), id, "ada", time.Now()); !errors.Is(err, ErrNotFound) {
			t.Errorf("acknowledging a closed incident: %v, want ErrNotFound", err)
		}
	})
}

func TestStoryUnackStartsAgain(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		id := w.open()[0].ID
		acked := time.Now()
		if err := w.engine.Ack(t.Context(), id, "ada", acked); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := w.engine.Unack(t.Context(), id, "ada", acked.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		if inc := w.open()[0]; inc.State != Acknowledged {
			t.Error("an old message took the acknowledgement back")
		}
		if err := w.engine.Unack(t.Context(), id, "ada", time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "acknowledge person:ada", "trigger person:ada", "trigger person:grace")
	})
}

func TestStorySecondEpisode(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		for range 3 {
			w.fail()
			time.Sleep(5 * time.Minute)
			w.heal()
			time.Sleep(5 * time.Minute)
		}
		one := []string{"trigger person:ada", "resolve person:ada"}
		w.want(w.pager.taken(), slices.Concat(one, one, one)...)
		keys := map[string]bool{}
		for _, s := range w.pager.sent {
			keys[s.page.DedupKey] = true
		}
		if len(keys) != 3 {
			t.Errorf("%d dedup keys for 3 episodes", len(keys))
		}
	})
}
