package oncall

import (
	"fmt"
	"strings"
)

// Member is a person's place in the order of turns, perhaps for a while only. As
// text: "ada", "ada from 2026-03-02", "ada until 2026-06-01", or with both. The
// zero value is an empty turn.
type Member struct {
	Person string // YAML key, "" for nobody
	From   Date   // first local day; the zero value has been there always
	Until  Date   // first local day without this person; the zero value stays for ever
}

// String returns the text form.
func (m Member) String() string {
	out := m.Person
	if !m.From.IsZero() {
		out += " from " + m.From.String()
	}
	if !m.Until.IsZero() {
		out += " until " + m.Until.String()
	}
	return out
}

// UnmarshalText reads the text form.
func (m *Member) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is no place in a rotation (write a person's key, and perhaps dates: ada from 2026-03-02 until 2026-06-01)", text)
	words := strings.Fields(string(text))
	var next Member
	if len(words) > 0 {
		next.Person, words = words[0], words[1:]
	}
	if len(words)%2 != 0 {
		return bad
	}
	for i := 0; i < len(words); i += 2 {
		to := &next.From
		switch words[i] {
		case "from":
		case "until":
			to = &next.Until
		default:
			return bad
		}
		if !to.IsZero() {
			return bad
		}
		if err := to.UnmarshalText([]byte(words[i+1])); err != nil {
			return err
		}
	}
	if !next.From.IsZero() && !next.Until.IsZero() && next.Until.dayNumber() <= next.From.dayNumber() {
		return fmt.Errorf("%q is never there: until must come after from", text)
	}
	*m = next
	return nil
}

// on reports whether the member takes part on a day (counted from 1970-01-01).
func (m Member) on(day int) bool {
	return (m.From.IsZero() || m.From.dayNumber() <= day) && (m.Until.IsZero() || day < m.Until.dayNumber())
}

// queue says whose turn it is when people come and go. It is made of runs of
// turns over which the same people take part.
type queue struct {
	members []Member
	runs    []run
	changes []int // days on which somebody comes or goes, ascending
}

// run is a stretch of turns without a change of people.
type run struct {
	turn int   // its first
	now  []int // indices of members who take part, ascending
	at   int   // which of now has the first turn
	last int   // index of the member of the turn before, -1 when there was none
}

// next returns the first member after index i, around the circle, who takes part
// on a day; -1 when nobody does.
func next(members []Member, i, day int) int {
	for step := range members {
		if j := (i + 1 + step) % len(members); members[j].on(day) {
			return j
		}
	}
	return -1
}

// newQueue plans the turns; dayOf returns the day on which turn k begins, turnOf
// the first turn that begins on or after a day.
func newQueue(members []Member, dayOf func(int) int, turnOf func(int) int) queue {
	q := queue{members: members}
	starts := map[int]bool{0: true}
	seen := map[int]bool{}
	for _, m := range members {
		for _, d := range []Date{m.From, m.Until} {
			if d.IsZero() {
				continue
			}
			seen[d.dayNumber()] = true
			starts[max(turnOf(d.dayNumber()), 0)] = true
		}
	}
	q.changes = sortedKeys(seen)
	last := -1
	for i, turn := range sortedKeys(starts) {
		if i > 0 {
			last = q.runs[i-1].lastBefore(turn)
		}
		r := run{turn: turn, last: last}
		day := dayOf(turn)
		for j, m := range members {
			if m.on(day) {
				r.now = append(r.now, j)
			}
		}
		first := next(members, last, day)
		for j, index := range r.now {
			if index == first {
				r.at = j
			}
		}
		q.runs = append(q.runs, r)
	}
	return q
}

// lastBefore returns the index of the member whose turn is the one before turn.
func (r run) lastBefore(turn int) int {
	if len(r.now) == 0 || turn == r.turn {
		return r.last
	}
	return r.now[(r.at+turn-1-r.turn)%len(r.now)]
}

// person returns who has turn k on a day of it; "" for nobody. Somebody who has
// left in the middle of the turn is followed by the next one at once, and a turn that
// began without anybody belongs to the next one who comes: as long as somebody
// takes part, somebody is on call.
func (q queue) person(k, day int) string {
	if k < 0 || len(q.members) == 0 {
		return ""
	}
	i := len(q.runs) - 1
	for q.runs[i].turn > k {
		i--
	}
	r := q.runs[i]
	index := r.last
	if len(r.now) > 0 {
		index = r.now[(r.at+k-r.turn)%len(r.now)]
	}
	if index < 0 || !q.members[index].on(day) {
		if index = next(q.members, index, day); index < 0 {
			return ""
		}
	}
	return q.members[index].Person
}
