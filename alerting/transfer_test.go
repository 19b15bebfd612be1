package alerting_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"keepwatch/alerting"
)

// drawPages draws what one store may know of three pages of a key.
func drawPages(label string) *rapid.Generator[[]alerting.Page] {
	moment := rapid.Map(rapid.IntRange(0, 3), func(n int) time.Time {
		if n == 0 {
			return time.Time{}
		}
		return time.Unix(int64(n), 0).UTC()
	})
	return rapid.Custom(func(t *rapid.T) []alerting.Page {
		var pages []alerting.Page
		for i, action := range []alerting.Action{alerting.Trigger, alerting.Acknowledge, alerting.Resolve} {
			if rapid.IntRange(0, 4).Draw(t, label+"absent") == 0 {
				continue
			}
			pages = append(pages, alerting.Page{
				ID: string(action), Incident: "kw-a-1", DedupKey: "kw-a-1", Seq: int64(i + 1), Action: action,
				State: rapid.SampledFrom([]alerting.PageState{
					alerting.Queued, alerting.Sending, alerting.Accepted, alerting.Rejected, alerting.Cancelled,
				}).Draw(t, "state"),
				Epoch: int64(rapid.IntRange(0, 2).Draw(t, "epoch")), Attempts: rapid.IntRange(0, 2).Draw(t, "attempts"),
				LeaseUntil: moment.Draw(t, "lease"), Due: moment.Draw(t, "due"), UnsureAt: moment.Draw(t, "unsure"),
				AcceptedAt: moment.Draw(t, "accepted"), FirstTried: moment.Draw(t, "tried"),
				FellBack: rapid.Bool().Draw(t, "fell back"), LastStatus: rapid.IntRange(0, 1).Draw(t, "status"),
				VerifiedAt: moment.Draw(t, "verified"), RingingAt: moment.Draw(t, "ringing since"),
				Proof:   rapid.SampledFrom([]alerting.Proof{"", alerting.Ringing, alerting.NoIncident}).Draw(t, "proof"),
				Ringing: rapid.SampledFrom([]string{"", "Ada"}).Draw(t, "ringing"),
			})
		}
		return pages
	})
}

func stateOf(pages []alerting.Page, id alerting.Action) alerting.PageState {
	i := slices.IndexFunc(pages, func(p alerting.Page) bool { return p.ID == string(id) })
	if i < 0 {
		return ""
	}
	return pages[i].State
}

func TestMergePagesProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPages("a").Draw(t, "a"), drawPages("b").Draw(t, "b")
		ab := alerting.MergePages(a, b)
		if diff := cmp.Diff(alerting.MergePages(b, a), ab); diff != "" {
			t.Fatalf("the order of the arguments counts:\n%s", diff)
		}
		if diff := cmp.Diff(alerting.MergePages(ab, ab), ab); diff != "" {
			t.Fatalf("merging with itself changes it:\n%s", diff)
		}
		for _, again := range [][]alerting.Page{a, b} {
			for i, p := range alerting.MergePages(ab, again) {
				if p.State != ab[i].State && (!p.State.Unfinished() || !ab[i].State.Unfinished()) {
					t.Fatalf("importing a part again turns %s from %s to %s", p.ID, ab[i].State, p.State)
				}
			}
		}
		for _, p := range ab {
			for _, from := range [][]alerting.Page{a, b} {
				if stateOf(from, p.Action) == alerting.Accepted && p.State != alerting.Accepted {
					t.Fatalf("%s was accepted and is now %s", p.ID, p.State)
				}
			}
		}
		if stateOf(ab, alerting.Resolve) == alerting.Accepted && stateOf(ab, alerting.Trigger).Unfinished() {
			t.Fatal("a trigger is owed after its resolve was accepted")
		}
		if stateOf(ab, alerting.Trigger) == alerting.Accepted && stateOf(ab, alerting.Resolve) == alerting.Cancelled {
			t.Fatal("a trigger was delivered, and its resolve is cancelled")
		}
	})
}

func TestMergePages(t *testing.T) {
	t.Parallel()
	at := time.Unix(100, 0).UTC()
	queued := alerting.Page{ID: "p", Action: alerting.Trigger, State: alerting.Queued}
	retried := queued
	retried.Epoch, retried.Attempts, retried.Due = 1, 1, at
	sending := retried
	sending.State = alerting.Sending
	unsure := retried
	unsure.UnsureAt = at
	accepted := queued
	accepted.State, accepted.Epoch, accepted.AcceptedAt = alerting.Accepted, 1, at
	cancelled := queued
	cancelled.State = alerting.Cancelled
	rejected := queued
	rejected.State = alerting.Rejected
	for _, tt := range []struct {
		name       string
		a, b, want alerting.Page
	}{
		{"accepted beats a later attempt", accepted, sending, func() alerting.Page { p := accepted; p.Attempts = 1; return p }()},
		{"accepted beats rejected", accepted, rejected, accepted},
		{"rejected beats cancelled", rejected, cancelled, rejected},
		{"cancelled beats queued", cancelled, queued, cancelled},
		{"tried beats not tried", queued, retried, retried},
		{"back from an attempt is later than being sent", sending, retried, retried},
		{"unsure is kept", sending, unsure, unsure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := alerting.MergePages([]alerting.Page{tt.a}, []alerting.Page{tt.b})
			if diff := cmp.Diff(got, []alerting.Page{tt.want}); diff != "" {
				t.Errorf("merged (-got +want):\n%s", diff)
			}
		})
	}
}

func TestMergeIncident(t *testing.T) {
	t.Parallel()
	open := alerting.Incident{ID: "kw-a-1", Version: 2, State: alerting.Open}
	acked := alerting.Incident{ID: "kw-a-1", Version: 2, State: alerting.Acknowledged}
	newer := alerting.Incident{ID: "kw-a-1", Version: 3, State: alerting.Open}
	for _, tt := range []struct {
		name       string
		a, b, want alerting.Incident
	}{
		{"higher version", acked, newer, newer},
		{"further along", open, acked, acked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, got := range []alerting.Incident{alerting.MergeIncident(tt.a, tt.b), alerting.MergeIncident(tt.b, tt.a)} {
				if diff := cmp.Diff(got, tt.want); diff != "" {
					t.Errorf("merged (-got +want):\n%s", diff)
				}
			}
		})
	}
}
