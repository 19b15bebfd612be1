package alerting

import (
	"strings"
	"testing"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

func TestStoryRestart(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		for range 3 {
			w.stop()
			time.Sleep(time.Second)
			w.start()
			time.Sleep(time.Minute)
		}
		w.want(w.pager.taken(), "trigger person:ada")
		time.Sleep(8 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:grace")
		first, second := w.pager.when("trigger person:ada"), w.pager.when("trigger person:grace")
		if d := second[0].Sub(first[0]) - 10*time.Minute; d < -time.Second || d > time.Second {
			t.Errorf("the second level was %s off after restarts", d)
		}
		w.stop()
		w.heal()
		w.start()
		time.Sleep(time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:grace", "resolve person:ada", "resolve person:grace")
	})
}

func TestStoryReload(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.rules[0].Policy.Levels = []oncall.Level{{Page: "ada"}, {Page: "grace", After: 10 * time.Minute}, {Page: "alan", After: 10 * time.Minute}}
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		// Grace leaves the team and the ladder changes: the incident keeps its
		// ladder, and looks its people up anew.
		changed := w.rules[0]
		changed.Policy = oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "alan"}}}
		w.engine.Apply([]Rule{changed}, oncall.Roster{People: map[string]oncall.Person{"ada": {}, "alan": {}}}, w.routing())
		time.Sleep(9 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:alan")
		id := w.open()[0].ID
		if tl := w.timeline(id); !strings.Contains(tl, "level 2 (grace) names nobody; skipped at once") {
			t.Errorf("timeline:\n%s", tl)
		}
		// The service disappears: nobody will ever see it recover.
		w.engine.Apply(nil, oncall.Roster{}, w.routing())
		time.Sleep(time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:alan", "resolve person:ada", "resolve person:alan")
		if tl := w.timeline(id); !strings.Contains(tl, "no longer configured") {
			t.Errorf("timeline:\n%s", tl)
		}
	})
}

func TestStoryNobodyOnCall(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.people = nil
		w.rules[0].Policy.Repeat = 1
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger service")
		w.want(w.mail.taken(), "trigger service")
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger service", "resolve service")
		w.want(w.mail.taken(), "trigger service", "resolve service")
	})
}

// With one key for all, PagerDuty only logs the second trigger: the second
// person gets a mail as well.
func TestStorySharedKey(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.own = false
		w.start()
		w.fail()
		time.Sleep(12 * time.Minute)
		w.want(w.pager.taken(), "trigger service", "trigger service")
		w.want(w.mail.taken(), "trigger person:grace")
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger service", "trigger service", "resolve service")
		w.want(w.mail.taken(), "trigger person:grace", "resolve person:grace")
	})
}

func TestStoryBlind(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		time.Sleep(20 * time.Minute)
		w.want(w.pager.taken())
		w.turn(w.mute, true, nil)
		time.Sleep(10 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		if v := w.engine.Snapshot(); len(v.Blind) != 1 || !strings.Contains(v.Blind[0].Summary, "monitoring is blind: front") || v.Services[0].Outcome != probe.Unknown {
			t.Errorf("blind %+v, service %v", v.Blind, v.Services[0].Outcome)
		}
		w.turn(w.mute, false, nil)
		if err := w.engine.Ack(t.Context(), w.open()[0].ID, "ada", time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "acknowledge person:ada", "resolve person:ada")
	})
}
