package daemon

import (
	"context"
	"errors"
	"log/slog"
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
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

// The stories of notices: two daemons over one real Postgres, of which one leads.
// A bubble begins on Saturday, 1 January 2000 at midnight UTC.

// storyFile is the file of a story; the rotations and what follows are the story's own.
const storyFile = `
version: 1
checks: [{name: front, tcp: {address: "127.0.0.1:1"}}]
services: [{name: shop, critical: [front], escalation: shop}]
people:
  ada: {name: Ada, email: ada@example.com}
  grace: {name: Grace, email: grace@example.com}
escalations:
  shop: {levels: [{page: primary}]}
pagerduty: {routing_key: "0123456789abcdef0123456789abcdef"}
fallback: {channels: [{name: mail, email: {host: "127.0.0.1:1", from: kw@example.com, to: [team@example.com], tls: none}}]}
`

// staff is one story's house.
type staff struct {
	t       *testing.T
	db      *postgres.DB
	file    *config.File
	phone   *phone
	table   *forgetful
	covers  atomic.Pointer[[]oncall.Cover]
	post    *postman
	houses  [2]*house
	inForce atomic.Pointer[config.File] // what the notices go by; at first file
	leads   *house
}

// house is one daemon's parts.
type house struct {
	engine  *alerting.Engine
	deliver *alerting.Deliverer
	notices *notices
	resign  func()
}

// postman carries letters, when he is not on strike.
type postman struct {
	*phone
	strike atomic.Bool
}

// Send implements alerting.Notifier.
func (p *postman) Send(ctx context.Context, page alerting.Page) alerting.Receipt {
	if p.strike.Load() {
		return alerting.Receipt{Class: alerting.Again, Detail: "no letters today"}
	}
	return p.phone.Send(ctx, page)
}

// forgetful is the table of notices; it can fail to take one.
type forgetful struct {
	postgres.Notices
	failing int
}

// Put implements noticeTable.
func (f *forgetful) Put(ctx context.Context, n postgres.Notice) (bool, error) {
	if f.failing > 0 {
		f.failing--
		return false, errors.New("killed just now")
	}
	return f.Notices.Put(ctx, n)
}

// staffed runs a story in a bubble.
func staffed(t *testing.T, more string, story func(s *staff)) {
	t.Helper()
	dsn := pgtest.DSN(t)
	path := filepath.Join(t.TempDir(), "kw.yaml")
	if err := os.WriteFile(path, []byte(storyFile+more), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s := &staff{t: t, db: db, file: file, phone: &phone{start: time.Now()}, table: &forgetful{Notices: postgres.Notices{DB: db}}}
		s.inForce.Store(file)
		s.covers.Store(&[]oncall.Cover{})
		s.post = &postman{phone: s.phone}
		for i := range s.houses {
			s.houses[i] = s.build()
		}
		defer s.lead(-1)
		story(s)
	})
}

func (s *staff) build() *house {
	log := slog.New(slog.DiscardHandler)
	failover := &alerting.Failover{Primary: postgres.Incidents{DB: s.db}, Log: log}
	h := &house{engine: &alerting.Engine{Store: failover, Log: log}}
	h.deliver = &alerting.Deliverer{
		Store: failover, Notifiers: map[string]alerting.Notifier{"pagerduty": s.phone, "mail": s.post, "siren": s.phone},
		Fallback: []string{"mail", "siren"}, NoEcho: []string{"mail"}, Settled: h.engine.Settled, Log: log,
	}
	h.engine.Wake = h.deliver.Wake
	h.notices = &notices{
		file: s.inForce.Load, roster: s.roster, engine: h.engine, apply: failover.Apply,
		wake: h.deliver.Wake, table: s.table, close: func(context.Context, time.Time) {},
		timeline: postgres.Incidents{DB: s.db}.Timeline, log: log,
	}
	h.engine.Apply(nil, s.roster(), alerting.Routing{
		Channel: "pagerduty", Fallback: []string{"mail"}, Route: func(person string) (string, bool) { return "person:" + person, true },
	})
	return h
}

func (s *staff) roster() oncall.Roster {
	return s.file.Roster().With(*s.covers.Load(), time.Now().UTC())
}

// cover puts somebody else on call.
func (s *staff) cover(c oncall.Cover) {
	covers := *s.covers.Load()
	c.ID = int64(len(covers) + 1)
	covers = append(slices.Clone(covers), c)
	s.covers.Store(&covers)
	for _, h := range s.houses {
		h.engine.SetRoster(s.roster())
	}
}

// lead makes the house i lead; -1 is nobody.
func (s *staff) lead(i int) {
	s.t.Helper()
	if s.leads != nil {
		s.leads.resign()
		s.leads = nil
	}
	if i < 0 {
		return
	}
	h := s.houses[i]
	ctx, cancel := context.WithCancel(s.t.Context())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{h.engine.Run, h.deliver.Run, h.notices.Run} {
		parts.Go(func() { _ = run(ctx) })
	}
	h.resign = func() { cancel(); parts.Wait() }
	s.leads = h
}

func (s *staff) want(want ...string) {
	s.t.Helper()
	if got := s.phone.heard(); !slices.Equal(got, want) {
		s.t.Errorf("after %v: heard %q, want %q", time.Since(s.phone.start), got, want)
	}
}

// letters returns the texts that came by mail.
func (s *staff) letters() string {
	s.phone.mu.Lock()
	defer s.phone.mu.Unlock()
	var all []string
	for _, r := range s.phone.rings {
		all = append(all, r.page.Message.Summary+"\n"+r.page.Message.Text)
	}
	return strings.Join(all, "\n---\n")
}

// weekly is a rotation whose first hand-off is half an hour after midnight.
const weekly = `
rotations:
  primary: {start: 1999-12-25, handoff: Saturday 00:30, people: [ada, grace]}
`

// TestStoryHandoffIsToldOnceThroughAFailover: who begins and who ends get one letter
// each although the daemon that sent them dies at once, and no telephone rings.
func TestStoryHandoffIsToldOnceThroughAFailover(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"notices: {handoffs: true}\n", func(s *staff) {
		s.lead(0)
		time.Sleep(29 * time.Minute)
		s.want()
		time.Sleep(95 * time.Second) // 00:30:35
		s.want("trigger ada via mail", "trigger grace via mail")
		s.lead(1)
		time.Sleep(10 * time.Minute)
		s.lead(0)
		time.Sleep(10 * time.Minute)
		s.want("trigger ada via mail", "trigger grace via mail")
		for _, want := range []string{
			"Your turn of primary is over", "From now on it is Grace.", "You are on call for primary now",
			"since Saturday 1 January 00:30 UTC, until Saturday 8 January 00:30 UTC, then Ada. You take over from Ada.",
		} {
			if !strings.Contains(s.letters(), want) {
				s.t.Errorf("the letters lack %q:\n%s", want, s.letters())
			}
		}
	})
}

// TestStoryLettersNeverRing: while no mail can be sent letters wait, and no channel
// that rings takes over.
func TestStoryLettersNeverRing(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"notices: {handoffs: true}\n", func(s *staff) {
		s.post.strike.Store(true)
		s.lead(0)
		time.Sleep(50 * time.Minute)
		s.want()
		s.post.strike.Store(false)
		time.Sleep(3 * time.Minute)
		got := s.phone.heard()
		slices.Sort(got) // each has a pause of its own between attempts
		if want := []string{"trigger ada via mail", "trigger grace via mail"}; !slices.Equal(got, want) {
			s.t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// TestStoryHandoffIsToldAfterDowntime: a turn that began while no daemon ran is told
// when one leads again, and a letter that was owed but not noted is not sent twice.
func TestStoryHandoffIsToldAfterDowntime(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"notices: {handoffs: true}\n", func(s *staff) {
		time.Sleep(4 * time.Hour)
		s.table.failing = 2 // killed between owing and noting, both letters
		s.lead(0)
		time.Sleep(10 * time.Second)
		s.lead(-1)
		s.lead(1)
		time.Sleep(5 * time.Minute)
		s.want("trigger ada via mail", "trigger grace via mail")
	})
}

// TestStoryOldHandoffIsNotNews: nobody is told in the evening what began in the night.
func TestStoryOldHandoffIsNotNews(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"notices: {handoffs: true}\n", func(s *staff) {
		time.Sleep(13 * time.Hour)
		s.lead(0)
		time.Sleep(5 * time.Minute)
		s.want()
	})
}

// TestStoryWeekAheadIsToldOnce: each person with a turn gets one letter.
func TestStoryWeekAheadIsToldOnce(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"notices: {week: Saturday 00:20}\n", func(s *staff) {
		s.lead(0)
		time.Sleep(21 * time.Minute)
		s.lead(1)
		time.Sleep(20 * time.Minute)
		s.want("trigger ada via mail", "trigger grace via mail")
		for _, want := range []string{"primary: already now until Saturday 1 January 00:30 UTC", "primary: from Saturday 1 January 00:30 UTC until Saturday 8 January 00:30 UTC"} {
			if !strings.Contains(s.letters(), want) {
				s.t.Errorf("the letters lack %q:\n%s", want, s.letters())
			}
		}
	})
}

// TestStoryGapPagesADayAhead: a hole is told by letter a week ahead, and wakes whoever
// is on call once, a day before it begins; an override ends the alarm.
func TestStoryGapPagesADayAhead(t *testing.T) {
	t.Parallel()
	const torn = `
rotations:
  primary: {start: 1999-12-31, handoff: daily 00:40, people: [ada, ada, "", ada, ada, ada, ada, ada, ada, ada, ada]}
`
	staffed(t, torn, func(s *staff) {
		s.lead(0)
		time.Sleep(39 * time.Minute)
		s.want("trigger ada via mail") // the first letter: before the hole it is Ada's turn, and after it
		if want := "primary: nobody is on call from Sun 2000-01-02 00:40 UTC until Mon 2000-01-03 00:40 UTC, a page would reach nobody by name; mend it: keepwatch oncall override --rotation primary --person NAME --from 2000-01-02T00:40:00Z --to 2000-01-03T00:40:00Z"; !strings.Contains(s.letters(), want) {
			s.t.Errorf("the letter lacks %q:\n%s", want, s.letters())
		}
		time.Sleep(2 * time.Minute)
		s.want("trigger ada via mail", "trigger ada via pagerduty")
		s.lead(1)
		time.Sleep(5 * time.Minute)
		s.want("trigger ada via mail", "trigger ada via pagerduty")
		alarm := s.leads.engine.Snapshot().Alarms[0].Open
		if alarm.Severity != alerting.Error {
			s.t.Errorf("severity: got %q, want error", alarm.Severity)
		}
		// Whoever closes it knows of it: nobody is paged again before it begins.
		if err := s.leads.engine.Resolve(s.t.Context(), alarm.ID, "ada", time.Now()); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		s.want("trigger ada via mail", "trigger ada via pagerduty", "resolve ada via pagerduty")
	})
}

// TestStoryOpenGapEndsWithAnOverride: a hole that is there when the daemon starts
// reaches the last resort, and the alarm ends when somebody takes the turn.
func TestStoryOpenGapEndsWithAnOverride(t *testing.T) {
	t.Parallel()
	staffed(t, `
rotations:
  primary: {start: 1999-12-31, handoff: daily 00:40, people: ["", ada, ada, ada, ada, ada, ada, ada, ada]}
`, func(s *staff) {
		s.lead(0)
		time.Sleep(2 * time.Minute)
		if n := len(s.leads.engine.Snapshot().Alarms); n != 1 {
			s.t.Fatalf("alarms: got %d, want 1", n)
		}
		if !slices.Contains(s.phone.heard(), "trigger  via pagerduty") {
			s.t.Errorf("nobody by name: heard %q, want the last resort", s.phone.heard())
		}
		s.cover(oncall.Cover{Rotation: "primary", Person: "grace", From: time.Now(), To: time.Now().Add(time.Hour)})
		time.Sleep(time.Minute)
		if n := len(s.leads.engine.Snapshot().Alarms); n != 0 {
			s.t.Errorf("after the override: got %d alarms, want none", n)
		}
	})
}

// TestStoryHoursLeaveNoGap: nights that the plan leaves to the next level page nobody.
func TestStoryHoursLeaveNoGap(t *testing.T) {
	t.Parallel()
	staffed(t, `
rotations:
  primary: {start: 1999-12-31, people: [ada], hours: [Mon-Fri 09:00-17:00], fallback: grace}
`, func(s *staff) {
		s.lead(0)
		time.Sleep(10 * time.Minute)
		s.want()
	})
}
