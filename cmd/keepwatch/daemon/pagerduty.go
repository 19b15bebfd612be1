package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/web"
)

// webhookPath is where PagerDuty's webhooks come to.
const webhookPath = "/v1/webhooks/pagerduty"

// pagerDuty is all that reads from PagerDuty: whether pages ring, who acknowledged,
// and what its escalation policies are.
type pagerDuty struct {
	transport http.RoundTripper // nil means real connections
	client    atomic.Pointer[pagerduty.Client]
	webhook   atomic.Pointer[pagerduty.Webhook] // of the present configuration
	inbox     alerting.Inbox
	prover    *alerting.Prover
	sync      *pagerduty.PolicySync
	mirror    *pagerduty.Mirror
	clerk     *pagerduty.Clerk
	hooks     *pagerduty.Subscription
	refused   refusals

	settings pagerduty.Config // that client was made from; of put's goroutine
}

// refusals counts the webhooks that were not taken. The zero value is ready.
type refusals struct {
	mu     sync.Mutex
	forged int       // guarded by mu
	other  int       // guarded by mu
	last   time.Time // guarded by mu: of a forged one
}

func (r *refusals) add(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, pagerduty.ErrSignature) || errors.Is(err, pagerduty.ErrHeader) || errors.Is(err, pagerduty.ErrRecording) {
		r.forged++
		r.last = now
		return
	}
	r.other++
}

// note says what was refused; "" when nothing was.
func (r *refusals) note() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forged == 0 {
		return ""
	}
	return fmt.Sprintf("%d webhooks were refused since the start because they were forged, replayed or signed with another secret, the last at %s",
		r.forged, r.last.UTC().Format(time.RFC3339))
}

// makePagerDuty makes the parts; they do nothing before put gives them a client.
func (d *daemon) makePagerDuty() {
	p := &d.pd
	p.inbox = postgres.Webhooks{DB: d.database.db}
	p.prover = &alerting.Prover{Store: d.failover, Deliverer: d.deliverer, Log: d.Log, Now: d.now}
	p.sync = &pagerduty.PolicySync{Log: d.Log, Now: d.now}
	p.mirror = &pagerduty.Mirror{Store: d.failover, Desk: d.engine, Channel: pagerDutyChannel, Seen: p.prover.Seen, Log: d.Log, Now: d.now}
	p.clerk = &pagerduty.Clerk{Inbox: p.inbox, Desk: d.engine, Log: d.Log, Now: d.now}
	p.hooks = &pagerduty.Subscription{Log: d.Log, Now: d.now}
	d.deliverer.Settled = func(page alerting.Page) {
		d.engine.Settled(page)
		p.prover.Settled(page)
	}
}

// putPagerDuty brings a configuration into force.
func (d *daemon) putPagerDuty(f *config.File) {
	d.putWebhook(f)
	p := &d.pd
	if p.sync == nil {
		return // a test without the parts
	}
	var cfg pagerduty.Config
	if f.PagerDuty != nil {
		cfg = *f.PagerDuty
	}
	client := p.client.Load()
	if !reflect.DeepEqual(cfg, p.settings) {
		client, p.settings = pagerduty.NewClient(cfg, p.transport), cfg
		p.client.Store(client)
	}
	users := f.PagerDutyUsers()
	user := func(person string) string { return users[person] }
	verifiers := map[string]alerting.Verifier{}
	if client != nil {
		verifiers[pagerDutyChannel] = &pagerduty.Lookout{Client: client, Expect: expectation(f, users)}
	}
	p.prover.Reload(verifiers, cfg.VerifyAfter)
	p.sync.Reload(client, f.Followed(), d.covers.roster(f), user)
	p.mirror.Reload(client)
	p.clerk.Client.Store(client)
	at := ""
	if f.Console != nil && len(cfg.Secrets()) > 0 {
		at = strings.TrimSuffix(f.Console.PublicURL, "/") + webhookPath
	}
	p.hooks.Reload(client, at)
}

// expectation gives the PagerDuty user who must be rung for a page; "" when
// PagerDuty decides.
func expectation(f *config.File, users map[string]string) func(p alerting.Page) string {
	climbing := map[string]bool{}
	for name := range f.Escalations {
		if route := f.Climbing(name); route != "" {
			climbing[route] = true
		}
	}
	return func(p alerting.Page) string {
		if p.Route == alerting.PersonRoute(p.Person) || climbing[p.Route] {
			return users[p.Person]
		}
		return ""
	}
}

// climbs says by which route a policy's own ladder at PagerDuty is reached, and
// whether that rings the person; see alerting.Routing.Climbs.
func (d *daemon) climbs(f *config.File) func(policy, person string) (string, bool) {
	users, routes := f.PagerDutyUsers(), f.Routes()
	return func(policy, person string) (string, bool) {
		route := f.Climbing(policy)
		if route == "" || routes.Keys[route] == "" {
			return "", false
		}
		if d.pd.sync.Knows(users[person]) && d.pd.sync.Follows(policy, d.now()) {
			return route, true
		}
		if _, own := routes.Route(person); own {
			return "", false // the next way to the person
		}
		return route, false
	}
}

// rosterChanged passes on who is on call.
func (d *daemon) rosterChanged() {
	roster := d.covers.roster(d.present.Load())
	d.engine.SetRoster(roster)
	d.pd.sync.SetRoster(roster)
}

// runPagerDuty runs what only the leading daemon may do at PagerDuty.
func (d *daemon) runPagerDuty(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{
		d.pd.prover.Run, d.pd.sync.Run, d.pd.mirror.Run, d.pd.clerk.Run, d.pd.hooks.Run,
	} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// pagerDutyWebhook is the door for what people do at PagerDuty.
// It asks for the present secrets, so that a reload can exchange them.
func (d *daemon) pagerDutyWebhook() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.pd.webhook.Load().ServeHTTP(w, r) })
}

// putWebhook puts the secrets of a configuration into force.
func (d *daemon) putWebhook(f *config.File) {
	hook := &pagerduty.Webhook{Keep: d.keepHeard, Meanwhile: d.actAtOnce, Refused: d.refuseWebhook, Now: d.now}
	if f.PagerDuty != nil {
		hook.Secrets, hook.Header = f.PagerDuty.Secrets(), f.PagerDuty.WebhookHeader
	}
	d.pd.webhook.Store(hook)
}

// keepHeard stores a webhook; whichever daemon leads acts on it.
func (d *daemon) keepHeard(ctx context.Context, h alerting.Heard) error {
	if err := d.pd.inbox.Keep(ctx, h, d.now().UTC()); err != nil {
		return err
	}
	d.pd.clerk.Wake()
	return nil
}

// actAtOnce does what cannot wait for the database.
func (d *daemon) actAtOnce(ctx context.Context, h alerting.Heard) {
	if d.leader.Leads() {
		d.pd.clerk.Meanwhile(ctx, h)
	}
}

func (d *daemon) refuseWebhook(err error) {
	d.pd.refused.add(err, d.now())
	d.Log.Warn("pagerduty webhook refused", "err", err)
}

// pagerDutyLine is how PagerDuty stands; none without a pagerduty block.
func (d *daemon) pagerDutyLine(now time.Time) (web.Line, bool) {
	f := d.present.Load()
	if f.PagerDuty == nil || !d.leader.Leads() {
		return web.Line{}, false
	}
	p := &d.pd
	red := slices.Concat(p.prover.Silent(), p.sync.Problems())
	amber := slices.Concat(p.prover.Unread(now), p.mirror.Problems(now), p.sync.Notes(now), p.hooks.Notes(now))
	if note := p.refused.note(); note != "" {
		amber = append(amber, note)
	}
	l := web.Line{Name: "pagerduty", Level: web.OK}
	switch {
	case len(red) > 0:
		l.Level, l.Text = web.Red, strings.Join(slices.Concat(red, amber), "; ")
	case len(amber) > 0:
		l.Level, l.Text = web.Amber, strings.Join(amber, "; ")
	case p.client.Load() == nil:
		l.Text = "no API token: whether pages ring cannot be read back, and acknowledgements come by webhook only"
	case len(f.Followed()) == 0:
		l.Text = "pages are looked up; PagerDuty's own escalation policies decide who is rung"
	default:
		l.Text = "pages are looked up, its escalation policies follow this file"
	}
	return l, true
}
