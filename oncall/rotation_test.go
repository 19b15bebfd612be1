package oncall

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

// setText reads v from text; the test fails when it is refused.
func setText(tb testing.TB, v interface{ UnmarshalText(text []byte) error }, text string) {
	tb.Helper()
	if err := v.UnmarshalText([]byte(text)); err != nil {
		tb.Fatal(err)
	}
}

// rotation is a rotation from the words that stand in a file.
// members are people who are always there.
func members(names ...string) []Member {
	out := make([]Member, len(names))
	for i, name := range names {
		out[i].Person = name
	}
	return out
}

func rotation(tb testing.TB, where, start, handoff, every string, people ...string) RotationConfig {
	tb.Helper()
	c := RotationConfig{TimeZone: zone(tb, where), People: members(people...)}
	setText(tb, &c.Start, start)
	setText(tb, &c.Handoff, handoff)
	if every != "" {
		setText(tb, &c.Every, every)
	}
	return c
}

func withOverride(tb testing.TB, c RotationConfig, from, to, person string) RotationConfig {
	tb.Helper()
	o := OverrideConfig{Person: person}
	setText(tb, &o.From, from)
	setText(tb, &o.To, to)
	c.Overrides = append(slices.Clone(c.Overrides), o)
	return c
}

func instant(tb testing.TB, text string) time.Time {
	tb.Helper()
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", text)
	if err != nil {
		tb.Fatal(err)
	}
	return at.UTC()
}

func TestAt(t *testing.T) {
	t.Parallel()
	trio := rotation(t, "America/Los_Angeles", "2026-01-05", "Monday 09:00", "1 week", "ada", "grace", "alan")
	christmas := withOverride(t, trio, "2026-12-24 09:00", "2026-12-27 09:00", "grace")
	cover := rotation(t, "UTC", "2026-01-05", "Monday 09:00", "2 weeks", "ada", "grace")
	cover = withOverride(t, cover, "2026-01-06 00:00", "2026-01-08 00:00", "alan")
	cover = withOverride(t, cover, "2026-01-07 00:00", "2026-01-07 12:00", "")
	cover = withOverride(t, cover, "2026-01-08 00:00", "2026-01-09 00:00", "alan")
	empty := rotation(t, "UTC", "2026-01-05", "daily 09:00", "", "ada", "", "ada")
	empty.Fallback = "barbara"
	twice := rotation(t, "UTC", "2026-01-05", "daily 09:00", "2 days", "ada", "ada", "grace")
	alone := rotation(t, "UTC", "2026-01-05", "Monday 09:00", "", "ada")
	gap := rotation(t, "America/New_York", "2026-03-01", "Sunday 02:30", "", "ada", "grace")
	overlap := rotation(t, "America/New_York", "2026-10-25", "Sunday 01:30", "", "ada", "grace")
	apia := rotation(t, "Pacific/Apia", "2011-12-29", "daily 09:00", "", "ada", "grace", "alan")
	apiaTwo := rotation(t, "Pacific/Apia", "2011-12-29", "daily 00:00", "", "ada", "grace")
	santiago := rotation(t, "America/Santiago", "2025-08-31", "Sunday 00:00", "", "ada", "grace")
	howe := rotation(t, "Australia/Lord_Howe", "2025-10-04", "daily 02:15", "", "ada", "grace")
	casablanca := rotation(t, "Africa/Casablanca", "2026-02-14", "daily 02:30", "", "ada", "grace")

	tests := []struct {
		name             string
		c                RotationConfig
		at               string
		person, from, to string
		source           Source
	}{
		{"before the first hand-off", trio, "2026-01-05T16:59:59Z", "", "", "2026-01-05T17:00:00Z", FromNobody},
		{"the hand-off itself", trio, "2026-01-05T17:00:00Z", "ada", "2026-01-05T17:00:00Z", "2026-01-12T17:00:00Z", FromRotation},
		{"second turn", trio, "2026-01-12T17:00:00Z", "grace", "2026-01-12T17:00:00Z", "2026-01-19T17:00:00Z", FromRotation},
		{"round again", trio, "2026-01-27T00:00:00Z", "ada", "2026-01-26T17:00:00Z", "2026-02-02T17:00:00Z", FromRotation},
		{"a week of 167 hours keeps 09:00", trio, "2026-03-09T15:59:00Z", "alan", "2026-03-02T17:00:00Z", "2026-03-09T16:00:00Z", FromRotation},
		{"ten years on", trio, "2036-01-07T17:00:00Z", "ada", "2036-01-07T17:00:00Z", "2036-01-14T17:00:00Z", FromRotation},
		{"shift cut by an override", christmas, "2026-12-23T00:00:00Z", "alan", "2026-12-21T17:00:00Z", "2026-12-24T17:00:00Z", FromRotation},
		{"the override", christmas, "2026-12-24T17:00:00Z", "grace", "2026-12-24T17:00:00Z", "2026-12-27T17:00:00Z", FromOverride},
		{"the rest of the cut shift", christmas, "2026-12-27T17:00:00Z", "alan", "2026-12-27T17:00:00Z", "2026-12-28T17:00:00Z", FromRotation},
		{"last override wins, nobody", cover, "2026-01-07T11:59:59Z", "", "2026-01-07T00:00:00Z", "2026-01-07T12:00:00Z", FromOverride},
		{"touching overrides of one person are one", cover, "2026-01-07T12:00:00Z", "alan", "2026-01-07T12:00:00Z", "2026-01-09T00:00:00Z", FromOverride},
		{"two-week turn after overrides", cover, "2026-01-12T09:00:00Z", "ada", "2026-01-09T00:00:00Z", "2026-01-19T09:00:00Z", FromRotation},
		{"empty turn falls back", empty, "2026-01-06T09:00:00Z", "barbara", "2026-01-06T09:00:00Z", "2026-01-07T09:00:00Z", FromFallback},
		{"two turns of one person are one shift", empty, "2026-01-08T10:00:00Z", "ada", "2026-01-07T09:00:00Z", "2026-01-09T09:00:00Z", FromRotation},
		{"fallback before the start", empty, "2025-01-01T00:00:00Z", "barbara", "", "2026-01-05T09:00:00Z", FromFallback},
		{"doubled person", twice, "2026-01-08T00:00:00Z", "ada", "2026-01-05T09:00:00Z", "2026-01-09T09:00:00Z", FromRotation},
		{"one person never hands off", alone, "2030-01-01T00:00:00Z", "ada", "2026-01-05T09:00:00Z", "", FromRotation},
		{"hand-off in a gap: first instant after it", gap, "2026-03-08T07:00:00Z", "grace", "2026-03-08T07:00:00Z", "2026-03-15T06:30:00Z", FromRotation},
		{"just before that gap", gap, "2026-03-08T06:59:59Z", "ada", "2026-03-01T07:30:00Z", "2026-03-08T07:00:00Z", FromRotation},
		{"hand-off doubled: first occurrence", overlap, "2026-11-01T05:30:00Z", "grace", "2026-11-01T05:30:00Z", "2026-11-08T06:30:00Z", FromRotation},
		{"second occurrence changes nothing", overlap, "2026-11-01T06:30:00Z", "grace", "2026-11-01T05:30:00Z", "2026-11-08T06:30:00Z", FromRotation},
		{"Apia skips a day: its turn begins with the next day", apia, "2011-12-30T10:00:00Z", "grace", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z", FromRotation},
		{"Apia, an empty turn is no shift", apiaTwo, "2011-12-30T10:00:00Z", "ada", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", FromRotation},
		{"Santiago has no midnight", santiago, "2025-09-07T04:00:00Z", "grace", "2025-09-07T04:00:00Z", "2025-09-14T03:00:00Z", FromRotation},
		{"Lord Howe jumps half an hour", howe, "2025-10-04T15:30:00Z", "grace", "2025-10-04T15:30:00Z", "2025-10-05T15:15:00Z", FromRotation},
		{"Casablanca falls back for Ramadan", casablanca, "2026-02-15T01:30:00Z", "grace", "2026-02-15T01:30:00Z", "2026-02-16T02:30:00Z", FromRotation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.c.Rotation("r", nil).At(instant(t, tt.at))
			want := Shift{Rotation: "r", Person: tt.person, From: instant(t, tt.from), To: instant(t, tt.to), Source: tt.source}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("At(%s) (-got +want):\n%s", tt.at, diff)
			}
		})
	}
}

func TestZeroRotationHasNobody(t *testing.T) {
	t.Parallel()
	if got, want := (Rotation{}).At(time.Unix(0, 0)), (Shift{Source: FromNobody}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s, ok := (Rotation{}).Next(time.Unix(0, 0)); ok {
		t.Errorf("got a next shift %+v, want none", s)
	}
}

func TestRosterOnCall(t *testing.T) {
	t.Parallel()
	at := instant(t, "2026-01-06T00:00:00Z")
	r := Roster{
		People:    map[string]Person{"grace": {Name: "Grace"}},
		Rotations: map[string]Rotation{"primary": rotation(t, "UTC", "2026-01-05", "Monday 09:00", "", "ada", "grace").Rotation("primary", nil)},
	}
	tests := []struct {
		name, who string
		source    Source
	}{
		{"primary", "ada", FromRotation},
		{"grace", "grace", FromRotation},
		{"stranger", "", FromNobody},
	}
	for _, tt := range tests {
		if got := r.OnCall(tt.name, at); got.Person != tt.who || got.Source != tt.source {
			t.Errorf("OnCall(%q): got %+v, want %q from %s", tt.name, got, tt.who, tt.source)
		}
	}
}

func TestRotationConfigValidate(t *testing.T) {
	t.Parallel()
	good := rotation(t, "Europe/Berlin", "2026-01-05", "Monday 09:00", "1 week", "ada")
	with := func(change func(c *RotationConfig)) RotationConfig {
		c := good
		change(&c)
		return c
	}
	tests := []struct {
		name string
		c    RotationConfig
		want []string // path: a part of the message
	}{
		{"good", good, nil},
		{"nothing at all", RotationConfig{}, []string{"start: missing", "people: empty"}},
		{"days on a weekday", with(func(c *RotationConfig) { c.Every.Days = 3 }), []string{"every: 3 days does not fit the hand-off on Monday"}},
		{"days daily", with(func(c *RotationConfig) { c.Every.Days, c.Handoff.Daily = 3, true }), nil},
		{"override backwards", withOverride(t, good, "2026-12-27 09:00", "2026-12-24 09:00", "ada"), []string{"overrides[0].to: not after"}},
		{"override wholly in a gap", withOverride(t, good, "2026-03-29 02:10", "2026-03-29 02:50", "ada"), []string{"overrides[0].to: nothing is overridden"}},
		{"override without ends", with(func(c *RotationConfig) {
			c.Overrides = []OverrideConfig{{Person: "ada"}, {From: LocalTime{Date: Date{2026, 1, 1}}}}
		}), []string{"overrides[0].from: missing", "overrides[1].to: missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkReports(t, tt.c.Validate, tt.want)
		})
	}
}

func TestPolicyConfig(t *testing.T) {
	t.Parallel()
	var now Delay
	setText(t, &now, "0s")
	c := PolicyConfig{Levels: []LevelConfig{{Page: "primary"}, {Page: "secondary"}, {Page: "ada", After: now}}, Repeat: 2}
	checkReports(t, c.Validate, nil)
	got := c.Policy("site")
	want := Policy{
		Name: "site", Repeat: 2, Levels: []Level{{"primary", 0}, {"secondary", 10 * time.Minute}, {"ada", 0}},
		AckExpires: 4 * time.Hour, StillFailingAfter: 30 * time.Minute,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("Policy (-got +want):\n%s", diff)
	}
	if c.Levels[1].After.Set {
		t.Error("Policy wrote its defaults into the caller's levels")
	}
	bad := PolicyConfig{Levels: []LevelConfig{{}, {Page: "x", After: Delay{Duration: -time.Second, Set: true}}}, Repeat: 21}
	checkReports(t, bad.Validate, []string{"levels[0].page: missing", "levels[1].after: out of range", "repeat: out of range"})
	checkReports(t, PolicyConfig{}.Validate, []string{"levels: empty"})
	c.AckExpires, c.StillFailingAfter = Delay{Set: true}, Delay{Set: true}
	if p := c.Policy("site"); p.AckExpires != 0 || p.StillFailingAfter != 0 {
		t.Errorf("0s is for ever, got %v and %v", p.AckExpires, p.StillFailingAfter)
	}
	c.AckExpires, c.StillFailingAfter = Delay{time.Minute, true}, Delay{200 * time.Hour, true}
	c.Outside, c.Holidays = "night", "us"
	checkReports(t, c.Validate, []string{
		"ack_expires: out of range", "still_failing_after: out of range", "outside: without hours", "holidays: without hours",
	})
}

// checkReports compares what validate reports with "path: part of the message".
func checkReports(t *testing.T, validate func(func(path, msg string)), want []string) {
	t.Helper()
	var got []string
	validate(func(path, msg string) { got = append(got, path+": "+msg) })
	if len(got) != len(want) {
		t.Fatalf("got %d reports %q, want %d", len(got), got, len(want))
	}
	for i := range want {
		path, part, _ := strings.Cut(want[i], ": ")
		if !strings.HasPrefix(got[i], path+": ") || !strings.Contains(got[i], part) {
			t.Errorf("got %q, want path %q with %q", got[i], path, part)
		}
	}
}

func TestScalars(t *testing.T) {
	t.Parallel()
	type scalar interface {
		UnmarshalText(text []byte) error
		String() string
	}
	tests := []struct {
		text, want string // want "" means refused
		v          scalar
	}{
		{"2026-01-05", "2026-01-05", &Date{}},
		{"2028-02-29", "2028-02-29", &Date{}},
		{"2026-02-29", "", &Date{}},
		{"2026-1-5", "", &Date{}},
		{"05.01.2026", "", &Date{}},
		{"", "", &Date{}},
		{"2026-12-24 09:00", "2026-12-24 09:00", &LocalTime{}},
		{"2026-12-24T09:00", "2026-12-24 09:00", &LocalTime{}},
		{"2026-12-24", "", &LocalTime{}},
		{"2026-12-24 9:00", "", &LocalTime{}},
		{"2026-12-24 24:00", "", &LocalTime{}},
		{"2026-12-24 09:00Z", "", &LocalTime{}},
		{"Monday 09:00", "Monday 09:00", &Handoff{}},
		{"fri 9:30", "Friday 09:30", &Handoff{}},
		{"DAILY 17:05", "daily 17:05", &Handoff{}},
		{"Monday", "", &Handoff{}},
		{"Moonday 09:00", "", &Handoff{}},
		{"Monday 25:00", "", &Handoff{}},
		{"1 week", "1 week", &Turn{}},
		{"2 weeks", "2 weeks", &Turn{}},
		{"14 days", "2 weeks", &Turn{}},
		{"1 day", "1 day", &Turn{}},
		{"3 days", "3 days", &Turn{}},
		{"0 days", "", &Turn{}},
		{"-1 weeks", "", &Turn{}},
		{"53 weeks", "", &Turn{}},
		{"9999999999999 weeks", "", &Turn{}},
		{"3", "", &Turn{}},
		{"3 months", "", &Turn{}},
		{"10m", "10m0s", &Delay{}},
		{"0s", "0s", &Delay{}},
		{"soon", "", &Delay{}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T %q", tt.v, tt.text), func(t *testing.T) {
			t.Parallel()
			err := tt.v.UnmarshalText([]byte(tt.text))
			if (err == nil) != (tt.want != "") {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), "write it like") && !strings.Contains(err.Error(), "(write") && !strings.Contains(err.Error(), "at most") {
				t.Errorf("the error %q does not say what would be right", err)
			}
			if got := tt.v.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzScalars: what is read prints as something that reads the same again.
func FuzzScalars(f *testing.F) {
	for _, seed := range []string{"2026-01-05", "2026-12-24 09:00", "Monday 09:00", "daily 00:00", "2 weeks", "1 day", "10m", "", "\x00", "0000-01-01 00:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, d2 Date
		var l, l2 LocalTime
		var h, h2 Handoff
		var turn, turn2 Turn
		if d.UnmarshalText([]byte(text)) == nil {
			setText(t, &d2, d.String())
		}
		if l.UnmarshalText([]byte(text)) == nil {
			setText(t, &l2, l.String())
		}
		if h.UnmarshalText([]byte(text)) == nil {
			setText(t, &h2, h.String())
		}
		if turn.UnmarshalText([]byte(text)) == nil {
			setText(t, &turn2, turn.String())
		}
		if d != d2 || l != l2 || h != h2 || turn != turn2 {
			t.Errorf("%q reads as %v %v %v %v, and again as %v %v %v %v", text, d, l, h, turn, d2, l2, h2, turn2)
		}
	})
}

// benchRotation is ten years old, with twenty overrides.
func benchRotation(b *testing.B) Rotation {
	b.Helper()
	c := rotation(b, "America/Los_Angeles", "2016-01-04", "Monday 09:00", "1 week", "ada", "grace", "alan")
	for i := range 20 {
		c = withOverride(b, c, fmt.Sprintf("2026-%02d-%02d 09:00", i%12+1, i+1), fmt.Sprintf("2026-%02d-%02d 17:00", i%12+1, i+1), "grace")
	}
	return c.Rotation("primary", nil)
}

// BenchmarkAt is `oncall who --at`, ten years after the start (goal: 1 ms).
func BenchmarkAt(b *testing.B) {
	r := benchRotation(b)
	at := instant(b, "2026-03-08T09:30:00Z")
	for b.Loop() {
		if r.At(at).Person == "" {
			b.Fatal("nobody is on call")
		}
	}
}

// BenchmarkWalk90Days walks 90 days of 20 rotations (goal: 200 ms).
func BenchmarkWalk90Days(b *testing.B) {
	r := benchRotation(b)
	from := instant(b, "2026-02-01T00:00:00Z")
	to := from.AddDate(0, 0, 90)
	for b.Loop() {
		shifts := 0
		for range 20 {
			for range r.Shifts(from, to) {
				shifts++
			}
		}
		if shifts < 20*13 {
			b.Fatalf("got %d shifts", shifts)
		}
	}
}
