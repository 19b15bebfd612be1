package daemon

import (
	"slices"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/web"
)

// give does what the button of the console and the command line do.
func (o *office) give(verb web.Verb, incident string) {
	o.t.Helper()
	if err := (desk{o.d}).act(o.t.Context(), web.Act{Verb: verb, Incident: incident, By: "ada", At: time.Now()}); err != nil {
		o.t.Fatal(err)
	}
}

// TestStoryGivenBackRingsAgain: Ada acknowledges, sees that she cannot help and gives the incident
// back. The alert that she acknowledged rings nobody at PagerDuty, so a new one opens; the old one is closed.
func TestStoryGivenBackRingsAgain(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		in := o.fail()
		o.wait(time.Minute)
		for range 2 {
			o.give(web.VerbAck, in.ID)
			o.wait(time.Minute)
			o.give(web.VerbUnack, in.ID)
			o.wait(time.Minute)
		}
		if got := o.rung(); !slices.Equal(got, []string{"Ada", "Ada", "Ada"}) {
			t.Errorf("PagerDuty rang %v, want Ada when it began and each time that it was given back:\n%s", got, o.timeline(in.ID))
		}
		if got := o.incident(); got.State != alerting.Open {
			t.Errorf("the incident is %s", got.State)
		}
		o.expect("page", o.status("ada"), "ringing Ada since")
		o.down.Store(false)
		o.until(20*time.Minute, "the incident was not resolved", func() bool { return len(o.pages()) == 0 })
		for _, inc := range o.pd.State().Incidents {
			if inc.Status != "resolved" {
				t.Errorf("%s is %s at PagerDuty", inc.DedupKey, inc.Status)
			}
		}
	})
}

// TestStoryUnackAtPagerDutyKeepsTheAlert: what is taken back at PagerDuty rings there by itself,
// so its alert goes on: whom they reassigned it to keeps it.
func TestStoryUnackAtPagerDutyKeepsTheAlert(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		in := o.fail()
		o.wait(time.Minute)
		o.give(web.VerbAck, in.ID)
		o.wait(time.Minute)
		if err := o.d.engine.Unack(o.t.Context(), in.ID, "Grace", time.Now()); err != nil {
			t.Fatal(err)
		}
		o.wait(10 * time.Second)
		if got := o.incident(); got.State != alerting.Open || got.Ring != 0 {
			t.Errorf("the incident is %s, alert %d; want it open under its first alert", got.State, got.Ring)
		}
	})
}

// TestStoryGivenBackAfterItRecovered: nobody is rung for what is well again; should it fail
// anew within the window, it is nobody's, so somebody is rung.
func TestStoryGivenBackAfterItRecovered(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		in := o.fail()
		o.wait(time.Minute)
		o.give(web.VerbAck, in.ID)
		o.down.Store(false)
		o.until(2*time.Minute, "it did not recover", func() bool { return o.incident().Recovering() })
		o.give(web.VerbUnack, in.ID)
		o.wait(time.Minute)
		if got := o.rung(); !slices.Equal(got, []string{"Ada"}) {
			t.Errorf("PagerDuty rang %v although it was well again:\n%s", got, o.timeline(in.ID))
		}
		o.down.Store(true)
		o.wait(2 * time.Minute)
		if got := o.rung(); !slices.Equal(got, []string{"Ada", "Ada"}) {
			t.Errorf("PagerDuty rang %v, want Ada again when it failed anew:\n%s", got, o.timeline(in.ID))
		}
		o.expect("page", o.status("ada"), "ringing Ada since")
	})
}
