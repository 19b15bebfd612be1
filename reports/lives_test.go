package reports

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExplainTimeWithoutResults(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return time.Date(2026, 11, 16, 0, minutes, 0, 0, time.UTC) }
	span := func(from, to int, cause string) Span { return Span{From: at(from), To: at(to), Cause: cause} }
	west := []Life{{Location: "west", From: at(0), To: at(60), Stopped: true}, {Location: "west", From: at(120), To: at(200)}}
	east := []Life{{Location: "east", From: at(0), To: at(90)}}
	set := []Life{{Location: "west", From: at(0), To: at(60), Why: "the clock was set"}, {Location: "west", From: at(120), To: at(200)}}
	for _, c := range []struct {
		name  string
		lives []Life
		span  Span
		want  []Span
	}{
		{"nothing is known of probers", nil, span(60, 120, CauseNoResult), []Span{span(60, 120, CauseNoResult)}},
		{"it was stopped", west, span(59, 121, CauseNoResult), []Span{span(59, 121, CauseNoResult+": the prober was stopped")}},
		{"it was lost and has not come back", west, span(200, 300, CauseNoResult), []Span{span(200, 300, CauseNoResult+": the prober was lost")}},
		{"it lived", west, span(10, 20, CauseNoResult), []Span{span(10, 20, CauseNoResult)}},
		{"it lived at first", west, Span{From: at(40), To: at(100), Cause: CauseNoResult}, []Span{
			{From: at(40), To: at(60).Add(-aroundDeath), Cause: CauseNoResult},
			{From: at(60).Add(-aroundDeath), To: at(100), Cause: CauseNoResult + ": the prober was stopped"},
		}},
		{"one of two lived", append(west[:1:1], east...), span(70, 80, CauseNoResult), []Span{span(70, 80, CauseNoResult)}},
		{"the one that is missing", append(west[:1:1], east...), span(70, 80, CauseNoResult+" from west"), []Span{span(70, 80, CauseNoResult+" from west: the prober was stopped")}},
		{"its clock was set", set, span(60, 120, CauseNoResult), []Span{span(60, 120, CauseNoResult+": the clock was set")}},
		{"another cause", west, span(70, 80, "blind"), []Span{span(70, 80, "blind")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(Explain([]Span{c.span}, c.lives, []string{"west", "east"}), c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}
