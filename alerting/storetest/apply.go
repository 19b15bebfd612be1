package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/oncall"
)

func applyTwice(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	c := alerting.Change{
		Incident: in,
		Entries:  []alerting.Entry{entry(in, 1000, "opened"), entry(in, 1001, "escalated")},
		Pages:    []alerting.Page{page(in, 1, alerting.Trigger)},
	}
	for range 3 {
		b.apply(t, c)
	}
	if diff := cmp.Diff(b.open(t), []alerting.Incident{in}); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), c.Pages); diff != "" {
		t.Errorf("pages (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID, 1000, 1001)
	// Also once the page is on its way: a replay must not owe it again.
	p := b.claimOne(t, t0(), c.Pages[0].ID)
	b.apply(t, c)
	b.claimNone(t, t0())
	b.finish(t, p, alerting.Accepted)
	b.apply(t, c)
	b.claimNone(t, at(3600))
}

func lowerVersion(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 3)
	b.apply(t, alerting.Change{Incident: in, Entries: []alerting.Entry{entry(in, 3000, "opened")}})
	old := in
	old.Version, old.Summary, old.State, old.Resolved = 2, "a late writer", alerting.Resolved, at(1)
	b.apply(t, alerting.Change{
		Incident: old, Pages: []alerting.Page{page(old, 2, alerting.Trigger)},
		Entries: []alerting.Entry{entry(in, 2000, "escalated")},
	})
	if diff := cmp.Diff(b.open(t), []alerting.Incident{in}); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
	if got := b.pagesOf(t, in.ID); len(got) != 0 {
		t.Errorf("a late writer owed pages: %v", ids(got))
	}
	b.wantEntries(t, in.ID, 3000)
}

func equalVersion(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 2)
	b.apply(t, alerting.Change{Incident: in})
	other := in
	other.Summary = "another writer of the same version"
	p := page(in, 2, alerting.Trigger)
	b.apply(t, alerting.Change{
		Incident: other, Pages: []alerting.Page{p},
		Entries: []alerting.Entry{entry(in, 2000, "note")},
	})
	if diff := cmp.Diff(b.open(t), []alerting.Incident{in}); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{p}); diff != "" {
		t.Errorf("pages (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID, 2000)
}

func higherVersion(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	first := page(in, 1, alerting.Trigger)
	b.apply(t, alerting.Change{
		Incident: in, Pages: []alerting.Page{first},
		Entries: []alerting.Entry{entry(in, 1000, "opened")},
	})
	claimed := b.claimOne(t, t0(), first.ID)
	in.Version, in.State, in.Acknowledged, in.AckBy = 2, alerting.Acknowledged, at(60), "ada"
	in.NextActionAt = time.Time{}
	second := page(in, 2, alerting.Acknowledge)
	again := first
	again.Message.Summary = "must not replace what is being sent"
	b.apply(t, alerting.Change{
		Incident: in, Pages: []alerting.Page{again, second},
		Entries: []alerting.Entry{entry(in, 1000, "must not replace"), entry(in, 2000, "acknowledged")},
	})
	if diff := cmp.Diff(b.open(t), []alerting.Incident{in}); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{claimed, second}); diff != "" {
		t.Errorf("pages (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID, 1000, 2000)
}

func openOrder(t *testing.T, b bench) {
	t.Helper()
	var want []string
	for i, service := range []string{"c", "a", "b"} {
		in := incident(service, 1)
		in.Opened = at(i)
		b.apply(t, alerting.Change{Incident: in})
		want = append(want, in.ID)
	}
	gone := incident("gone", 1)
	b.apply(t, alerting.Change{Incident: gone})
	gone.Version, gone.State, gone.Resolved = 2, alerting.Resolved, at(9)
	b.apply(t, alerting.Change{Incident: gone})
	acked := incident("acked", 1)
	acked.Opened, acked.State = at(-5), alerting.Acknowledged
	b.apply(t, alerting.Change{Incident: acked})

	var got []string
	for _, in := range b.open(t) {
		got = append(got, in.ID)
	}
	if diff := cmp.Diff(got, append([]string{acked.ID}, want...)); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
}

func roundTrip(t *testing.T, b bench) {
	t.Helper()
	in := alerting.Incident{
		ID: "kw-image-site-1", Service: "image-site", State: alerting.Acknowledged, Version: 7,
		Started: at(1), Opened: at(2), Acknowledged: at(3), Resolved: at(4), AckBy: "grace",
		Summary: "5 of 6 – “front-page” is failing", Checks: []string{"a", "b"}, Level: 2, Round: 1,
		NextActionAt: at(5),
		Policy: oncall.Policy{
			Name: "site", Repeat: 3, Levels: []oncall.Level{
				{Page: "primary", After: time.Second}, {Page: "alan", After: 10*time.Minute + 1},
			}, AckExpires: time.Hour, StillFailingAfter: 2 * time.Hour,
			Hours:   &oncall.WorkHours{Zone: "Europe/London", Hours: []string{"Mon-Fri 09:00-17:00"}, Holidays: []string{"2026-12-25"}},
			Outside: &oncall.Policy{Name: "night", Levels: []oncall.Level{{Page: "ada"}}},
		},
		Alarm: "burn.image-site", Severity: alerting.Warning,
		Course: alerting.Course{
			Hold:      alerting.Hold{Kind: alerting.HeldBySilence, Ref: "s12", Text: "silenced by ada: deploy", Until: at(6)},
			Recovered: at(7), ClosesAt: at(8), Expires: at(9), Closed: true,
			Failures: []time.Time{at(1), at(2)}, Ring: 1,
		},
	}
	p := alerting.Page{
		ID: "kw-image-site-1/7/2", Incident: in.ID, Seq: 7002, Channel: "email", Route: "person:ada",
		DedupKey: "kw-image-site-1", Action: alerting.Trigger, Person: "ada", Level: 1,
		Message: alerting.Message{
			Summary: "a \"summary\"\nwith lines", Source: "image-site", Severity: "critical", Time: at(1),
			Component: "front-page", Details: map[string]string{"status": "503", "ünï": "☎"},
			Link: "https://example.com/i/1", AckLink: "https://example.com/a/1?x=1&y=2", Text: "for reading",
		},
		Fallback: true, State: alerting.Sending, Created: at(6), Due: at(7), LeaseUntil: at(8), Epoch: 9,
		Attempts: 10, FirstTried: at(11), UnsureAt: at(12), AcceptedAt: at(13), LastStatus: 503,
		LastError: "the channel is away", FellBack: true,
		VerifiedAt: at(14), Proof: alerting.Ringing, Ringing: "Ada ☎", RingingAt: at(15),
	}
	noZero(t, "Incident", reflect.ValueOf(in))
	noZero(t, "Page", reflect.ValueOf(p))
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{p}})
	if diff := cmp.Diff(b.open(t), []alerting.Incident{in}); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{p}); diff != "" {
		t.Errorf("pages (-got +want):\n%s", diff)
	}
	if got := b.open(t)[0].Opened.Location(); got != time.UTC {
		t.Errorf("times are in %v, want UTC", got)
	}
}

// noZero makes sure that the round trip cannot pass over a field that was added
// later.
func noZero(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	if v.Type() != reflect.TypeFor[time.Time]() && v.Kind() == reflect.Struct {
		for f, field := range v.Fields() {
			noZero(t, name+"."+f.Name, field)
		}
		return
	}
	if v.IsZero() {
		t.Fatalf("%s is zero in the sample: give it a value, so that the round trip is tested", name)
	}
}

func zeroTrip(t *testing.T, b bench) {
	t.Helper()
	in := alerting.Incident{ID: "kw-a-1", Service: "a", State: alerting.Open, Version: 1}
	p := alerting.Page{ID: "kw-a-1/1/1", Incident: in.ID, Channel: "email", DedupKey: in.ID, Action: alerting.Trigger, State: alerting.Queued}
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{p}})
	if diff := cmp.Diff(b.open(t), []alerting.Incident{in}); diff != "" {
		t.Errorf("open incidents (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{p}); diff != "" {
		t.Errorf("pages (-got +want):\n%s", diff)
	}
	// Without a due time a page is due at once.
	b.claimOne(t, t0(), p.ID)
}

// dirtyText must not stop a page: a checked site can answer with any bytes.
func dirtyText(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	in.Summary = "nul \x00 and \xff\xfe bytes"
	p := page(in, 1, alerting.Trigger)
	p.Message.Summary, p.Message.Details = in.Summary, map[string]string{"body\x00": "\xffPNG\x00\x1a"}
	e := entry(in, 1000, "opened")
	e.Text = in.Summary
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{p}, Entries: []alerting.Entry{e}})
	got := b.claimOne(t, t0(), p.ID)
	if !strings.HasPrefix(got.Message.Summary, "nul ") || !strings.HasSuffix(got.Message.Summary, " bytes") {
		t.Errorf("summary %q lost its readable words", got.Message.Summary)
	}
	got.State, got.LastError = alerting.Queued, "it said \xff\x00"
	b.settle(t, alerting.Settlement{Page: got})
}

func pageOrder(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	third, first, second := page(in, 3, alerting.Resolve), page(in, 1, alerting.Trigger), page(in, 2, alerting.Acknowledge)
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{third, first, second}})
	want := []string{first.ID, second.ID, third.ID}
	if diff := cmp.Diff(ids(b.pagesOf(t, in.ID)), want); diff != "" {
		t.Errorf("pages (-got +want):\n%s", diff)
	}
}

func unknownIncident(t *testing.T, b bench) {
	t.Helper()
	if got := b.pagesOf(t, "kw-nobody-1"); len(got) != 0 {
		t.Errorf("pages of an unknown incident: %v", ids(got))
	}
	b.claimNone(t, t0())
	if got := b.open(t); len(got) != 0 {
		t.Errorf("an empty store has open incidents: %v", got)
	}
}

func doneContext(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.Apply(ctx, alerting.Change{Incident: in})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("apply with a done context: got %v, want context.Canceled", err)
	}
	if got := b.open(t); len(got) != 0 {
		t.Errorf("a cancelled apply left %v", got)
	}
}
