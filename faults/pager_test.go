package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/spool"
)

// The pager is a daemon without eyes: the real engine, fail-over, spool, deliverer,
// leader and PagerDuty client on a real Postgres, in a process of its own that may be
// killed at any moment. What it would see by probing it asks from the test, which knows
// what is down; so a thousand incidents take seconds.

// pagerEnv carries the settings of a pager; a process that has it is one.
const pagerEnv = "KEEPWATCH_FAULTS_PAGER"

// pagerSettings say what a pager is to do.
type pagerSettings struct {
	DSN      string        `json:"dsn"`
	Events   string        `json:"events"` // PagerDuty's address
	World    string        `json:"world"`  // the test's address
	Dir      string        `json:"dir"`
	Services int           `json:"services"`
	Keys     int           `json:"keys"`  // routing keys; service n has the key n modulo Keys
	After    time.Duration `json:"after"` // of the second level; 0 is no second level
	Hold     time.Duration `json:"hold"`
	Fallback time.Duration `json:"fallback"`  // 0: two minutes
	MaxFile  uint64        `json:"max_file"`  // bytes that a file may grow to, as on a full disk; 0: no bound
	Recover  int           `json:"recover"`   // good looks that resolve; 0 is one
	Failover time.Duration `json:"fail_over"` // patience with the database; 0: two seconds
}

func TestMain(m *testing.M) {
	if raw := os.Getenv(pagerEnv); raw != "" {
		go func() { // ends with the process: the test that started it has ended
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		os.Exit(pager(raw))
	}
	os.Exit(m.Run())
}

// pager is the life of a pager process.
func pager(raw string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var s pagerSettings
	err := json.Unmarshal([]byte(raw), &s)
	if err == nil {
		err = s.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pager:", err)
		return 1
	}
	return 0
}

// serviceName is the name of the n-th service, and of its only check.
func serviceName(n int) string { return fmt.Sprintf("s%04d", n) }

// person and second are who is rung for a service at first and then.
func (s *pagerSettings) person(n int) string { return fmt.Sprintf("p%03d", n%s.Keys) }

const second = "second"

func routingKey(person string) string {
	key := []byte("0000000000000000000000000000000k")
	copy(key, person)
	return string(key)
}

// run wires the parts as cmd/keepwatch/daemon does.
func (s *pagerSettings) run(ctx context.Context) error {
	if s.MaxFile > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: s.MaxFile, Max: s.MaxFile}); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := postgres.Connect(ctx, s.DSN, log)
	if err != nil {
		return err
	}
	failover := &alerting.Failover{Primary: postgres.Incidents{DB: db}, Log: log, Timeout: s.Failover}
	outbox, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(s.Dir, "outbox.db")})
	switch {
	case err == nil:
		failover.Spool = outbox
	case s.MaxFile == 0:
		return err
	}
	engine := &alerting.Engine{Store: failover, Ended: postgres.Incidents{DB: db}.Ended, Log: log}
	keys := pagerduty.Keys{"person:" + second: probe.Secret(routingKey(second))}
	for n := range s.Keys {
		keys["person:"+s.person(n)] = probe.Secret(routingKey(s.person(n)))
	}
	deliverer := &alerting.Deliverer{
		Store: failover, Notifiers: map[string]alerting.Notifier{"pagerduty": pagerduty.New(pagerduty.Config{EventsURL: s.Events}, keys), "mail": s.mailbox()},
		Fallback: []string{"mail"}, NoEcho: []string{"mail"}, FallbackAfter: s.Fallback, Hold: s.Hold, Settled: engine.Settled, Log: log,
	}
	engine.Wake = deliverer.Wake
	failover.OnReturn = engine.Adopt
	s.apply(engine)
	leader := s.leader(db, log, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, run := range []func(context.Context) error{engine.Run, deliverer.Run} {
			g.Go(func() error { return run(ctx) })
		}
		return g.Wait()
	})
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{failover.Run, leader.Run, func(ctx context.Context) error { return s.look(ctx, engine, leader) }} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// leader is the daemon's: with a mark on the disk of who led last.
func (s *pagerSettings) leader(db *postgres.DB, log *slog.Logger, part func(context.Context) error) *alerting.Leader {
	standBy := filepath.Join(s.Dir, "stand-by")
	return &alerting.Leader{
		Try: func(ctx context.Context) (alerting.Lease, bool, error) {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			lost, release, held, err := db.TryLead(ctx, "pager")
			if err != nil || !held {
				return alerting.Lease{}, held, err
			}
			last, up, err := db.LastLead(ctx, "pager")
			if err != nil {
				release()
				return alerting.Lease{}, false, err
			}
			took := func(ctx context.Context) error { return db.NoteLead(ctx, "pager", s.Dir, time.Now()) }
			return alerting.Lease{Lost: lost, Release: release, Up: up, Other: last != "" && last != s.Dir, Took: took}, held, nil
		},
		Was: func() bool {
			_, err := os.Stat(standBy)
			return errors.Is(err, os.ErrNotExist)
		},
		Mark: func(leads bool) {
			if leads {
				_ = os.Remove(standBy)
				return
			}
			_ = os.WriteFile(standBy, nil, 0o600)
		},
		Part: part, Log: log,
	}
}

// apply puts the services into force.
func (s *pagerSettings) apply(engine *alerting.Engine) {
	rules := make([]alerting.Rule, s.Services)
	people := map[string]oncall.Person{second: {Name: second}}
	for n := range s.Services {
		person := s.person(n)
		people[person] = oncall.Person{Name: person}
		policy := oncall.Policy{Name: person, Levels: []oncall.Level{{Page: person}}}
		if s.After > 0 {
			policy.Levels = append(policy.Levels, oncall.Level{Page: second, After: s.After})
		}
		name := serviceName(n)
		rules[n] = alerting.Rule{
			Service: name, Confirm: 1, Recover: max(s.Recover, 1), Policy: policy,
			Checks: []alerting.CheckRule{{Name: name, Locations: []string{"here"}, Quorum: 1, Every: time.Second, Timeout: 500 * time.Millisecond}},
		}
	}
	engine.Apply(rules, oncall.Roster{People: people}, alerting.Routing{
		Channel: "pagerduty", Fallback: []string{"mail"}, Route: func(person string) (string, bool) { return "person:" + person, true },
	})
}

// The states of a service in the test's world.
const (
	worldUp    = 'u'
	worldDown  = 'd'
	worldAcked = 'a' // down, and somebody wants to acknowledge it
)

// look asks the world twenty times a second and tells the engine what it sees: each service
// once in each second, as a probe would, whether it leads or stands by.
func (s *pagerSettings) look(ctx context.Context, engine *alerting.Engine, leader *alerting.Leader) error {
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	seen := map[int]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		world, err := s.world(ctx, client, leader.Leads())
		if err != nil {
			continue
		}
		slot := time.Now().UTC().Truncate(time.Second)
		for n, state := range world {
			if !slot.After(seen[n]) || n >= s.Services {
				continue
			}
			// Spread over the second, as the scheduler does.
			if time.Since(slot) < time.Duration(n%8)*100*time.Millisecond {
				continue
			}
			seen[n] = slot
			engine.Record(result(n, slot, state == worldUp))
		}
		s.acknowledge(ctx, engine, world)
	}
}

func result(n int, slot time.Time, ok bool) probe.Result {
	r := probe.Result{
		Check: serviceName(n), Location: "here", Slot: slot, Round: slot.UnixNano(), Started: time.Now().UTC(),
		Outcome: probe.Good, Attempts: 1, Look: probe.Look{OK: true, Code: 200, Latency: time.Millisecond},
	}
	if !ok {
		r.Outcome = probe.Bad
		r.Look = probe.Look{Code: 500, Latency: time.Millisecond, Fault: probe.Fault{Class: probe.ClassStatus, Message: "answered 500"}}
	}
	return r
}

func (s *pagerSettings) world(ctx context.Context, client *http.Client, leads bool) (string, error) {
	address := s.World
	if leads {
		address += "?pager=" + s.Dir[len(s.Dir)-1:]
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return string(raw), err
}

// acknowledge does what somebody wants in the console.
func (s *pagerSettings) acknowledge(ctx context.Context, engine *alerting.Engine, world string) {
	for _, v := range engine.Snapshot().Services {
		n, err := strconv.Atoi(v.Service[1:])
		if err != nil || v.Open == nil || v.Open.State != alerting.Open || n >= len(world) || world[n] != worldAcked {
			continue
		}
		_ = engine.Ack(ctx, v.Open.ID, "ada", time.Now()) // tried again with the next look
	}
}

// mailbox is the fallback channel: it tells the test.
func (s *pagerSettings) mailbox() alerting.Notifier { return &mailbox{to: s.World + "mail"} }

type mailbox struct {
	to string
	mu sync.Mutex // one at a time, as a mail server would
}

// Send implements [alerting.Notifier].
func (m *mailbox) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	m.mu.Lock()
	defer m.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.to+"?key="+p.DedupKey+"&action="+string(p.Action), http.NoBody)
	if err != nil {
		return alerting.Receipt{Class: alerting.Setup, Detail: err.Error()}
	}
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return alerting.Receipt{Class: alerting.Again, Detail: err.Error()}
	}
	_ = resp.Body.Close()
	return alerting.Receipt{Class: alerting.Taken, Status: resp.StatusCode}
}
