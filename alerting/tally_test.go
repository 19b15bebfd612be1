package alerting

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"keepwatch/probe"
)

// tallyBegin is the start of a slot of any usual interval.
func tallyBegin() time.Time { return time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC) }

func threeLocations() CheckRule {
	return CheckRule{
		Name: "front", Locations: []string{"west", "central", "east"}, Quorum: 2,
		Every: time.Minute, Timeout: 5 * time.Second,
	}
}

func look(location string, slot time.Time, o probe.Outcome) probe.Result {
	return probe.Result{Check: "front", Location: location, Slot: slot, Round: slot.UnixNano(), Started: slot, Outcome: o}
}

func extraLook(location string, asked time.Time, o probe.Outcome) probe.Result {
	return probe.Result{
		Check: "front", Location: location, Slot: asked.Truncate(time.Minute), Round: asked.UnixNano(),
		Extra: true, Started: asked, Outcome: o,
	}
}

func TestTallyQuorum(t *testing.T) {
	t.Parallel()
	const g, b, u = probe.Good, probe.Bad, probe.Unknown
	for _, tt := range []struct {
		name    string
		quorum  int
		answers []probe.Outcome // in the order west, central, east
		decided int             // after how many answers; 0 means not before the deadline
		want    probe.Outcome
	}{
		{"two of three bad decide at once", 2, []probe.Outcome{b, b}, 2, b},
		{"two of three good decide at once", 2, []probe.Outcome{g, g}, 2, g},
		{"one bad of three is good", 2, []probe.Outcome{b, g, g}, 3, g},
		{"one good of three is bad", 2, []probe.Outcome{g, b, b}, 3, b},
		{"one each and one silent is unknown at the deadline", 2, []probe.Outcome{g, b}, 0, u},
		{"one each and one unknown is unknown at once", 2, []probe.Outcome{g, b, u}, 3, u},
		{"two unknown cannot be decided any more", 2, []probe.Outcome{u, u}, 2, u},
		{"one bad alone decides nothing", 2, []probe.Outcome{b}, 0, u},
		{"nobody at all", 2, nil, 0, u},
		{"any location: one bad is enough", 1, []probe.Outcome{b}, 1, b},
		{"any location: good needs all", 1, []probe.Outcome{g, g}, 0, u},
		{"all locations: one good is enough", 3, []probe.Outcome{g}, 1, g},
		{"all locations: bad needs all", 3, []probe.Outcome{b, b, b}, 3, b},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := threeLocations()
			rule.Quorum = tt.quorum
			ta, slot := NewTally(rule, tallyBegin()), tallyBegin()
			var got []Verdict
			decided := 0
			for i, o := range tt.answers {
				vs := ta.Add(look(rule.Locations[i], slot, o), slot.Add(time.Second))
				got = append(got, vs...)
				if len(vs) > 0 {
					decided = i + 1
				}
			}
			got = append(got, ta.Tick(slot.Add(71*time.Second))...)
			if len(got) != 1 || got[0].Outcome != tt.want || decided != tt.decided {
				t.Errorf("verdicts %+v after %d answers, want one %v after %d", got, decided, tt.want, tt.decided)
			}
		})
	}
}

func TestTallyIgnores(t *testing.T) {
	t.Parallel()
	ta, slot := NewTally(threeLocations(), tallyBegin()), tallyBegin()
	now := slot.Add(time.Second)
	for name, r := range map[string]probe.Result{
		"another check":   {Check: "other", Location: "west", Slot: slot, Round: slot.UnixNano(), Outcome: probe.Bad},
		"a strange place": look("moon", slot, probe.Bad),
		"a late report":   look("west", slot.Add(-10*time.Minute), probe.Bad),
		"a wrong clock":   look("west", slot.Add(time.Hour), probe.Bad),
	} {
		if vs := ta.Add(r, now); len(vs) != 0 || len(ta.rounds) != 0 {
			t.Errorf("%s: verdicts %v, rounds %d", name, vs, len(ta.rounds))
		}
	}
	ta.Add(look("west", slot, probe.Bad), now)
	if vs := ta.Add(look("west", slot, probe.Bad), now); len(vs) != 0 {
		t.Errorf("the same location counted twice: %v", vs)
	}
}

// A location that went silent must not vote with its last word.
func TestTallySilentLocation(t *testing.T) {
	t.Parallel()
	ta, slot := NewTally(threeLocations(), tallyBegin()), tallyBegin()
	for _, loc := range threeLocations().Locations {
		ta.Add(look(loc, slot, probe.Good), slot)
	}
	next := slot.Add(time.Minute)
	ta.Add(look("west", next, probe.Bad), next)
	got := ta.Tick(next.Add(71 * time.Second))
	if len(got) != 1 || got[0].Outcome != probe.Unknown {
		t.Errorf("got %+v, want one unknown", got)
	}
}

func TestTallyBurst(t *testing.T) {
	t.Parallel()
	rule := threeLocations()
	ta, slot := NewTally(rule, tallyBegin()), tallyBegin()
	ta.Want(2, 0)
	now := slot.Add(time.Second)
	ta.Add(look("west", slot, probe.Bad), now)
	if !ta.Ask(now) {
		t.Fatal("the first bad look asks for no other")
	}
	if ta.Ask(now) {
		t.Error("asked twice at once")
	}
	// West is down alone: the others refute it, twice, and then there is peace.
	asked := 1
	for range 10 {
		for _, loc := range rule.Locations {
			o := probe.Good
			if loc == "west" {
				o = probe.Bad
			}
			ta.Add(extraLook(loc, now, o), now)
		}
		if ta.Ask(now.Add(lookGap - time.Millisecond)) {
			t.Error("asked again before the pause was over")
		}
		now = now.Add(lookGap)
		if ta.Ask(now) {
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
	// West stays down: no news, no extra looks.
	next := slot.Add(time.Minute)
	ta.Add(look("west", next, probe.Bad), next)
	if ta.Ask(next) {
		t.Error("a location that stays down alone asks again")
	}
	ta.Add(look("east", next, probe.Bad), next)
	if !ta.Ask(next) {
		t.Error("a second location that fails does not ask")
	}
}

func TestTallyBurstEndsWhenConfirmed(t *testing.T) {
	t.Parallel()
	rule := threeLocations()
	ta, now := NewTally(rule, tallyBegin()), tallyBegin()
	ta.Want(2, 0)
	for _, loc := range rule.Locations {
		ta.Add(look(loc, now, probe.Bad), now)
	}
	if !ta.Ask(now) {
		t.Fatal("a bad slot asks for no other look")
	}
	for _, loc := range rule.Locations {
		ta.Add(extraLook(loc, now, probe.Bad), now)
	}
	if ta.Ask(now.Add(lookGap)) {
		t.Error("asked again after it was confirmed")
	}
}

func TestTallyBurstWithoutAnswer(t *testing.T) {
	t.Parallel()
	ta, now := NewTally(threeLocations(), tallyBegin()), tallyBegin()
	ta.Want(2, 0)
	ta.Add(look("west", now, probe.Bad), now)
	asked := 0
	for range 600 {
		if ta.Ask(now) {
			asked++
		}
		ta.Tick(now)
		now = now.Add(100 * time.Millisecond)
	}
	if asked != 2 {
		t.Errorf("asked %d times within a minute, want 2: an unanswered look counts as spent", asked)
	}
}

func TestTallyRecoveryBurst(t *testing.T) {
	t.Parallel()
	rule := threeLocations()
	ta, slot := NewTally(rule, tallyBegin()), tallyBegin()
	ta.Want(0, 2)
	for _, loc := range rule.Locations {
		ta.Add(look(loc, slot, probe.Bad), slot)
	}
	if ta.Ask(slot) {
		t.Error("a bad look during an incident asks again")
	}
	next := slot.Add(time.Minute)
	ta.Add(look("west", next, probe.Good), next)
	if !ta.Ask(next) {
		t.Error("the first good look during an incident does not ask")
	}
}

func TestTallyCoverage(t *testing.T) {
	t.Parallel()
	rule := CheckRule{Name: "front", Locations: []string{"here"}, Quorum: 1, Every: 30 * time.Second, Timeout: 5 * time.Second}
	ta, now := NewTally(rule, tallyBegin()), tallyBegin()
	if _, ok := ta.Coverage(now); ok {
		t.Error("coverage is known at the start")
	}
	for i := range 40 {
		slot := tallyBegin().Add(time.Duration(i) * rule.Every)
		if i%4 == 0 {
			ta.Add(look("here", slot, probe.Good), slot)
		}
		now = slot.Add(rule.Every)
		ta.Tick(now)
	}
	got, ok := ta.Coverage(now)
	if want := 0.25; !ok || got < want-0.06 || got > want+0.06 {
		t.Errorf("coverage %v %v, want about %v", got, ok, want)
	}
}

// Kleene's logic: whatever the missing answers will be, a decided round stays.
func TestTallyDecidesOnlyWhatIsCertain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		rule := CheckRule{Name: "front", Quorum: rapid.IntRange(1, n).Draw(t, "k"), Every: time.Minute, Timeout: time.Second}
		var outcomes []probe.Outcome
		bad := 0
		for i := range n {
			rule.Locations = append(rule.Locations, string(rune('a'+i)))
			o := rapid.SampledFrom([]probe.Outcome{probe.Good, probe.Bad, probe.Unknown}).Draw(t, "o")
			outcomes = append(outcomes, o)
			if o == probe.Bad {
				bad++
			}
		}
		ta, slot := NewTally(rule, tallyBegin()), tallyBegin()
		var got []Verdict
		for _, i := range rapid.Permutation(indexes(n)).Draw(t, "order") {
			got = append(got, ta.Add(look(rule.Locations[i], slot, outcomes[i]), slot)...)
		}
		if len(got) != 1 {
			t.Fatalf("%d verdicts after all answers: %v", len(got), got)
		}
		want := probe.Unknown
		good := 0
		for _, o := range outcomes {
			if o == probe.Good {
				good++
			}
		}
		switch {
		case bad >= rule.Quorum:
			want = probe.Bad
		case good >= n-rule.Quorum+1:
			want = probe.Good
		}
		if diff := cmp.Diff(want, got[0].Outcome); diff != "" {
			t.Errorf("k=%d outcomes %v: %s", rule.Quorum, outcomes, diff)
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
