package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/web"
)

// These stories are about PagerDuty: the real parts over a real Postgres, and the
// stand-in as PagerDuty, in a bubble of fake time. It is Saturday midnight; Ada is on
// call until Monday at nine, then Grace; ten minutes later the other one is paged.

const (
	teamKey    = "0123456789abcdef0123456789abcdef"
	hookSecret = "story secret"
	teamFile   = `
version: 1
data_dir: %s
locations: [central, east, west]
checks: [{name: front, every: 30s, timeout: 5s, http: {url: "http://127.0.0.1:1/"}}]
services: [{name: shop, critical: [front], escalation: site}]
people:
  ada: {name: Ada, email: ada@example.com, pagerduty: {user: PADA001}}
  grace: {name: Grace, email: grace@example.com, pagerduty: {user: PGRACE1}}
rotations:
  primary: {start: 1999-12-27, handoff: Monday 09:00, people: [ada, grace]}
  secondary: {start: 1999-12-27, handoff: Monday 09:00, people: [grace, ada]}
escalations:
  site: {levels: [{page: primary}, {page: secondary, after: 10m}]}
pagerduty: {routing_key: ` + teamKey + `, api_token: token, escalation_policy: PESC001, webhook_secret: ` + hookSecret + `}
fallback: {channels: [{name: mail, webhook: {url: "http://127.0.0.1:1/"}}]}
`
)

// office is one story's house.
type office struct {
	t     *testing.T
	d     *daemon
	pd    *fakepd.Server
	mail  *phone
	shut  *gate       // stands before the database
	deaf  *deafInbox  // stands before the inbox of webhooks
	down  atomic.Bool // the shop
	start time.Time
	seq   int // of webhooks
}

// inOffice tells a story with a team file (%s is its directory) and PagerDuty's account.
func inOffice(t *testing.T, file string, opts fakepd.Options, story func(o *office)) {
	t.Helper()
	dsn, dir := pgtest.DSN(t), t.TempDir()
	path := filepath.Join(dir, "keepwatch.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, file, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if opts.Account == nil {
		account := fakepd.TeamAccount()
		opts.Account = &account
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		o := &office{t: t, pd: fakepd.New(opts), mail: &phone{start: time.Now()}, start: time.Now()}
		defer o.pd.Close()
		stop := o.open(db, f)
		defer stop()
		story(o)
	})
}

// open wires the parts as the daemon does and runs them.
func (o *office) open(db *postgres.DB, f *config.File) (stop func()) {
	log := slog.New(slog.DiscardHandler)
	d := &daemon{daemonOptions: daemonOptions{file: f, log: log}, database: &database{db: db}, started: time.Now()}
	d.present.Store(f)
	o.shut = &gate{Primary: postgres.Incidents{DB: db}}
	d.failover = &alerting.Failover{Primary: o.shut, Log: log}
	d.covers = &covers{log: log}
	d.engine = &alerting.Engine{Store: d.failover, Log: log}
	names, mails := fallbackNames(f)
	d.deliverer = &alerting.Deliverer{
		Store: d.failover, Fallback: names, NoEcho: mails, Log: log,
		Notifiers: map[string]alerting.Notifier{
			pagerDutyChannel: pagerduty.NewOver(*f.PagerDuty, f.Routes().Keys, o.pd), "mail": o.mail,
		},
	}
	d.engine.Wake = d.deliverer.Wake
	d.pd.transport = o.pd
	d.makePagerDuty()
	o.deaf = &deafInbox{Inbox: d.pd.inbox}
	d.pd.inbox, d.pd.clerk.Inbox = o.deaf, o.deaf
	d.leader = &alerting.Leader{
		Try: func(context.Context) (alerting.Lease, bool, error) {
			return alerting.Lease{Lost: make(chan struct{}), Release: func() {}}, true, nil
		},
		Was: func() bool { return true }, Mark: func(bool) {}, Log: log,
		Part: func(ctx context.Context) error {
			var parts sync.WaitGroup
			for _, run := range []func(context.Context) error{d.engine.Run, d.deliverer.Run, d.runPagerDuty} {
				parts.Go(func() { _ = run(ctx) })
			}
			parts.Wait()
			return ctx.Err()
		},
	}
	d.runner = &probe.Runner{Sink: d.engine, Log: log}
	d.engine.Again = d.runner.LookAgain
	o.d = d
	o.put(f)
	ctx, cancel := context.WithCancel(o.t.Context())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{d.failover.Run, d.leader.Run, d.runner.Run} {
		all.Go(func() { _ = run(ctx) })
	}
	return func() { cancel(); all.Wait() }
}

// put brings a file into force, as a reload does.
func (o *office) put(f *config.File) {
	d := o.d
	d.present.Store(f)
	d.putPagerDuty(f)
	d.engine.Apply(f.Rules(), d.covers.roster(f), d.routing(f))
	d.runner.Apply([]probe.Check{{
		Name: "front", Kind: "http", Every: storyInterval, Timeout: 5 * time.Second, Quorum: 2,
		Locations: f.Checks[0].Locations, Checker: o, Spec: "front",
	}})
}

// Check implements probe.Checker.
func (o *office) Check(context.Context) probe.Look {
	if o.down.Load() {
		return probe.Look{Latency: time.Millisecond, Fault: probe.Fault{Class: probe.ClassConnect, Message: "connection refused"}}
	}
	return probe.Look{OK: true, Code: 200, Latency: time.Millisecond}
}

// deafInbox is the database's, unless that is away.
type deafInbox struct {
	alerting.Inbox
	away atomic.Bool
}

// Keep implements alerting.Inbox.
func (i *deafInbox) Keep(ctx context.Context, h alerting.Heard, now time.Time) error {
	if i.away.Load() {
		return errGate
	}
	return i.Inbox.Keep(ctx, h, now)
}

// Waiting implements alerting.Inbox.
func (i *deafInbox) Waiting(ctx context.Context, limit int) ([]alerting.Heard, error) {
	if i.away.Load() {
		return nil, errGate
	}
	return i.Inbox.Waiting(ctx, limit)
}

// wait lets time pass until everything has come to rest.
func (o *office) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until waits for something, a second at a time, and returns how long it took.
func (o *office) until(atMost time.Duration, what string, is func() bool) time.Duration {
	o.t.Helper()
	begin := time.Now()
	for !is() {
		if time.Since(begin) >= atMost {
			o.t.Fatalf("after %s: %s", atMost, what)
		}
		o.wait(time.Second)
	}
	return time.Since(begin)
}

// fail breaks the shop and waits until PagerDuty has got the page.
func (o *office) fail() alerting.Incident {
	o.t.Helper()
	o.down.Store(true)
	o.until(2*time.Minute, "PagerDuty got no page", func() bool {
		return slices.ContainsFunc(o.pages(), func(p alerting.Page) bool { return p.Channel == pagerDutyChannel && p.State == alerting.Accepted })
	})
	return o.incident()
}

func (o *office) incident() alerting.Incident {
	o.t.Helper()
	for _, s := range o.d.engine.Snapshot().Services {
		if s.Open != nil {
			return *s.Open
		}
	}
	o.t.Fatal("no incident is open")
	return alerting.Incident{}
}

func (o *office) pages() []alerting.Page {
	for _, s := range o.d.engine.Snapshot().Services {
		if s.Open != nil {
			pages, err := o.d.failover.Pages(o.t.Context(), s.Open.ID)
			if err != nil {
				o.t.Fatal(err)
			}
			return pages
		}
	}
	return nil
}

// status is how the page for a person through PagerDuty stands, in words.
func (o *office) status(person string) string {
	pages := o.pages()
	for _, p := range slices.Backward(pages) {
		if p.Person == person && p.Channel == pagerDutyChannel && p.Action == alerting.Trigger {
			return p.Status(o.incident(), pages, nil)
		}
	}
	return "no page"
}

// health is PagerDuty's line.
func (o *office) health() web.Line {
	l, _ := o.d.pagerDutyLine(time.Now())
	return l
}

// rung lists whom PagerDuty notified, in order, as "Ada at 30s".
func (o *office) rung() []string {
	var out []string
	names := map[string]string{}
	for _, u := range o.pd.Account().Users {
		names[u.ID] = u.Name
	}
	for _, inc := range o.pd.State().Incidents {
		for _, r := range inc.Records {
			if r.Type == "notify_log_entry" {
				out = append(out, names[r.User])
			}
		}
	}
	return out
}

// atPagerDuty does something there as a person does, without a webhook.
func (o *office) atPagerDuty(action, by string) {
	o.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/_"+action+"?by="+by+"&dedup_key="+o.incident().ID, nil)
	w := httptest.NewRecorder()
	o.pd.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		o.t.Fatalf("%s at PagerDuty: %d %s", action, w.Code, w.Body)
	}
}

// webhook is what PagerDuty says of the open incident.
func (o *office) webhook(kind, by string, at time.Time) []byte {
	o.t.Helper()
	o.seq++
	key, id := o.incident().ID, o.pd.State().Incidents[0].ID
	body, err := json.Marshal(map[string]any{"event": map[string]any{
		"id": fmt.Sprintf("01EVENT%06d", o.seq), "event_type": "incident." + kind, "resource_type": "incident", "occurred_at": at.UTC(),
		"agent": map[string]string{"id": "P" + strings.ToUpper(by), "type": "user_reference", "summary": by},
		"data":  map[string]any{"id": id, "type": "incident", "incident_key": key},
	}})
	if err != nil {
		o.t.Fatal(err)
	}
	return body
}

// post brings a webhook to the door.
func (o *office) post(body []byte, secret string) int {
	r := httptest.NewRequest(http.MethodPost, webhookPath, bytes.NewReader(body))
	r.Header.Set("X-PagerDuty-Signature", fakepd.Sign(secret, body))
	r.Header.Set("X-Webhook-Id", fmt.Sprint("W", o.seq))
	w := httptest.NewRecorder()
	o.d.pagerDutyWebhook().ServeHTTP(w, r)
	synctest.Wait()
	return w.Code
}

// timeline is the incident's, as text.
func (o *office) timeline(incident string) string {
	o.t.Helper()
	entries, err := postgres.Incidents{DB: o.d.database.db}.Timeline(o.t.Context(), incident)
	if err != nil {
		o.t.Fatal(err)
	}
	slices.SortStableFunc(entries, func(a, b alerting.Entry) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	var out strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&out, "%s %s: %s\n", e.At.Sub(o.start).Round(time.Second), e.Kind, e.Text)
	}
	return out.String()
}

func (o *office) expect(what, got string, words ...string) {
	o.t.Helper()
	for _, w := range words {
		if !strings.Contains(got, w) {
			o.t.Errorf("%s: got %q, want %q in it", what, got, w)
		}
	}
}

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
		o.expect("page", o.status("ada"), "accepted, not looked up yet")
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
	inOffice(t, teamFile, fakepd.Options{Account: &account}, func(o *office) {
		policy := func() string {
			var out []string
			p := o.pd.Account().Policies[0]
			for _, r := range p.Rules {
				out = append(out, fmt.Sprintf("%s %d", strings.Join(r.Users, "+"), r.Delay))
			}
			return strings.Join(out, ", ") + fmt.Sprintf(" x%d", p.Loops)
		}
		const saturday, monday = "PADA001 10, PGRACE1 10 x0", "PGRACE1 10, PADA001 10 x0"
		o.wait(2 * time.Second)
		if got := policy(); got != saturday {
			t.Fatalf("PagerDuty has %s, want %s", got, saturday)
		}
		handoff := time.Date(2000, 1, 3, 9, 0, 0, 0, time.UTC)
		o.wait(time.Until(handoff.Add(-time.Second)))
		if got := policy(); got != saturday {
			t.Errorf("a second before the hand-off PagerDuty has %s, want %s", got, saturday)
		}
		o.wait(2 * time.Second)
		if got := policy(); got != monday {
			t.Errorf("a second after the hand-off PagerDuty has %s, want %s", got, monday)
		}
		if err := o.pd.Change(func(a *fakepd.Account) { a.Policies[0].Rules[0].Users = []string{"PALAN01"} }); err != nil {
			t.Fatal(err)
		}
		o.wait(61 * time.Second)
		if got := policy(); got != monday {
			t.Errorf("a minute after somebody's edit PagerDuty has %s, want %s", got, monday)
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
