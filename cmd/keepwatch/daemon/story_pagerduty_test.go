package daemon

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
	"keepwatch/web"
)

// TestStoryAcceptedButNobodyRings: PagerDuty says 202 and wakes nobody. Half a minute
// later the page goes another way, and everybody can read why.
func TestStoryAcceptedButNobodyRings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, says string
		account    func(a *fakepd.Account)
	}{
		{"the service is in maintenance", "no incident was opened", func(a *fakepd.Account) { a.Services[0].Maintenance = true }},
		{"a rule suppresses the event", "no incident was opened", func(a *fakepd.Account) { a.Services[0].Suppress = true }},
		{"the incident is assigned to nobody", "assigned to nobody", func(a *fakepd.Account) { a.Services[0].Unassigned = true }},
		{"who is assigned cannot be reached", "no contact method", func(a *fakepd.Account) { a.Users[0].NoContact = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account := fakepd.TeamAccount()
			tt.account(&account)
			inOffice(t, teamFile, fakepd.Options{Account: &account}, func(o *office) {
				o.fail()
				took := o.until(time.Minute, "nobody was told", func() bool { return len(o.mail.heard()) > 0 })
				if took > 31*time.Second {
					t.Errorf("the fallback went out %s after PagerDuty's 202, want 30 s", took)
				}
				if got := o.mail.heard(); !slices.Equal(got, []string{"trigger ada via mail"}) {
					t.Errorf("the fallback sent %v", got)
				}
				o.expect("page", o.status("ada"), "accepted but not paging", "fell back to mail")
				o.expect("timeline", o.timeline(o.incident().ID), "wakes nobody", tt.says, "paging through mail instead")
				if l := o.health(); l.Level != web.Red {
					t.Errorf("health is %v: %s", l.Level, l.Text)
				}
				o.expect("health", o.health().Text, "wakes nobody")
				if rung := o.rung(); len(rung) != 0 {
					t.Errorf("PagerDuty rang %v", rung)
				}
			})
		})
	}
}

// TestStoryRingingIsReadBack: a page that rings says whom and since when, follows the
// escalation, and says who acknowledged.
func TestStoryRingingIsReadBack(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		o.fail()
		o.expect("page", o.status("ada"), "accepted")
		o.wait(40 * time.Second)
		o.expect("page", o.status("ada"), "ringing Ada since 00:0")
		if l := o.health(); l.Level != web.OK {
			t.Errorf("health is %v: %s", l.Level, l.Text)
		}
		o.wait(13 * time.Minute)
		o.expect("page", o.status("grace"), "ringing Grace since 00:")
		if got := o.rung(); !slices.Equal(got, []string{"Ada", "Grace"}) {
			t.Errorf("PagerDuty rang %v", got)
		}
		if got := o.mail.heard(); len(got) != 0 {
			t.Errorf("the fallback sent %v although all was well", got)
		}
		o.atPagerDuty("ack", "Grace")
		o.wait(31 * time.Second)
		o.expect("page", o.status("grace"), "acknowledged by Grace")
	})
}

// TestStoryPagerDutyPolicyFollowsTheHandOff: PagerDuty rings whom the file names, from
// the second of the hand-off on, and a change by hand there is put back.
func TestStoryPagerDutyPolicyFollowsTheHandOff(t *testing.T) {
	t.Parallel()
	account := fakepd.TeamAccount()
	account.Policies[0].Rules = []fakepd.Rule{{ID: "PRULE01", Delay: 30, Users: []string{"PALAN01"}}}
	account.Policies[0].Loops = 3
	file := strings.NewReplacer("start: 1999-12-27", "start: 1999-12-25", "Monday 09:00", "Saturday 01:00").Replace(teamFile)
	inOffice(t, file, fakepd.Options{Account: &account}, func(o *office) {
		policy := func() string {
			var out []string
			p := o.pd.Account().Policies[0]
			for _, r := range p.Rules {
				out = append(out, fmt.Sprintf("%s %d", strings.Join(r.Users, "+"), r.Delay))
			}
			return strings.Join(out, ", ") + fmt.Sprintf(" x%d", p.Loops)
		}
		const before, after = "PADA001 10, PGRACE1 10 x0", "PGRACE1 10, PADA001 10 x0"
		o.wait(2 * time.Second)
		if got := policy(); got != before {
			t.Fatalf("PagerDuty has %s, want %s", got, before)
		}
		handoff := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
		o.wait(time.Until(handoff.Add(-time.Second)))
		if got := policy(); got != before {
			t.Errorf("a second before the hand-off PagerDuty has %s, want %s", got, before)
		}
		o.wait(2 * time.Second)
		if got := policy(); got != after {
			t.Errorf("a second after the hand-off PagerDuty has %s, want %s", got, after)
		}
		if err := o.pd.Change(func(a *fakepd.Account) { a.Policies[0].Rules[0].Users = []string{"PALAN01"} }); err != nil {
			t.Fatal(err)
		}
		o.wait(61 * time.Second)
		if got := policy(); got != after {
			t.Errorf("a minute after somebody's edit PagerDuty has %s, want %s", got, after)
		}
		o.expect("health", o.health().Text, "somebody changed PagerDuty's escalation policy PESC001", "put back")
		o.fail()
		o.wait(40 * time.Second)
		o.expect("page", o.status("grace"), "ringing Grace")
		if got := o.rung(); !slices.Equal(got, []string{"Grace"}) {
			t.Errorf("PagerDuty rang %v, want Grace", got)
		}
	})
}

// TestStoryAckByPollWhenWebhooksAreLost: not one webhook arrives, and the second
// level sleeps on all the same.
func TestStoryAckByPollWhenWebhooksAreLost(t *testing.T) {
	t.Parallel()
	for _, hide := range []bool{false, true} {
		t.Run(fmt.Sprintf("hidden keys %v", hide), func(t *testing.T) {
			t.Parallel()
			inOffice(t, teamFile, fakepd.Options{HideIncidentKey: hide}, func(o *office) {
				in := o.fail()
				o.wait(3 * time.Minute)
				o.atPagerDuty("ack", "Ada")
				took := o.until(time.Minute, "the acknowledgement was not read", func() bool { return o.incident().State == alerting.Acknowledged })
				if took > 35*time.Second {
					t.Errorf("the acknowledgement took %s, want at most 35 s", took)
				}
				if got := o.incident(); got.AckBy != "Ada" || !got.NextActionAt.IsZero() {
					t.Errorf("acknowledged by %q, next action at %v", got.AckBy, got.NextActionAt)
				}
				o.wait(15 * time.Minute)
				if got := o.rung(); !slices.Equal(got, []string{"Ada"}) {
					t.Errorf("PagerDuty rang %v, want only Ada", got)
				}
				if n := strings.Count(o.timeline(in.ID), "acknowledged by Ada"); n != 2 { // the person's, and who is shown at the page
					t.Errorf("the timeline says %d times that Ada acknowledged:\n%s", n, o.timeline(in.ID))
				}
			})
		})
	}
}

// TestStoryAckByWebhookInSeconds: the webhook is kept first and acted on at once.
func TestStoryAckByWebhookInSeconds(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		o.fail()
		o.wait(time.Minute)
		if code := o.post(o.webhook("acknowledged", "Ada", time.Now()), hookSecret); code != http.StatusAccepted {
			t.Fatalf("the webhook was answered %d", code)
		}
		if took := o.until(3*time.Second, "the webhook did nothing", func() bool { return o.incident().State == alerting.Acknowledged }); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestStoryForgedWebhookChangesNothing: forged, recorded, repeated and reordered
// webhooks, and one while the database is away.
func TestStoryForgedWebhookChangesNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		in := o.fail()
		o.wait(time.Minute)
		now := time.Now()
		forged := o.webhook("acknowledged", "Mallory", now)
		old := o.webhook("acknowledged", "Mallory", now.Add(-72*time.Hour))
		for _, tt := range []struct {
			name, secret string
			body         []byte
			want         int
		}{
			{"forged", "another secret", forged, http.StatusUnauthorized},
			{"with an empty key", "", forged, http.StatusUnauthorized},
			{"three days old", hookSecret, old, http.StatusAccepted},
			{"of an unknown type", hookSecret, o.webhook("conference_bridge.updated", "Mallory", now), http.StatusAccepted},
		} {
			if code := o.post(tt.body, tt.secret); code != tt.want {
				t.Errorf("%s: answered %d, want %d", tt.name, code, tt.want)
			}
			o.wait(3 * time.Second)
		}
		if got := o.incident(); got.State != alerting.Open || got.Version != in.Version {
			t.Errorf("the incident is %s at version %d after forged webhooks, want open and %d", got.State, got.Version, in.Version)
		}
		o.expect("health", o.health().Text, "3 webhooks were refused")

		// Ada acknowledges and takes it back; the webhooks come in the wrong order, five times each.
		ack, unack := o.webhook("acknowledged", "Ada", now), o.webhook("unacknowledged", "Ada", now.Add(time.Second))
		for range 5 {
			o.post(unack, hookSecret)
			o.post(ack, hookSecret)
		}
		o.wait(3 * time.Second)
		if got := o.incident(); got.State != alerting.Open {
			t.Errorf("an older acknowledgement won over a newer withdrawal: the incident is %s", got.State)
		}

		// While the database is away an acknowledgement counts, and PagerDuty is asked to say it again.
		o.deaf.away.Store(true)
		last := o.webhook("acknowledged", "Grace", time.Now())
		if code := o.post(last, hookSecret); code != http.StatusServiceUnavailable {
			t.Errorf("without the database: answered %d, want 503", code)
		}
		if got := o.incident(); got.State != alerting.Acknowledged || got.AckBy != "Grace" {
			t.Errorf("without the database: %s by %q, want acknowledged by Grace", got.State, got.AckBy)
		}
		o.deaf.away.Store(false)
		if code := o.post(last, hookSecret); code != http.StatusAccepted {
			t.Errorf("said again: answered %d, want 202", code)
		}
		o.wait(10 * time.Second)
		if n := strings.Count(o.timeline(in.ID), ": acknowledged by Grace"); n != 1 {
			t.Errorf("acknowledged %d times:\n%s", n, o.timeline(in.ID))
		}
	})
}

// TestStoryTokenRevokedStillPages: without the token nothing can be read or kept up to
// date, but people are woken, also the second level, and health says what to do.
func TestStoryTokenRevokedStillPages(t *testing.T) {
	t.Parallel()
	file := strings.Replace(teamFile, "user: PGRACE1}", "user: PGRACE1, routing_key: abcdefabcdefabcdefabcdefabcdef01}", 1)
	account := fakepd.TeamAccount()
	account.Policies = append(account.Policies, fakepd.Policy{ID: "PESC002", Name: "Grace", Rules: []fakepd.Rule{{ID: "PRULE03", Delay: 30, Users: []string{"PGRACE1"}}}})
	account.Services = append(account.Services, fakepd.Service{ID: "PFAKE02", Name: "Grace", Key: "abcdefabcdefabcdefabcdefabcdef01", Policy: "PESC002"})
	account.Policies[0].Rules = account.Policies[0].Rules[:1]
	inOffice(t, file, fakepd.Options{Account: &account, Tokens: []string{"another"}}, func(o *office) {
		o.wait(10 * time.Second)
		o.expect("health", o.health().Text, "PESC001", "the PagerDuty token was refused (401): make a new one")
		in := o.fail()
		o.until(12*time.Minute, "the second level was not paged", func() bool { return len(o.rung()) == 2 })
		if got := o.rung(); !slices.Equal(got, []string{"Ada", "Grace"}) {
			t.Errorf("PagerDuty rang %v, want Ada and then Grace by her own key", got)
		}
		o.expect("page", o.status("ada"), "accepted; whether it rings could not be read")
		o.expect("timeline", o.timeline(in.ID), "the PagerDuty token was refused (401)")
		o.expect("health", o.health().Text, "whether pages ring cannot be read since")
		o.down.Store(false)
		o.until(20*time.Minute, "the incident was not resolved", func() bool { return len(o.pages()) == 0 })
		o.until(2*time.Minute, "PagerDuty's incidents were not closed", func() bool {
			return !slices.ContainsFunc(o.pd.State().Incidents, func(i fakepd.Incident) bool { return i.Status != "resolved" })
		})
	})
}

// TestStoryNextLevelRingsSinceItWasReached: a page to the second level rings since PagerDuty
// reached that level, not since the incident began.
func TestStoryNextLevelRingsSinceItWasReached(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		o.fail()
		begin := time.Now().UTC()
		o.wait(11 * time.Minute)
		o.expect("page", o.status("grace"), "ringing Grace since "+begin.Add(10*time.Minute).Format("15:04:"))
	})
}

// TestStoryPagerDutyDoesNotEscalate: its policy should have rung the second level, and
// two minutes later it has not: the fallback rings them.
func TestStoryPagerDutyDoesNotEscalate(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{Minute: time.Hour}, func(o *office) {
		o.fail()
		begin := time.Now()
		o.until(15*time.Minute, "nobody was told", func() bool { return len(o.mail.heard()) > 0 })
		if took := time.Since(begin); took < 10*time.Minute || took > 12*time.Minute+10*time.Second {
			t.Errorf("the fallback went out %s after the first page, want 12 min", took)
		}
		if got := o.mail.heard(); !slices.Equal(got, []string{"trigger grace via mail"}) {
			t.Errorf("the fallback sent %v", got)
		}
		o.expect("page", o.status("grace"), "ringing Ada instead", "fell back to mail")
		o.expect("page", o.status("ada"), "ringing Ada since")
	})
}

// TestStoryPagerDutyIsUnreadable: its REST API is down while it takes events. That is no
// reason to wake people twice; it is said, and looked at again.
func TestStoryPagerDutyIsUnreadable(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		o.wait(5 * time.Second)
		if err := o.pd.AddFault(fakepd.Fault{REST: true, Status: 503}); err != nil {
			t.Fatal(err)
		}
		o.fail()
		o.wait(3 * time.Minute)
		o.expect("page", o.status("ada"), "could not be read")
		o.expect("health", o.health().Text, "whether pages ring cannot be read since")
		if got := o.mail.heard(); len(got) != 0 {
			t.Errorf("the fallback sent %v", got)
		}
		o.pd.ClearFaults()
		o.wait(6 * time.Minute)
		o.expect("page", o.status("ada"), "ringing Ada since")
		if l := o.health(); l.Level != web.OK {
			t.Errorf("health is %v: %s", l.Level, l.Text)
		}
	})
}

// TestStoryClosedAtPagerDutyWhileItFails: a person closes it there; that stops the
// paging, but it is over only when the checks say so.
func TestStoryClosedAtPagerDutyWhileItFails(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		in := o.fail()
		o.wait(time.Minute)
		o.atPagerDuty("resolve", "Ada")
		o.wait(35 * time.Second)
		if got := o.incident(); got.State != alerting.Acknowledged || !got.Closed || got.AckBy != "Ada" {
			t.Errorf("%s, closed %v by %q; want closed by Ada and still failing", got.State, got.Closed, got.AckBy)
		}
		o.wait(15 * time.Minute)
		if got := o.rung(); !slices.Equal(got, []string{"Ada"}) {
			t.Errorf("PagerDuty rang %v", got)
		}
		if n := strings.Count(o.timeline(in.ID), "closed by Ada while"); n > 1 {
			t.Errorf("said %d times:\n%s", n, o.timeline(in.ID))
		}
		o.down.Store(false)
		o.until(20*time.Minute, "the incident was not resolved", func() bool { return len(o.pages()) == 0 })
	})
}

// TestStoryTakenOverBeforeTheLook: the daemon that sent the page is gone before it could
// look whether it rings; the next one looks.
func TestStoryTakenOverBeforeTheLook(t *testing.T) {
	t.Parallel()
	account := fakepd.TeamAccount()
	account.Services[0].Maintenance = true
	inOffice(t, teamFile, fakepd.Options{Account: &account}, func(o *office) {
		o.fail()
		o.wait(10 * time.Second)
		o.lead.now <- struct{}{}
		o.wait(25 * time.Second)
		if got := o.mail.heard(); !slices.Equal(got, []string{"trigger ada via mail"}) {
			t.Errorf("the fallback sent %v", got)
		}
		o.lead.now <- struct{}{}
		o.wait(2 * time.Minute)
		if got := o.mail.heard(); len(got) != 1 {
			t.Errorf("after another restart the fallback sent %v", got)
		}
		o.expect("health", o.health().Text, "wakes nobody")
	})
}

// TestStoryWebhookAtTheStandBy: another process may take the webhook; it is acted on by
// whoever leads, and once.
func TestStoryWebhookAtTheStandBy(t *testing.T) {
	t.Parallel()
	inOffice(t, teamFile, fakepd.Options{}, func(o *office) {
		in := o.fail()
		o.wait(time.Minute)
		h := alerting.Heard{
			ID: "01STANDBY", Type: "incident.acknowledged", DedupKey: in.ID, Incident: "Q1", By: "Ada", Status: true,
			At: time.Now().UTC(), Raw: []byte("{}"),
		}
		if err := (postgres.Webhooks{DB: o.d.database.db}).Keep(o.t.Context(), h, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
		o.until(3*time.Second, "nobody acted on it", func() bool { return o.incident().State == alerting.Acknowledged })
		o.lead.now <- struct{}{}
		o.wait(time.Minute)
		if n := strings.Count(o.timeline(in.ID), ": acknowledged by Ada"); n != 1 {
			t.Errorf("acted on %d times:\n%s", n, o.timeline(in.ID))
		}
	})
}
