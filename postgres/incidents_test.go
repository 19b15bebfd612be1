package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

func TestIncidentsConform(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) alerting.Store {
		t.Helper()
		return postgres.Incidents{DB: pgtest.New(t)}
	})
}

func TestIncidentsListAndGet(t *testing.T) {
	t.Parallel()
	s := postgres.Incidents{DB: pgtest.New(t)}
	for n, service := range []string{"a", "b", "a", "a"} {
		in := alerting.Incident{
			ID: fmt.Sprint("kw-", n), Service: service, State: alerting.Resolved, Version: 1,
			Opened: time.Unix(int64(n), 0).UTC(),
		}
		if err := s.Apply(t.Context(), alerting.Change{Incident: in}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		service string
		limit   int
		want    []string
	}{
		{"", 10, []string{"kw-3", "kw-2", "kw-1", "kw-0"}},
		{"", 2, []string{"kw-3", "kw-2"}},
		{"a", 2, []string{"kw-3", "kw-2"}},
		{"b", 10, []string{"kw-1"}},
		{"c", 10, nil},
	} {
		found, err := s.List(t.Context(), tt.service, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, in := range found {
			got = append(got, in.ID)
		}
		if diff := cmp.Diff(got, tt.want); diff != "" {
			t.Errorf("list %q, %d (-got +want):\n%s", tt.service, tt.limit, diff)
		}
	}
	if in, err := s.Get(t.Context(), "kw-1"); err != nil || in.Service != "b" {
		t.Errorf("get: %v, %v; want the incident of b", in, err)
	}
	if _, err := s.Get(t.Context(), "kw-9"); !errors.Is(err, alerting.ErrNotFound) {
		t.Errorf("get an unknown one: %v, want ErrNotFound", err)
	}
}

func TestIncidentsEnded(t *testing.T) {
	t.Parallel()
	s := postgres.Incidents{DB: pgtest.New(t)}
	at := func(minute int) time.Time { return time.Date(2026, 1, 5, 12, minute, 0, 0, time.UTC) }
	for n, in := range []alerting.Incident{
		{Service: "a", State: alerting.Resolved, Resolved: at(1)},
		{Service: "a", State: alerting.Resolved, Resolved: at(7)},
		{Service: "a", State: alerting.Resolved, Resolved: at(5)},
		{Service: "b", State: alerting.Resolved, Resolved: at(2)},
		{Service: "c", State: alerting.Open},
		{Service: "d", State: alerting.Resolved, Resolved: at(9), Alarm: "gap"},
	} {
		in.ID, in.Version, in.Opened = fmt.Sprint("kw-", n), 1, at(0)
		if err := s.Apply(t.Context(), alerting.Change{Incident: in}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Ended(t.Context(), at(3))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, map[string]alerting.Past{
		"a": {Ended: at(7), Newest: "kw-2"}, alerting.AlarmOwner("gap"): {Ended: at(9), Newest: "kw-5"},
	}); diff != "" {
		t.Errorf("ended since the third minute (-got +want):\n%s", diff)
	}
}

// TestImportLikeTheBook: Postgres merges as the book in memory does, whatever is
// there already, and gives back what is unfinished as it does.
func TestImportLikeTheBook(t *testing.T) {
	t.Parallel()
	s, book := postgres.Incidents{DB: pgtest.New(t)}, &alerting.Book{}
	at := time.Unix(100, 0).UTC()
	record := func(version int64, states ...alerting.PageState) alerting.Change {
		c := alerting.Change{
			Incident: alerting.Incident{ID: "kw-a-1", Version: version, State: alerting.Open, Opened: at},
			Entries:  []alerting.Entry{{Incident: "kw-a-1", Seq: version * 1000, At: at, Kind: "note"}},
		}
		for i, state := range states {
			c.Pages = append(c.Pages, alerting.Page{
				ID: fmt.Sprint("kw-a-1/", i), Incident: "kw-a-1", DedupKey: "kw-a-1", Seq: int64(i), State: state,
				Action:  []alerting.Action{alerting.Trigger, alerting.Acknowledge, alerting.Resolve}[i],
				Created: at.Add(time.Duration(i) * time.Second), Epoch: version,
			})
		}
		return c
	}
	loose := record(0, alerting.Queued)
	loose.Pages[0].ID, loose.Pages[0].Incident, loose.Pages[0].DedupKey, loose.Entries = "x/1", "x", "x", nil
	for i, c := range []alerting.Change{
		record(2, alerting.Queued), record(1, alerting.Accepted, alerting.Sending),
		record(3, alerting.Queued, alerting.Queued, alerting.Cancelled), record(3, alerting.Rejected),
		record(4, alerting.Queued, alerting.Queued, alerting.Accepted), loose, loose,
	} {
		for range 2 {
			if err := errors.Join(s.Import(t.Context(), c), book.Import(t.Context(), c)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Unfinished(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want, err := book.Unfinished(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		byID := cmp.Transformer("byIncident", func(cs []alerting.Change) map[string]alerting.Change {
			out := map[string]alerting.Change{}
			for _, c := range cs {
				out[c.Pages[0].Incident] = c
			}
			return out
		})
		if diff := cmp.Diff(got, want, byID); diff != "" {
			t.Fatalf("after %d imports (-Postgres +book):\n%s", i+1, diff)
		}
	}
	timeline, err := s.Timeline(t.Context(), "kw-a-1")
	if err != nil || len(timeline) != 4 {
		t.Errorf("timeline %v, %v; want 4 entries", timeline, err)
	}
}

// BenchmarkOutbox claims and settles pages with a channel that does nothing:
// events a second through a real Postgres, its entries included.
func BenchmarkOutbox(b *testing.B) {
	s := postgres.Incidents{DB: pgtest.New(b)}
	now := time.Unix(1000, 0).UTC()
	const batch = 2000
	made := 0
	for b.Loop() {
		b.StopTimer()
		for range batch / 100 {
			c := alerting.Change{}
			for range 100 {
				made++
				id := fmt.Sprint("kw-", made)
				c.Pages = append(c.Pages, alerting.Page{
					ID: id + "/1/1", Incident: id, Channel: "pagerduty", DedupKey: id, Action: alerting.Trigger,
					State: alerting.Queued, Created: now, Message: alerting.Message{Summary: "failing", Severity: "critical"},
				})
			}
			if err := s.Apply(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		drain(b, s, now, batch)
	}
	b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "events/s")
}

func drain(b *testing.B, s postgres.Incidents, now time.Time, want int64) {
	b.Helper()
	var sent atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for sent.Load() < want {
				pages, err := s.Claim(b.Context(), now, time.Minute, 50)
				if err != nil {
					b.Error(err)
					return
				}
				for _, p := range pages {
					p.State, p.AcceptedAt = alerting.Accepted, now
					e := alerting.Entry{Incident: p.Incident, Seq: 1, At: now, Kind: "delivered"}
					if err := s.Settle(b.Context(), alerting.Settlement{Page: p, Entries: []alerting.Entry{e}}); err != nil {
						b.Error(err)
						return
					}
				}
				sent.Add(int64(len(pages)))
			}
		})
	}
	wg.Wait()
}
