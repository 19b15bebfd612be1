package alerting

import (
	"maps"
	"slices"
	"time"

	"keepwatch/probe"
)

const (
	// lookGap is the pause between two extra looks.
	lookGap = 2 * time.Second
	// grace is how long a round waits, after the last look must have ended, for reports on their way.
	grace = 5 * time.Second
	// maxCatchUp bounds how many missed slots are told one by one after a long pause (a suspended machine).
	maxCatchUp = 3000
)

// Tally collects the looks of one check, says what each round was, and knows
// when every location should look again at once. It is a plain state machine:
// it never reads a clock and is not safe for concurrent use.
//
// A round is decided as soon as the answers decide it whatever the others will
// say: bad when Quorum locations said bad, good when so many said good that
// Quorum cannot be reached. It is unknown when that can no longer happen, or at
// its deadline. A location that is silent is missing; its last word never counts.
type Tally struct {
	rule   CheckRule
	since  time.Time
	cursor time.Time // start of the oldest slot whose deadline has not passed
	rounds map[roundKey]*round
	seen   map[string]LocationView

	last  Verdict   // newest verdict
	began time.Time // when last.Outcome began
	// rowOf and row are the newest known verdicts in a row that agree; unknown ones neither count nor break it.
	rowOf probe.Outcome
	row   int
	past  []slotMark // ordinary rounds of the recent past, oldest first, for coverage

	wantBad, wantGood int
	burst             burst
}

type roundKey struct {
	round int64
	extra bool
}

type round struct {
	slot     time.Time
	deadline time.Time
	answers  map[string]probe.Result
	decided  bool
}

type slotMark struct {
	slot  time.Time
	known bool
}

// burst is a series of extra looks that shall confirm an outcome.
type burst struct {
	outcome probe.Outcome // Unknown when there is none
	left    int           // looks not yet asked for
	askAt   time.Time     // when to ask for the next; zero while an answer is awaited
	until   time.Time     // when to stop waiting for the look asked for; zero when none is
}

// NewTally makes the tally of a check. Slots that start before since are
// counted when they are seen, but not missed when they are not.
func NewTally(rule CheckRule, since time.Time) *Tally {
	first := since.UTC().Truncate(rule.Every)
	if first.Before(since) {
		first = first.Add(rule.Every)
	}
	return &Tally{
		rule: rule, since: first, cursor: first,
		rounds: map[roundKey]*round{}, seen: map[string]LocationView{},
	}
}

// Want says how many bad rounds in a row open an incident of a service that has
// none, and how many good ones are needed for recovery; 0 means that nobody
// waits for that outcome, and stops extra looks for it.
func (t *Tally) Want(bad, good int) {
	t.wantBad, t.wantGood = bad, good
	if t.burst.outcome != probe.Unknown && t.want(t.burst.outcome) == 0 {
		t.burst = burst{}
	}
}

func (t *Tally) want(o probe.Outcome) int {
	switch o {
	case probe.Bad:
		return t.wantBad
	case probe.Good:
		return t.wantGood
	case probe.Unknown:
	}
	return 0
}

// Add takes one result and returns the round that it decided, if it did.
// Results of other checks, of locations that do not belong to the check, that
// come after their round's deadline, or twice, decide nothing.
func (t *Tally) Add(r probe.Result, now time.Time) []Verdict {
	if r.Check != t.rule.Name || !slices.Contains(t.rule.Locations, r.Location) {
		return nil
	}
	if r.Repeat { // an ordinary look in time that is lived through again
		r.Extra, r.Round = false, r.Slot.UnixNano()
	}
	before := t.seen[r.Location].Outcome
	t.see(r)
	rd := t.round(r, now)
	if rd == nil {
		return nil
	}
	if _, twice := rd.answers[r.Location]; twice {
		return nil
	}
	rd.answers[r.Location] = r
	var out []Verdict
	if o, done := t.judge(rd); done && !rd.decided {
		out = append(out, t.decided(rd, r.Round, r.Extra, o, now))
	}
	if !r.Extra && r.Outcome != probe.Unknown {
		quorum := len(out) == 1 && out[0].Outcome == r.Outcome
		if quorum || before != r.Outcome {
			t.start(r.Outcome, now)
		}
	}
	return out
}

func (t *Tally) see(r probe.Result) {
	at := r.Started
	if at.IsZero() {
		at = r.Slot
	}
	if known, ok := t.seen[r.Location]; ok && !at.After(known.At) {
		return
	}
	t.seen[r.Location] = LocationView{
		Location: r.Location, Outcome: r.Outcome, Cause: r.Cause, At: at,
		Latency: r.Look.Latency, Code: r.Look.Code, Fault: r.Look.Fault,
	}
}

// heard is when the newest look was made that was added; zero when none was.
func (t *Tally) heard() time.Time {
	var newest time.Time
	for _, l := range t.seen {
		newest = later(newest, l.At)
	}
	return newest
}

// worst is the worst that any location saw of late.
func (t *Tally) worst(now time.Time) probe.Outcome {
	worst := probe.Unknown
	for _, l := range t.seen {
		if now.Sub(l.At) > maxGap(t.rule) {
			continue
		}
		if l.Outcome == probe.Unknown {
			continue
		}
		if worst = l.Outcome; worst == probe.Bad {
			break
		}
	}
	return worst
}

// round finds or makes the round of a result; nil when it is too late, or so
// far ahead that a clock must be wrong.
func (t *Tally) round(r probe.Result, now time.Time) *round {
	key := roundKey{r.Round, r.Extra}
	if rd := t.rounds[key]; rd != nil {
		return rd
	}
	slot := r.Slot.UTC()
	deadline := slot.Add(t.rule.Every + t.rule.Timeout + grace)
	if r.Extra {
		asked := time.Unix(0, r.Round).UTC()
		deadline = asked.Add(t.rule.Timeout + grace)
		if slot.IsZero() {
			slot = asked.Truncate(t.rule.Every)
		}
	}
	if !deadline.After(now) || slot.After(now.Add(t.rule.Every)) {
		return nil
	}
	rd := &round{slot: slot, deadline: deadline, answers: map[string]probe.Result{}}
	t.rounds[key] = rd
	return rd
}

// judge applies the quorum, in Kleene's logic: what no missing answer can change is decided.
func (t *Tally) judge(rd *round) (o probe.Outcome, done bool) {
	var good, bad int
	for _, a := range rd.answers {
		switch a.Outcome {
		case probe.Good:
			good++
		case probe.Bad:
			bad++
		case probe.Unknown:
		}
	}
	n, k := len(t.rule.Locations), max(t.rule.Quorum, 1)
	missing := n - len(rd.answers)
	switch {
	case bad >= k:
		return probe.Bad, true
	case good >= n-k+1:
		return probe.Good, true
	case bad+missing < k && good+missing < n-k+1:
		return probe.Unknown, true
	}
	return probe.Unknown, false
}

// decided closes a round and tells what it was.
func (t *Tally) decided(rd *round, id int64, extra bool, o probe.Outcome, now time.Time) Verdict {
	rd.decided = true
	v := Verdict{Check: t.rule.Name, Round: id, At: now.UTC(), Slot: rd.slot, Extra: extra, Outcome: o}
	for _, loc := range slices.Sorted(maps.Keys(rd.answers)) {
		a := rd.answers[loc]
		if a.Outcome != probe.Bad {
			continue
		}
		if len(v.Failing) == 0 {
			v.Fault, v.Code = a.Look.Fault, a.Look.Code
		}
		v.Failing = append(v.Failing, loc)
	}
	t.note(v, now)
	return v
}

// note updates what the tally knows from a verdict.
func (t *Tally) note(v Verdict, now time.Time) {
	if v.Outcome != t.last.Outcome || t.began.IsZero() {
		t.began = v.At
	}
	t.last = v
	if v.Outcome != probe.Unknown {
		if v.Outcome != t.rowOf {
			t.rowOf, t.row = v.Outcome, 0
		}
		t.row++
	}
	if !v.Extra && !v.Slot.Before(t.since) {
		t.past = append(t.past, slotMark{slot: v.Slot, known: v.Outcome != probe.Unknown})
		t.past = slices.DeleteFunc(t.past, func(m slotMark) bool { return now.Sub(m.slot) > 2*t.window() })
	}
	if v.Extra {
		t.advance(now)
	}
}

// start begins a series of extra looks, unless one for this outcome is under
// way, nobody waits for it, or it is confirmed already.
func (t *Tally) start(o probe.Outcome, now time.Time) {
	if t.burst.outcome == o || t.want(o) == 0 || t.confirmed(o) {
		return
	}
	t.burst = burst{outcome: o, left: t.want(o), askAt: now}
}

func (t *Tally) confirmed(o probe.Outcome) bool { return t.rowOf == o && t.row >= t.want(o) }

// advance goes on after an extra round was decided or given up.
func (t *Tally) advance(now time.Time) {
	b := &t.burst
	if b.outcome == probe.Unknown || b.until.IsZero() {
		return
	}
	if b.left == 0 || t.confirmed(b.outcome) {
		*b = burst{}
		return
	}
	b.until, b.askAt = time.Time{}, now.Add(lookGap)
}

// Ask reports whether every location shall look again now. It says so once per extra look.
func (t *Tally) Ask(now time.Time) bool {
	b := &t.burst
	if b.outcome == probe.Unknown || b.askAt.IsZero() || b.askAt.After(now) {
		return false
	}
	b.left--
	b.askAt, b.until = time.Time{}, now.Add(t.rule.Timeout+grace+time.Second)
	return true
}

// Tick returns the rounds whose deadline has passed undecided, and those of
// slots from which nobody reported at all.
func (t *Tally) Tick(now time.Time) []Verdict {
	var out []Verdict
	if behind := int64(now.Sub(t.cursor) / t.rule.Every); behind > maxCatchUp {
		t.cursor = t.cursor.Add(time.Duration(behind-maxCatchUp) * t.rule.Every)
	}
	length := t.rule.Every + t.rule.Timeout + grace
	for ; !t.cursor.Add(length).After(now); t.cursor = t.cursor.Add(t.rule.Every) {
		key := roundKey{t.cursor.UnixNano(), false}
		if t.rounds[key] == nil {
			t.rounds[key] = &round{slot: t.cursor, deadline: t.cursor.Add(length)}
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.rounds), func(a, b roundKey) int { return int(min(max(a.round-b.round, -1), 1)) }) {
		rd := t.rounds[key]
		if rd.deadline.After(now) {
			continue
		}
		delete(t.rounds, key)
		if !rd.decided {
			out = append(out, t.decided(rd, key.round, key.extra, probe.Unknown, now))
		}
	}
	if b := t.burst; !b.until.IsZero() && !b.until.After(now) {
		t.advance(now)
	}
	return out
}

// Next returns when Tick or Ask is due.
func (t *Tally) Next() time.Time {
	next := t.cursor.Add(t.rule.Every + t.rule.Timeout + grace)
	for _, rd := range t.rounds {
		if rd.deadline.Before(next) {
			next = rd.deadline
		}
	}
	for _, at := range []time.Time{t.burst.askAt, t.burst.until} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// window is how much of the past coverage looks at: 10 minutes, and for slow
// checks at least three slots.
func (t *Tally) window() time.Duration { return max(10*time.Minute, 3*t.rule.Every) }

// Coverage is the share of the slots of the last 10 minutes (at least three
// slots) that could be judged; false while there is not yet so much past.
func (t *Tally) Coverage(now time.Time) (share float64, ok bool) {
	from := now.Add(-t.window())
	if t.cursor.Sub(t.since) < t.window()-t.rule.Every {
		return 0, false
	}
	var known, all int
	for _, m := range t.past {
		if m.slot.Before(from) {
			continue
		}
		all++
		if m.known {
			known++
		}
	}
	if all == 0 {
		return 0, false
	}
	return float64(known) / float64(all), true
}

// View returns what the tally knows, for people. The last verdict counts for
// three slots; after that the check is unknown.
func (t *Tally) View(now time.Time) CheckView {
	v := CheckView{Check: t.rule.Name, Outcome: t.last.Outcome, Since: t.began, Last: t.last}
	if now.Sub(t.last.At) > maxGap(t.rule) {
		v.Outcome = probe.Unknown
	}
	for _, loc := range slices.Sorted(slices.Values(t.rule.Locations)) {
		view := t.seen[loc]
		view.Location = loc
		v.Locations = append(v.Locations, view)
	}
	return v
}
