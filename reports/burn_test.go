package reports

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// burnStart is Monday of a week in UTC.
var burnStart = time.Date(2026, time.November, 16, 0, 0, 0, 0, time.UTC)

// tape is good from two weeks before at on, and from at on what bad says of each
// slot, until the instant asked for.
func tape(at, until time.Time, slot time.Duration, what func(n int) Verdict) Tape {
	spans := []Span{{From: at.AddDate(0, 0, -14), To: at, Verdict: Good}}
	for n := 0; at.Before(until); n++ {
		end := at.Add(slot)
		if end.After(until) {
			end = until
		}
		spans = appendSpan(spans, Span{From: at, To: end, Verdict: what(n)})
		at = end
	}
	return NewTape(spans)
}

// firesAfter is how long after its beginning a failure makes a rule fire, looked at
// every 15 s at 95 %; 0 when it does not within limit.
func firesAfter(r BurnRule, slot time.Duration, what func(n int) Verdict, limit time.Duration) (time.Duration, int64) {
	start := burnStart.Add(50 * time.Hour)
	line := tape(start, start.Add(limit), slot, what)
	for at := 15 * time.Second; at <= limit; at += 15 * time.Second {
		b := line.Burn(r, 950_000, slot, start.Add(at))
		if b.Fires {
			return at, b.BadMs
		}
	}
	return 0, 0
}

func always(int) Verdict { return Bad }

func everyOther(n int) Verdict {
	if n%2 == 0 {
		return Bad
	}
	return Good
}

// TestBurnTable is the table of slo-spec section 2 for 95 % and a week.
func TestBurnTable(t *testing.T) {
	t.Parallel()
	rules := DefaultBurn(950_000)
	tests := []struct {
		rule       string
		full, half time.Duration // until a total and a half outage fires
		badMs      int64         // at the total one
		budget     string        // share of the week's
	}{
		{"outage", 4*time.Minute + 30*time.Second, 0, 270_000, "0.90 %"},
		{"fast", 10*time.Minute + 15*time.Second, 20*time.Minute + 15*time.Second, 615_000, "2.04 %"},
		{"slow", 25*time.Minute + 15*time.Second, 50*time.Minute + 15*time.Second, 1_515_000, "5.01 %"},
		{"drift", 0, 3*time.Hour + 21*time.Minute + 30*time.Second, 0, ""},
	}
	for i, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			if rules[i].Name != tt.rule {
				t.Fatalf("got rule %s, want %s", rules[i].Name, tt.rule)
			}
			if tt.full > 0 {
				after, bad := firesAfter(rules[i], 30*time.Second, always, 30*time.Minute)
				if after != tt.full || bad != tt.badMs || Share(bad, 30_240_000) != tt.budget {
					t.Errorf("total outage: fires after %s with %d ms (%s), want %s with %d (%s)", after, bad, Share(bad, 30_240_000), tt.full, tt.badMs, tt.budget)
				}
			}
			if after, _ := firesAfter(rules[i], 30*time.Second, everyOther, 4*time.Hour); after != tt.half {
				t.Errorf("half an outage: fires after %s, want %s", after, tt.half)
			}
		})
	}
}

// TestBurnGoals: with all rules a total outage pages within 5 minutes for at most
// 1 % of the budget (60 s slots too), half an outage within 20 minutes and a half.
func TestBurnGoals(t *testing.T) {
	t.Parallel()
	for _, slot := range []time.Duration{10 * time.Second, 30 * time.Second, time.Minute} {
		after, bad := firesAfter(DefaultBurn(950_000)[0], slot, always, time.Hour)
		if after == 0 || after > 5*time.Minute || bad*100 > 30_240_000 {
			t.Errorf("slots of %s: a total outage pages after %s and %d ms, want 5m and 1 %% at most", slot, after, bad)
		}
	}
}

// TestOneBadSlot pages nobody, at any objective and interval.
func TestOneBadSlot(t *testing.T) {
	t.Parallel()
	for _, objective := range []Percent{900_000, 950_000, 990_000, 999_000, 999_900, 999_999} {
		for _, slot := range []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 15 * time.Minute} {
			for _, r := range DefaultBurn(objective) {
				once := func(n int) Verdict {
					if n == 0 {
						return Bad
					}
					return Good
				}
				start := burnStart.Add(50 * time.Hour)
				line := tape(start, start.Add(26*time.Hour), slot, once)
				for at := slot / 2; at < 26*time.Hour; at += slot {
					if line.Burn(r, objective, slot, start.Add(at)).Fires {
						t.Fatalf("%s at %s with slots of %s fires %s after one bad slot", r.Name, objective, slot, at)
					}
				}
			}
		}
	}
}

// TestDefaultRulesCanFire: at every objective, and the quickest within its window.
func TestDefaultRulesCanFire(t *testing.T) {
	t.Parallel()
	for objective := Percent(10_000); objective < Million; objective += 9_999 {
		rules := DefaultBurn(objective)
		if len(rules) == 0 {
			t.Fatalf("%s has no rules", objective)
		}
		for i, r := range rules {
			if !Fireable(r.Rate, objective) || Cannot(r.Rate, objective) != "" {
				t.Errorf("%s: %s of %s cannot fire", objective, r.Name, r.Rate)
			}
			if i > 0 && r.Rate >= rules[i-1].Rate {
				t.Errorf("%s: %s burns no slower than %s", objective, r.Name, rules[i-1].Name)
			}
		}
	}
	for objective, want := range map[Percent]int{950_000: 4, 999_900: 4, 900_000: 4, 800_000: 3, 500_000: 2} {
		if got := len(DefaultBurn(objective)); got != want {
			t.Errorf("%s: got %d rules, want %d", objective, got, want)
		}
	}
}

// TestUnknownLeavesTheRatio: silence neither burns nor heals, and a window of which
// less than half was seen says nothing.
func TestUnknownLeavesTheRatio(t *testing.T) {
	t.Parallel()
	fast := DefaultBurn(950_000)[1]
	now := burnStart.Add(50 * time.Hour)
	window := func(spans ...Span) bool {
		at := now
		for i := len(spans) - 1; i >= 0; i-- {
			d := spans[i].To.Sub(time.Time{})
			spans[i].To, spans[i].From = at, at.Add(-d)
			at = spans[i].From
		}
		return NewTape(spans).Burn(fast, 950_000, 30*time.Second, now).Fires
	}
	part := func(v Verdict, d time.Duration) Span { return Span{Verdict: v, To: time.Time{}.Add(d)} }
	tests := []struct {
		name  string
		spans []Span
		want  bool
	}{
		{"34 % bad of what was seen", []Span{part(Unknown, 10*time.Minute), part(Good, 13*time.Minute+12*time.Second), part(Bad, 6*time.Minute+48*time.Second)}, true},
		{"33.5 % is not 33.6 %", []Span{part(Unknown, 10*time.Minute), part(Good, 13*time.Minute+18*time.Second), part(Bad, 6*time.Minute+42*time.Second)}, false},
		{"excluded time is not seen", []Span{part(Excluded, 16*time.Minute), part(Bad, 14*time.Minute)}, false},
		{"less than half was seen", []Span{part(Unknown, 16*time.Minute), part(Bad, 14*time.Minute)}, false},
		{"it burns no more", []Span{part(Bad, 26*time.Minute), part(Good, 4*time.Minute)}, false},
		{"a long window that is not full", []Span{part(Bad, 15*time.Minute)}, true},
		{"nothing", nil, false},
	}
	for _, tt := range tests {
		if got := window(tt.spans...); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestShortWindowOfThreeSlots: with an interval of five minutes nothing can be said
// in less than fifteen.
func TestShortWindowOfThreeSlots(t *testing.T) {
	t.Parallel()
	slot := 5 * time.Minute
	after, _ := firesAfter(DefaultBurn(950_000)[0], slot, always, time.Hour)
	if want := 13*time.Minute + 30*time.Second; after != want {
		t.Errorf("got %s, want %s: 90 %% of three slots", after, want)
	}
}

// TestMonday: windows roll over the week's end, the budget begins anew.
func TestMonday(t *testing.T) {
	t.Parallel()
	start := burnStart.Add(-3 * time.Minute)
	now := burnStart.Add(2 * time.Minute)
	line := tape(start, now, 30*time.Second, always)
	if !line.Burn(DefaultBurn(950_000)[0], 950_000, 30*time.Second, now).Fires {
		t.Error("an outage over Monday 00:00 does not fire")
	}
	got := line.Purse(WeekOf(now, time.UTC), 950_000, now)
	if want := (Purse{BudgetMs: 30_240_000, SpentMs: 120_000}); got != want {
		t.Errorf("got %+v, want %+v: the base is the full week, two minutes are spent", got, want)
	}
}

func TestPurse(t *testing.T) {
	t.Parallel()
	w := WeekOf(burnStart, time.UTC)
	hours := func(n float64) time.Duration { return time.Duration(n * float64(time.Hour)) }
	tests := []struct {
		name        string
		bad         time.Duration // from Monday 00:00 on
		now         time.Duration
		gone, short bool
	}{
		{"nothing spent", 0, hours(24), false, false},
		{"a tenth in a day", hours(0.84), hours(24), false, false},
		{"40 % in two days", hours(3.36), hours(48), false, true},
		{"a slot less than 40 %", hours(3.36) - 30*time.Second, hours(48), false, false},
		{"40 % in three days lasts", hours(3.36), hours(72), false, false},
		{"a slot less than all", hours(8.4) - 30*time.Second, hours(100), false, true},
		{"all", hours(8.4), hours(100), true, true},
	}
	for _, tt := range tests {
		line := NewTape([]Span{
			{From: w.From, To: w.From.Add(tt.bad), Verdict: Bad},
			{From: w.From.Add(tt.bad), To: w.To, Verdict: Good},
		})
		if got := line.Purse(w, 950_000, w.From.Add(tt.now)); got.Gone != tt.gone || got.Short != tt.short || got.SpentMs != tt.bad.Milliseconds() {
			t.Errorf("%s: got %+v, want gone %v, short %v", tt.name, got, tt.gone, tt.short)
		}
	}
}

// TestTapeSums: the sums of any window are those that adding up gives.
func TestTapeSums(t *testing.T) {
	t.Parallel()
	w := week(t, "2025-W44", "America/Los_Angeles")
	rapid.Check(t, func(t *rapid.T) {
		line := drawTimeline(t, w, "a")
		from := w.From.Add(time.Duration(rapid.Int64Range(-1e6, 6e8).Draw(t, "from")) * time.Millisecond)
		to := from.Add(time.Duration(rapid.Int64Range(-1e6, 2e8).Draw(t, "length")) * time.Millisecond)
		var want [4]int64
		for _, s := range line.Spans {
			if c, ok := s.clip(from, to); ok {
				want[c.Verdict] += c.Ms()
			}
		}
		if got := NewTape(line.Spans).Sums(from, to); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestBurnConfig(t *testing.T) {
	t.Parallel()
	rule := func(name string, long time.Duration, rate Rate) BurnRule {
		r := BurnRule{Name: name, Long: long, Rate: rate, Urgency: UrgentPage}
		r.SetDefaults()
		return r
	}
	tests := []struct {
		name      string
		objective Percent
		rules     []BurnRule
		want      []string
	}{
		{"good", 950_000, []BurnRule{rule("a", time.Hour, 5_000), rule("b", 6*time.Hour, 2_000)}, nil},
		{"too fast", 950_000, []BurnRule{rule("a", time.Hour, 24_000)}, []string{"rules[0].rate: burn 24x can never fire: at 95% the highest burn rate is 20x (theta must be < 0.95/(1-T) = 19x)"}},
		{"just too fast", 950_000, []BurnRule{rule("a", time.Hour, 19_000)}, []string{"rules[0].rate: burn 19x can never fire: at 95% the highest burn rate is 20x (theta must be < 0.95/(1-T) = 19x)"}},
		{"just not", 950_000, []BurnRule{rule("a", time.Hour, 18_999)}, nil},
		{"fast enough for 99.9 %", 999_000, []BurnRule{rule("a", time.Hour, 24_000)}, nil},
		{"twice, and without a rate", 950_000, []BurnRule{rule("a", time.Hour, 2_000), rule("a", time.Hour, 0)}, []string{
			`rules[1].name: the name "a" is used twice (give another)`, "rules[1].rate: a rule needs a rate or a budget (write rate: 6.72x, or budget: 2%)",
		}},
		{"names and windows", 950_000, []BurnRule{rule("a b", 8*24*time.Hour, 2_000), {Name: "b", Long: time.Hour, Short: 2 * time.Hour, Rate: 2_000, Urgency: "loud"}}, []string{
			`rules[0].name: the name "a b" must be letters, digits, hyphens and underscores, at most 30 (write name: fast)`, "rules[0].long: long 192h0m0s is out of range (1m to 7d)",
			"rules[1].short: short 2h0m0s must be a part of long 1h0m0s (try 5m0s)", `rules[1].urgency: urgency "loud" is not known (page, page_in_hours or ticket)`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			BurnConfig{Rules: tt.rules}.Check(tt.objective, func(path, msg string) { got = append(got, path+": "+msg) })
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("mistakes (-got +want):\n%s", diff)
			}
		})
	}
	share := BurnRule{Name: "fast", Long: 30 * time.Minute, Budget: 20_000}
	share.SetDefaults()
	if share.Rate != 6_720 || share.Short != 150*time.Second {
		t.Errorf("2 %% in 30 minutes: got %s and %s, want 6.72x and 2m30s", share.Rate, share.Short)
	}
	if got := (BurnConfig{Off: true}).For(950_000); got != nil {
		t.Errorf("switched off: got %v", got)
	}
}

func TestRateText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"18": "18x", "6.72x": "6.72x", "0.001x": "0.001x", "1.": "", "x": "", "-1": "", "1.2345": "", "": "", "1e3": ""} {
		var r Rate
		got := ""
		if err := r.UnmarshalText([]byte(text)); err == nil {
			got = fmt.Sprint(r)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
