package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/newrelic/go-agent/v3/newrelic"

	"keepwatch/telemetry/event"
)

// Bounds of the loops.
const (
	tick           = 250 * time.Millisecond // how often outcomes are written back and the agent is fed
	writeTimeout   = 10 * time.Second       // one call of the outbox or the ledger
	shutdownAgent  = 3 * time.Second        // the agent's last harvest
	shutdownFlush  = 2 * time.Second        // what that harvest achieved is written back
	rebuildFirst   = 15 * time.Second       // after the collector ended the application (410)
	rebuildLongest = 5 * time.Minute
)

// Client is Keepwatch's line to New Relic. Made by [New]; all methods are
// nil-safe and safe for concurrent use.
type Client struct {
	cfg     Config
	parts   Parts
	log     *slog.Logger
	options []newrelic.ConfigOption
	wire    *wire
	app     atomic.Pointer[newrelic.Application]
	rebuild time.Duration // first wait after a 410; tests shorten it

	expired atomic.Int64 // events given up after a day
	refused atomic.Int64 // events that the outbox would not store
}

// New makes the client and starts its agent, which connects in the background.
// Without a licence key (in cfg or in NEW_RELIC_LICENSE_KEY) or with
// NEW_RELIC_ENABLED=false it returns nil, nil. An error means a wrong setting;
// it never holds the key.
func New(cfg Config, parts Parts) (*Client, error) {
	cfg.SetDefaults()
	env := newrelic.Config{Enabled: true}
	newrelic.ConfigFromEnvironment()(&env)
	if env.Error != nil {
		return nil, fmt.Errorf("read NEW_RELIC_ variables: %w", env.Error)
	}
	key, setting := cfg.LicenseKey.Reveal(), "newrelic.license_key"
	if env.License != "" {
		key, setting = env.License, "NEW_RELIC_LICENSE_KEY"
	}
	if key == "" || !env.Enabled {
		return nil, nil //nolint:nilnil // a nil client is the documented "off" and works everywhere
	}
	if len(key) != keyLength {
		return nil, fmt.Errorf("%s has %d characters, but New Relic's licence keys have %d", setting, len(key), keyLength)
	}
	if env.HighSecurity && cfg.tells() {
		return nil, errors.New("NEW_RELIC_HIGH_SECURITY refuses custom events: set newrelic.events to false, or unset it")
	}
	if parts.Log == nil {
		parts.Log = slog.New(slog.DiscardHandler)
	}
	base, err := baseTransport(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, parts: parts, log: parts.Log.With("component", "newrelic"), wire: newWire(), rebuild: rebuildFirst}
	c.options = agentOptions(cfg, &transport{next: base, wire: c.wire}, c.log)
	app, err := newrelic.NewApplication(c.options...)
	if err != nil {
		return nil, fmt.Errorf("start the New Relic agent: %w", err)
	}
	c.app.Store(app)
	return c, nil
}

// tells reports whether events are sent at all.
func (c *Config) tells() bool { return c.Events == nil || *c.Events }

// agentOptions are ours first, then the environment's, then those that must not
// be changed because nothing secret may leave and nothing may be lost.
func agentOptions(cfg Config, rt http.RoundTripper, log *slog.Logger) []newrelic.ConfigOption {
	ours := func(nc *newrelic.Config) {
		nc.AppName = cfg.AppName
		nc.License = cfg.LicenseKey.Reveal()
		nc.Host = cfg.Host
		nc.ModuleDependencyMetrics.Enabled = false
		nc.CodeLevelMetrics.Enabled = false
		nc.Utilization.DetectAWS = false
		nc.Utilization.DetectAzure = false
		nc.Utilization.DetectGCP = false
		nc.Utilization.DetectPCF = false
		nc.Utilization.DetectDocker = false
		nc.Utilization.DetectKubernetes = false
	}
	fixed := func(nc *newrelic.Config) {
		nc.Transport = rt
		nc.CustomInsightsEvents.Enabled = true
		nc.DatastoreTracer.QueryParameters.Enabled = false
		nc.DatastoreTracer.RawQuery.Enabled = false
		nc.DatastoreTracer.SlowQuery.Enabled = false
		nc.ApplicationLogging.Enabled = false
		nc.ServerlessMode.Enabled = false
		nc.Attributes.Exclude = append(nc.Attributes.Exclude, newrelic.AttributeRequestURI, "request.headers.*", "response.headers.*")
		if nc.Logger == nil {
			nc.Logger = agentLog{log}
		}
	}
	return []newrelic.ConfigOption{ours, newrelic.ConfigFromEnvironment(), fixed}
}

// baseTransport is the agent's own, with other certificate authorities when asked for.
func baseTransport(caFile string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          10,
		MaxIdleConnsPerHost:   10,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	if caFile != "" {
		pool, err := loadPool(caFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// Run keeps the agent alive (it makes a new application when the collector
// ended the old one) and writes back what was taken. Every process that made a
// Client runs it; the database must outlive it. It returns nil after ctx is done, within 6 s.
func (c *Client) Run(ctx context.Context) error {
	if c == nil {
		<-ctx.Done()
		return nil
	}
	t := time.NewTicker(tick)
	defer t.Stop()
	var s runState
	for {
		select {
		case <-ctx.Done():
			c.stop(ctx)
			return nil
		case <-c.wire.gone:
			s.ended(time.Now(), c.rebuild)
			c.log.Warn("new relic ended the application, it will be made anew", "wait", s.wait.String())
		case now := <-t.C:
			c.watch(ctx, now, &s)
		}
	}
}

// runState is what the loop of Run remembers; only that loop touches it.
type runState struct {
	connected bool
	failing   bool // writing back fails
	rebuildAt time.Time
	wait      time.Duration
}

// ended plans the next application: twice the wait of the last time, with jitter.
func (s *runState) ended(now time.Time, first time.Duration) {
	s.wait = min(max(2*s.wait, first), rebuildLongest)
	s.rebuildAt = now.Add(s.wait + rand.N(s.wait/4+1))
}

// watch is one turn of Run.
func (c *Client) watch(ctx context.Context, now time.Time, s *runState) {
	if !s.rebuildAt.IsZero() && !now.Before(s.rebuildAt) {
		s.rebuildAt = time.Time{}
		c.renewApp()
	}
	if up := c.wire.isConnected(); up != s.connected {
		s.connected = up
		if up {
			s.wait = 0
			c.log.Info("new relic is connected")
		} else {
			c.log.Warn("new relic is not connected")
		}
	}
	err := c.flush(ctx, now)
	if failing := err != nil; failing != s.failing {
		s.failing = failing
		if failing {
			c.log.Warn("what new relic took cannot be written back yet", "err", err)
		}
	}
}

func (c *Client) renewApp() {
	c.app.Load().Shutdown(0) // ends its goroutines; there is nothing left to send
	app, err := newrelic.NewApplication(c.options...)
	if err != nil { // the same options worked before
		c.log.Error("new relic agent did not start again", "err", err)
		return
	}
	c.app.Store(app)
}

// stop lets the agent send what it holds and writes back what was taken. What
// was not taken stays in the outbox.
func (c *Client) stop(ctx context.Context) {
	c.app.Load().Shutdown(shutdownAgent)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownFlush)
	defer cancel()
	c.await(ctx)
	if err := c.flush(ctx, time.Now()); err != nil {
		c.log.Warn("what new relic took was not written back, it will be told twice", "err", err)
	}
}

// await gives posts that the agent does not wait for at its end half a second to be answered.
func (c *Client) await(ctx context.Context) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for tries := 0; tries < 50 && !c.wire.quiet(); tries++ {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// flush writes the outcomes of posts to the outbox.
func (c *Client) flush(ctx context.Context, now time.Time) error {
	c.wire.flushing.Lock()
	defer c.wire.flushing.Unlock()
	o := c.wire.takeOutcomes()
	if o.empty() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := c.settle(ctx, o, now)
	if err != nil {
		c.wire.putBack(o)
	}
	return err
}

func (c *Client) settle(ctx context.Context, o outcomes, now time.Time) error {
	if len(o.taken) > 0 {
		if err := c.parts.Outbox.Ack(ctx, o.taken, now); err != nil {
			return fmt.Errorf("acknowledge events: %w", err)
		}
	}
	if len(o.kept) > 0 {
		if err := c.parts.Outbox.Lease(ctx, o.kept, now.Add(c.wire.lease())); err != nil {
			return fmt.Errorf("renew leases: %w", err)
		}
	}
	if len(o.freed) > 0 {
		if err := c.parts.Outbox.Lease(ctx, o.freed, now); err != nil {
			return fmt.Errorf("free events: %w", err)
		}
	}
	return nil
}

// Connected reports whether New Relic's last answer was good.
func (c *Client) Connected() bool { return c != nil && c.wire.isConnected() }

// Stats are counts since the start of the process.
type Stats struct {
	Taken   int64 // events that New Relic took
	Resent  int64 // events in posts that failed and that were or will be sent again
	Expired int64 // events given up after a day
	Refused int64 // events that the outbox would not store
}

// Stats returns the counts; zero for a nil client.
func (c *Client) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	taken, resent := c.wire.counts()
	return Stats{Taken: taken, Resent: resent, Expired: c.expired.Load(), Refused: c.refused.Load()}
}

// Report tells the figures of a week; telling the same revision again changes nothing.
func (c *Client) Report(ctx context.Context, r event.Report) error {
	if c == nil || !c.cfg.tells() {
		return nil
	}
	if err := c.parts.Outbox.Put(ctx, event.Batch{Events: []event.Event{event.FromReport(r)}}, time.Now().UTC()); err != nil {
		return fmt.Errorf("tell the report: %w", err)
	}
	return nil
}

// agentLog passes the agent's words on, one level quieter: our own loop says
// once when the line breaks, the agent at each harvest. Its debug lines hold
// whole payloads, so they are never made.
type agentLog struct{ log *slog.Logger }

func (l agentLog) Error(msg string, ctx map[string]any) {
	l.log.Warn("new relic agent", "said", msg, "detail", fmt.Sprint(ctx))
}

func (l agentLog) Warn(msg string, ctx map[string]any) {
	l.log.Debug("new relic agent", "said", msg, "detail", fmt.Sprint(ctx))
}

func (l agentLog) Info(msg string, ctx map[string]any) {
	l.log.Debug("new relic agent", "said", msg, "detail", fmt.Sprint(ctx))
}

func (agentLog) Debug(string, map[string]any) {}
func (agentLog) DebugEnabled() bool           { return false }
