package daemon

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
	lead  *restart
}

// restart lets the leading parts end and begin anew, as another daemon that takes over.
type restart struct{ now chan struct{} }

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
	d := &daemon{Options: Options{File: f, Log: log}, database: &database{db: db}, started: time.Now()}
	d.present.Store(f)
	o.lead = &restart{now: make(chan struct{})}
	o.shut = &gate{Primary: postgres.Incidents{DB: db}}
	d.failover = &alerting.Failover{Primary: o.shut, Log: log}
	d.covers = &covers{log: log}
	d.engine = &alerting.Engine{Store: d.failover, Log: log}
	names, mails := f.FallbackNames()
	d.deliverer = &alerting.Deliverer{Store: d.failover, Fallback: names, NoEcho: mails, Log: log}
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
			for ctx.Err() == nil {
				o.lead.run(ctx, d.engine.Run, d.deliverer.Run, d.runPagerDuty)
			}
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

// run runs the parts until ctx ends or a restart is wanted.
func (r *restart) run(ctx context.Context, runs ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	for _, run := range runs {
		parts.Go(func() { _ = run(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-r.now:
		cancel()
	}
	parts.Wait()
}

// put brings a file into force, as a reload does.
func (o *office) put(f *config.File) {
	d := o.d
	d.present.Store(f)
	d.putPagerDuty(f)
	names, mails := f.FallbackNames()
	d.deliverer.Reload(d.switches.reload(f, map[string]alerting.Notifier{
		pagerDutyChannel: pagerduty.NewOver(*f.PagerDuty, f.Routes().Keys, o.pd), "mail": o.mail,
	}, d.failover.Owes()), names, mails)
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
