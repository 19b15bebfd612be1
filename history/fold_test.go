package history

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// fold runs entries through a survey and a folder, asking for finished slots after
// each of them.
func fold(entries []Entry, plan []Period, often bool) (map[string]Slot, int, int) {
	survey := Survey{}
	for _, e := range entries {
		survey.Add(e)
	}
	f := Folder{Survey: survey, Plan: map[string][]Period{"c": plan}}
	out, most := map[string]Slot{}, 0
	give := func(s Series, slot Slot) error {
		key := s.Location + " " + slot.Start.Format(time.RFC3339)
		if _, twice := out[key]; twice {
			panic("a slot came twice: " + key)
		}
		out[key] = slot
		return nil
	}
	for _, e := range entries {
		f.Add(e)
		if often {
			_ = f.Ready(false, give)
		}
		most = max(most, f.Open())
	}
	_ = f.Ready(true, give)
	return out, f.Outside, most
}

func TestLastAttemptDecides(t *testing.T) {
	t.Parallel()
	base := at("2025-10-27T07:00:00Z")
	e := func(s float64, o Outcome) Entry {
		return Entry{Check: "c", Location: "west", Time: base.Add(time.Duration(s * float64(time.Second))), Outcome: o}
	}
	tests := []struct {
		name     string
		entries  []Entry
		outcome  Outcome
		attempts int
	}{
		{"one", []Entry{e(29.999, Bad)}, Bad, 1},
		{"bad, then good", []Entry{e(0, Bad), e(2, Good)}, Good, 2},
		{"good, then bad", []Entry{e(0, Good), e(2, Bad)}, Bad, 2},
		{"all good is no retry", []Entry{e(0, Good), e(15, Good)}, Good, 1},
		{"in the file's order at the same instant", []Entry{e(1, Bad), e(1, Good)}, Good, 2},
		{"in order of time, whatever the file says", []Entry{e(5, Good), e(1, Bad)}, Good, 2},
		{"unknown last", []Entry{e(1, Good), e(2, Unknown)}, Unknown, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, outside, _ := fold(tt.entries, []Period{{From: base, Slot: 30 * time.Second}}, true)
			slot := got["west 2025-10-27T07:00:00Z"]
			if len(got) != 1 || outside != 0 || slot.Last.Outcome != tt.outcome || slot.Attempts != tt.attempts {
				t.Errorf("got %v, %d outside; want outcome %d after %d", got, outside, tt.outcome, tt.attempts)
			}
		})
	}
}

// TestFoldInPieces: however disordered a log is, asking early gives what asking at
// the end gives, and an ordered log keeps one slot open.
func TestFoldInPieces(t *testing.T) {
	t.Parallel()
	base := at("2025-10-27T07:00:00Z")
	plan := []Period{
		{From: base.Add(time.Minute), To: base.Add(7*time.Minute + 10*time.Second), Slot: 30 * time.Second},
		{From: base.Add(10 * time.Minute), Slot: 5 * time.Minute},
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 80).Draw(t, "entries")
		jitter := rapid.IntRange(0, 200).Draw(t, "jitter")
		var entries []Entry
		for i := range n {
			entries = append(entries, Entry{
				Check: "c", Location: rapid.SampledFrom([]string{"west", "east"}).Draw(t, "from"), Line: i,
				Time:    base.Add(time.Duration(i*20+rapid.IntRange(0, jitter).Draw(t, "late")) * time.Second),
				Outcome: rapid.SampledFrom([]Outcome{Unknown, Good, Bad}).Draw(t, "outcome"),
			})
		}
		often, outsideOften, _ := fold(entries, plan, true)
		once, outside, _ := fold(entries, plan, false)
		if diff := cmp.Diff(often, once, cmp.AllowUnexported(Slot{})); diff != "" || outside != outsideOften {
			t.Fatalf("asked often %d outside, at the end %d (-often +once):\n%s", outsideOften, outside, diff)
		}
		attempts := outside
		for key, s := range once {
			attempts += s.all
			if want := slow(entries, plan, key); want != s.Last.Line {
				t.Fatalf("%s: line %d decides, want %d", key, s.Last.Line, want)
			}
		}
		if attempts != n {
			t.Fatalf("%d attempts are somewhere, want %d", attempts, n)
		}
	})
	var ordered []Entry
	for i := range 10_000 {
		ordered = append(ordered, Entry{Check: "c", Location: "west", Time: base.Add(time.Hour + time.Duration(i)*time.Minute), Outcome: Good})
	}
	if _, _, most := fold(ordered, plan, true); most > 2 {
		t.Errorf("an ordered log kept %d slots open, want at most 2", most)
	}
}

// slow finds the line that decides a slot by looking at every entry.
func slow(entries []Entry, plan []Period, key string) int {
	best := -1
	var when time.Time
	for _, e := range entries {
		i := slices.IndexFunc(plan, func(p Period) bool { return p.holds(e.Time) })
		if i < 0 || key != e.Location+" "+e.Time.Truncate(plan[i].Slot).Format(time.RFC3339) {
			continue
		}
		if best < 0 || !e.Time.Before(when) {
			best, when = e.Line, e.Time
		}
	}
	return best
}

func TestExtend(t *testing.T) {
	t.Parallel()
	half, five := 30*time.Second, 5*time.Minute
	p := func(from, to string, slot time.Duration) Period {
		out := Period{From: at("2025-10-27T" + from + "Z"), Slot: slot}
		if to != "" {
			out.To = at("2025-10-27T" + to + "Z")
		}
		return out
	}
	tests := []struct {
		name    string
		known   []Period
		present time.Duration
		first   string
		last    string
		want    []Period
	}{
		{"nothing known", nil, half, "07:00:10", "11:00:10", []Period{p("07:00:00", "11:00:30", half)}},
		{"before what is known", []Period{p("09:00:00", "", half)}, half, "07:00:29", "11:00:10", []Period{p("07:00:00", "09:00:00", half)}},
		{"it ends before what is known", []Period{p("09:00:00", "", half)}, half, "07:00:29", "08:00:00", []Period{p("07:00:00", "08:00:30", half)}},
		{"inside what is known", []Period{p("06:00:00", "", half)}, half, "07:00:29", "11:00:10", nil},
		{"the last slot is cut by a finer grid", []Period{p("09:01:00", "", half)}, five, "08:57:00", "11:00:10", []Period{p("08:55:00", "09:01:00", five)}},
		{"inside a slot of the present that the known began in", []Period{p("09:01:00", "", half)}, five, "09:02:00", "11:00:10", nil},
		{"before, between and after", []Period{p("08:00:00", "09:01:00", half), p("09:30:00", "10:02:00", half)}, five, "07:04:00", "11:00:10", []Period{
			p("07:00:00", "08:00:00", five), p("09:05:00", "09:30:00", five), p("10:05:00", "11:05:00", five),
		}},
		{"only from the first on", []Period{p("08:00:00", "09:00:00", half), p("09:30:00", "10:00:00", half)}, half, "09:45:00", "11:00:10", []Period{p("10:00:00", "11:00:30", half)}},
		{"a hole smaller than a slot", []Period{p("08:00:00", "09:01:00", half), p("09:04:00", "", half)}, five, "08:30:00", "11:00:10", nil},
		{"a configuration that never was", []Period{p("09:00:00", "09:00:00", half)}, half, "08:00:00", "11:00:10", []Period{p("08:00:00", "11:00:30", half)}},
		{"a later log goes on where the first one ended", []Period{p("08:00:00", "09:00:00", half)}, half, "09:30:00", "11:00:10", []Period{p("09:30:00", "11:00:30", half)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			added, all := Extend(tt.known, tt.present, at("2025-10-27T"+tt.first+"Z"), at("2025-10-27T"+tt.last+"Z"))
			if diff := cmp.Diff(added, tt.want); diff != "" {
				t.Errorf("added (-got +want):\n%s", diff)
			}
			for i := 1; i < len(all); i++ {
				if all[i-1].To.IsZero() || all[i-1].To.After(all[i].From) {
					t.Errorf("periods overlap: %v", all)
				}
			}
		})
	}
}
