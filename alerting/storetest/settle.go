package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
)

// claimed applies one trigger and claims it.
func claimed(t *testing.T, b bench) (alerting.Incident, alerting.Page) {
	t.Helper()
	in := incident("image-site", 1)
	p := page(in, 1, alerting.Trigger)
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{p}})
	return in, b.claimOne(t, t0(), p.ID)
}

func settleWrites(t *testing.T, b bench) {
	t.Helper()
	in, p := claimed(t, b)
	p.State, p.Due, p.LeaseUntil, p.Attempts = alerting.Queued, at(4), time.Time{}, 1
	p.FirstTried, p.UnsureAt, p.LastStatus = at(1), at(2), 504
	p.LastError, p.FellBack = "no answer in 10 s", true
	b.settle(t, alerting.Settlement{Page: p, Entries: []alerting.Entry{entry(in, 1500, "failed")}})
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{p}); diff != "" {
		t.Errorf("stored page (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID, 1500)
	again := b.claimOne(t, at(5), p.ID)
	again.State, again.AcceptedAt, again.LastStatus, again.LastError = alerting.Accepted, at(6), 202, ""
	b.settle(t, alerting.Settlement{Page: again, Entries: []alerting.Entry{entry(in, 1501, "delivered")}})
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{again}); diff != "" {
		t.Errorf("stored page (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID, 1500, 1501)
}

// proofWrites settles an accepted page again, with what a look at its channel showed.
func proofWrites(t *testing.T, b bench) {
	t.Helper()
	in, p := claimed(t, b)
	p.State, p.AcceptedAt, p.LeaseUntil = alerting.Accepted, at(1), time.Time{}
	b.settle(t, alerting.Settlement{Page: p})
	for i, proof := range []alerting.Proof{alerting.NoIncident, alerting.Ringing} {
		p.VerifiedAt, p.Proof, p.FellBack = at(31+i), proof, true
		p.Ringing, p.RingingAt = "Ada", at(2)
		mail := page(in, 1, alerting.Trigger)
		mail.ID, mail.Channel, mail.Fallback = p.ID+"/email", "email", true
		b.settle(t, alerting.Settlement{
			Page: p, Entries: []alerting.Entry{entry(in, 1500+int64(i), "verified")}, Fallback: []alerting.Page{mail},
		})
		got := b.pagesOf(t, in.ID)
		i := slices.IndexFunc(got, func(q alerting.Page) bool { return q.ID == p.ID })
		if i < 0 || len(got) != 2 {
			t.Fatalf("pages %v, want the page and its fallback", ids(got))
		}
		if diff := cmp.Diff(got[i], p); diff != "" {
			t.Errorf("stored page (-got +want):\n%s", diff)
		}
	}
	b.wantEntries(t, in.ID, 1500, 1501)
	late := p
	late.Epoch, late.Proof = p.Epoch-1, alerting.Unassigned
	b.settle(t, alerting.Settlement{Page: late})
	if got := b.claimOne(t, at(40), p.ID+"/email"); got.Proof != "" {
		t.Errorf("the fallback page has the proof %q of another", got.Proof)
	}
	for _, got := range b.pagesOf(t, in.ID) {
		if got.ID == p.ID && got.Proof != alerting.Ringing {
			t.Errorf("proof %q was written by a late writer, want %q", got.Proof, alerting.Ringing)
		}
	}
}

func settleTwice(t *testing.T, b bench) {
	t.Helper()
	in, p := claimed(t, b)
	p.State, p.AcceptedAt = alerting.Accepted, at(1)
	s := alerting.Settlement{Page: p, Entries: []alerting.Entry{entry(in, 1500, "delivered")}}
	for range 3 {
		b.settle(t, s)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{p}); diff != "" {
		t.Errorf("stored page (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID, 1500)
}

func staleEpoch(t *testing.T, b bench) {
	t.Helper()
	in, zombie := claimed(t, b)
	owner := b.claimOne(t, at(20), zombie.ID)
	fallback := page(in, 1, alerting.Trigger)
	fallback.ID, fallback.Channel = zombie.ID+"-f", "email"
	zombie.State, zombie.AcceptedAt, zombie.LastError = alerting.Accepted, at(21), "from the dead"
	b.settle(t, alerting.Settlement{
		Page: zombie, Entries: []alerting.Entry{entry(in, 1500, "delivered")},
		Fallback: []alerting.Page{fallback},
	})
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{owner}); diff != "" {
		t.Errorf("pages after a late writer (-got +want):\n%s", diff)
	}
	b.wantEntries(t, in.ID)
	// A page that nobody owes changes nothing either.
	ghost := owner
	ghost.ID += "-ghost"
	b.settle(t, alerting.Settlement{Page: ghost})
	if got := b.pagesOf(t, in.ID); len(got) != 1 {
		t.Errorf("pages %v, want one", ids(got))
	}
}

func finishedStays(t *testing.T, b bench) {
	t.Helper()
	in, p := claimed(t, b)
	b.finish(t, p, alerting.Accepted)
	p.State, p.Due = alerting.Queued, t0()
	b.settle(t, alerting.Settlement{Page: p})
	if got := b.pagesOf(t, in.ID)[0].State; got != alerting.Accepted {
		t.Errorf("state %s, want accepted", got)
	}
	b.claimNone(t, at(3600))
}

func fallbackPages(t *testing.T, b bench) {
	t.Helper()
	in, p := claimed(t, b)
	mail := page(in, 1, alerting.Trigger)
	mail.ID, mail.Channel, mail.Seq, mail.Fallback, mail.Created = in.ID+"/1/2", "email", 1001, true, at(1)
	p.State, p.Due, p.FellBack = alerting.Queued, at(30), true
	s := alerting.Settlement{
		Page: p, Fallback: []alerting.Page{mail},
		Entries: []alerting.Entry{entry(in, 1500, "fallback")},
	}
	b.settle(t, s)
	got := b.claimOne(t, at(1), mail.ID)
	b.settle(t, s) // a repeated settle must not owe it again, nor take it from its sender
	b.claimNone(t, at(1))
	b.finish(t, got, alerting.Accepted)
	again := b.claimOne(t, at(30), p.ID)
	if !again.FellBack {
		t.Error("the page forgot that its fallback went out")
	}
}

func cancelledPage(t *testing.T, b bench) {
	t.Helper()
	trigger, ack, resolve := three(t, b, "image-site")
	for _, want := range []alerting.Page{trigger, ack} {
		p := b.claimOne(t, t0(), want.ID)
		b.finish(t, p, alerting.Cancelled)
	}
	b.finish(t, b.claimOne(t, t0(), resolve.ID), alerting.Cancelled)
	b.claimNone(t, at(3600))
	for _, p := range b.pagesOf(t, trigger.Incident) {
		if p.State != alerting.Cancelled {
			t.Errorf("%s is %s, want cancelled", p.ID, p.State)
		}
	}
}

func backlog(t *testing.T, b bench) {
	t.Helper()
	want := func(want alerting.Backlog) {
		t.Helper()
		got, err := b.Backlog(t.Context())
		if err != nil {
			t.Fatalf("backlog: %v", err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("backlog (-got +want):\n%s", diff)
		}
	}
	want(alerting.Backlog{})
	trigger, ack, _ := three(t, b, "image-site")
	want(alerting.Backlog{Pages: 3, Oldest: trigger.Created})
	p := b.claimOne(t, t0(), trigger.ID)
	want(alerting.Backlog{Pages: 3, Oldest: trigger.Created})
	b.finish(t, p, alerting.Rejected)
	want(alerting.Backlog{Pages: 2, Oldest: ack.Created})
}
