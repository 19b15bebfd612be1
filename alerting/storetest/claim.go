package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
)

func claimLeases(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	want := page(in, 1, alerting.Trigger)
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{want}})
	got := b.claimOne(t, at(2), want.ID)
	want.State, want.LeaseUntil, want.Epoch = alerting.Sending, at(17), 1
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("claimed page (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(b.pagesOf(t, in.ID), []alerting.Page{want}); diff != "" {
		t.Errorf("stored page (-got +want):\n%s", diff)
	}
	b.claimNone(t, at(2))
	b.claimNone(t, at(16))
}

func dueRespected(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	p := page(in, 1, alerting.Trigger)
	p.Due = at(60)
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{p}})
	b.claimNone(t, at(60).Add(-time.Microsecond))
	b.claimOne(t, at(60), p.ID)
}

// claimOrder: critical triggers first, the oldest of them first; then the rest.
func claimOrder(t *testing.T, b bench) {
	t.Helper()
	var want []string
	for i, severity := range []string{"warning", "critical", "critical", "critical"} {
		in := incident(fmt.Sprint("s", i), 1)
		p := page(in, 1, alerting.Trigger)
		p.Message.Severity, p.Created = severity, at(-i)
		b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{p}})
		want = append([]string{p.ID}, want...)
	}
	first := b.claim(t, t0(), 2)
	if diff := cmp.Diff(ids(first), want[:2]); diff != "" {
		t.Errorf("first claim (-got +want):\n%s", diff)
	}
	rest := b.claim(t, t0(), 10)
	if diff := cmp.Diff(ids(rest), want[2:]); diff != "" {
		t.Errorf("second claim (-got +want):\n%s", diff)
	}
}

// three owes a trigger, an acknowledge and a resolve of one key.
func three(t *testing.T, b bench, service string) (trigger, ack, resolve alerting.Page) {
	t.Helper()
	in := incident(service, 3)
	trigger, ack, resolve = page(in, 1, alerting.Trigger), page(in, 2, alerting.Acknowledge), page(in, 3, alerting.Resolve)
	b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{resolve, ack, trigger}})
	return trigger, ack, resolve
}

func oneInFlight(t *testing.T, b bench) {
	t.Helper()
	trigger, ack, resolve := three(t, b, "image-site")
	for _, want := range []alerting.Page{trigger, ack, resolve} {
		p := b.claimOne(t, t0(), want.ID)
		b.claimNone(t, t0())
		b.finish(t, p, alerting.Accepted)
	}
	b.claimNone(t, at(3600))
}

func keysApart(t *testing.T, b bench) {
	t.Helper()
	in := incident("image-site", 1)
	base := page(in, 1, alerting.Trigger)
	pages := []alerting.Page{base}
	for i, change := range []func(*alerting.Page){
		func(p *alerting.Page) { p.Route = "person:ada" },
		func(p *alerting.Page) { p.Channel = "email" },
		func(p *alerting.Page) { p.DedupKey += "-x" },
	} {
		p := base
		p.ID, p.Seq, p.Created = fmt.Sprint(base.ID, "-", i), base.Seq+int64(i)+1, at(i+1)
		change(&p)
		pages = append(pages, p)
	}
	b.apply(t, alerting.Change{Incident: in, Pages: pages})
	if diff := cmp.Diff(ids(b.claim(t, t0(), 10)), ids(pages)); diff != "" {
		t.Errorf("claimed (-got +want):\n%s", diff)
	}
}

func retryBlocks(t *testing.T, b bench) {
	t.Helper()
	trigger, ack, _ := three(t, b, "image-site")
	p := b.claimOne(t, t0(), trigger.ID)
	p.State, p.Due, p.Attempts, p.LastStatus = alerting.Queued, at(30), 1, 503
	b.settle(t, alerting.Settlement{Page: p})
	b.claimNone(t, at(29))
	p = b.claimOne(t, at(30), trigger.ID)
	if p.Epoch != 2 || p.Attempts != 1 || !p.UnsureAt.IsZero() {
		t.Errorf("second claim: epoch %d, attempts %d, unsure %v; want 2, 1, never", p.Epoch, p.Attempts, p.UnsureAt)
	}
	b.finish(t, p, alerting.Rejected)
	b.claimOne(t, at(31), ack.ID)
}

func leaseExpiry(t *testing.T, b bench) {
	t.Helper()
	trigger, _, _ := three(t, b, "image-site")
	first := b.claimOne(t, t0(), trigger.ID)
	b.claimNone(t, first.LeaseUntil.Add(-time.Microsecond))
	now := first.LeaseUntil
	second := b.claimOne(t, now, trigger.ID)
	want := first
	want.Epoch, want.UnsureAt, want.LeaseUntil = 2, now, now.Add(lease)
	if diff := cmp.Diff(second, want); diff != "" {
		t.Errorf("claimed again (-got +want):\n%s", diff)
	}
}

func manyClaimers(t *testing.T, b bench) {
	t.Helper()
	const keys = 200
	for i := range keys {
		in := incident(fmt.Sprint("s", i), 1)
		b.apply(t, alerting.Change{Incident: in, Pages: []alerting.Page{page(in, 1, alerting.Trigger)}})
	}
	var mu sync.Mutex
	times := map[string]int{}
	race(t, 8, func() error {
		for range 20 {
			pages, err := b.Claim(t.Context(), t0(), lease, 7)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, p := range pages {
				times[p.ID]++
			}
			mu.Unlock()
		}
		return nil
	})
	// SKIP LOCKED may pass over rows that another claimer looked at.
	for _, p := range b.claim(t, t0(), keys) {
		times[p.ID]++
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("page %s was claimed %d times", id, n)
		}
	}
	if len(times) != keys {
		t.Errorf("%d pages were claimed, want %d", len(times), keys)
	}
}

// claimersInOrder lets several deliverers work until nothing is left and looks
// at the order in which each key's pages were sent.
func claimersInOrder(t *testing.T, b bench) {
	t.Helper()
	const keys = 20
	for i := range keys {
		three(t, b, fmt.Sprint("s", i))
	}
	var mu sync.Mutex
	sent := map[string][]alerting.Action{}
	total := 0
	race(t, 6, func() error {
		for {
			mu.Lock()
			done := total == 3*keys
			mu.Unlock()
			if done {
				return nil
			}
			pages, err := b.Claim(t.Context(), t0(), lease, 3)
			if err != nil {
				return err
			}
			for _, p := range pages {
				mu.Lock()
				sent[p.DedupKey] = append(sent[p.DedupKey], p.Action)
				total++
				mu.Unlock()
				p.State, p.AcceptedAt = alerting.Accepted, t0()
				if err := b.Settle(t.Context(), alerting.Settlement{Page: p}); err != nil {
					return err
				}
			}
		}
	})
	want := []alerting.Action{alerting.Trigger, alerting.Acknowledge, alerting.Resolve}
	for key, got := range sent {
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s was sent as (-got +want):\n%s", key, diff)
		}
	}
	if len(sent) != keys {
		t.Errorf("%d keys were sent, want %d", len(sent), keys)
	}
}

// race runs work n times at once.
func race(t *testing.T, n int, work func() error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = work() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
