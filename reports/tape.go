package reports

import (
	"sort"
	"time"
)

// Tape is a service's spans with running sums, so that the sums of any window cost
// two searches. Read-only, so safe for concurrent use. The zero value has seen nothing.
type Tape struct {
	spans []Span
	sums  [][4]int64 // of all spans before
}

// NewTape takes spans without gap or overlap, oldest first; it keeps them.
func NewTape(spans []Span) Tape {
	t := Tape{spans: spans, sums: make([][4]int64, len(spans)+1)}
	for i, s := range spans {
		t.sums[i+1] = t.sums[i]
		t.sums[i+1][s.Verdict] += s.Ms()
	}
	return t
}

// Sums returns the milliseconds of each verdict in [from, to). What lies outside of
// the tape is in none.
func (t Tape) Sums(from, to time.Time) [4]int64 {
	var out [4]int64
	if !from.Before(to) {
		return out
	}
	a, b := t.until(from), t.until(to)
	for v := range out {
		out[v] = b[v] - a[v]
	}
	return out
}

// until returns the sums from the tape's beginning to at.
func (t Tape) until(at time.Time) [4]int64 {
	if len(t.spans) == 0 {
		return [4]int64{}
	}
	i := sort.Search(len(t.spans), func(i int) bool { return t.spans[i].To.After(at) })
	sums := t.sums[i]
	if i < len(t.spans) && t.spans[i].From.Before(at) {
		sums[t.spans[i].Verdict] += at.Sub(t.spans[i].From).Milliseconds()
	}
	return sums
}

// Burning is what a rule says at an instant.
type Burning struct {
	Rule BurnRule // with the windows that were used
	// Fires is set while both windows burn at the rule's rate, at least half of each was
	// seen, and more than one slot was bad.
	Fires bool
	// Long and Short are the rates of the windows, floored; 0 where nothing was seen.
	Long, Short Rate
	BadMs       int64 // in the long window
}

// shortSlots is how many slots the short window has at least.
const shortSlots = 3

// Burn holds a rule against the tape at now. slot is the longest interval of the
// service's checks. Unknown and excluded time leave the ratio; all is compared in integers.
func (t Tape) Burn(r BurnRule, objective Percent, slot time.Duration, now time.Time) Burning {
	r.Short = max(r.Short, shortSlots*slot)
	r.Long = max(r.Long, r.Short)
	long, short := t.Sums(now.Add(-r.Long), now), t.Sums(now.Add(-r.Short), now)
	return Burning{
		Rule: r, Long: rateOf(long, objective), Short: rateOf(short, objective), BadMs: long[Bad],
		Fires: burns(long, r.Rate, objective, r.Long) && burns(short, r.Rate, objective, r.Short) &&
			long[Bad] > slot.Milliseconds(),
	}
}

// burns reports whether a window burns at least as fast as rate: bad/(good+bad) >=
// rate*(1-T), with at least half of the window seen.
func burns(sums [4]int64, rate Rate, objective Percent, window time.Duration) bool {
	seen := sums[Good] + sums[Bad]
	// At most a week of ms: 6e8 * 1e9 and 2e4*5e4 * 6e8 are far from overflow, and so is
	// every rate below the highest.
	return 2*seen >= window.Milliseconds() && sums[Bad]*Million*1000 >= int64(rate)*(Million-int64(objective))*seen
}

func rateOf(sums [4]int64, objective Percent) Rate {
	seen := sums[Good] + sums[Bad]
	if seen == 0 || objective >= Million {
		return 0
	}
	return Rate(sums[Bad] * Million / seen * 1000 / (Million - int64(objective)))
}

// Purse is how a week's error budget stands.
type Purse struct {
	BudgetMs int64 // of the full week, without what was excluded so far
	SpentMs  int64
	// Gone is set when nothing is left.
	Gone bool
	// Short is set when it will not last: spending went on as in the week so far, and at
	// least 40 % is spent.
	Short bool
}

// Purse holds the tape against the budget of the week that holds now. The base is
// the full week, for else a minute's blip at its beginning would read as ruin.
func (t Tape) Purse(w Week, objective Percent, now time.Time) Purse {
	sums := t.Sums(w.From, now)
	length, elapsed := w.Length().Milliseconds(), now.Sub(w.From).Milliseconds()
	p := Purse{BudgetMs: (length - sums[Excluded]) * (Million - int64(objective)) / Million, SpentMs: sums[Bad]}
	p.Gone = p.SpentMs > 0 && p.SpentMs >= p.BudgetMs
	p.Short = elapsed > 0 && 5*p.SpentMs >= 2*p.BudgetMs && p.SpentMs > 0 &&
		p.SpentMs/1000*length > p.BudgetMs/1000*elapsed // seconds, for the product must fit
	return p
}

// BurnSpans is what a service was over [from, to), with the exclusions that hold in
// the week w. It is what [NewTape] wants.
func BurnSpans(s Service, lines map[string]Timeline, exclusions []Exclusion, w Week, from, to time.Time) []Span {
	var own []Exclusion
	for _, x := range exclusions {
		if x.Service == s.Name {
			own = append(own, x)
		}
	}
	var excluded []Interval
	if len(own) > 0 {
		excluded, _ = exclude(own, w.Window(), s.Cap)
	}
	return CombineService(s, lines, excluded, from, to)
}
