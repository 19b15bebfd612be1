package oncall

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	c := RotationConfig{
		Start: Date{2026, 1, 5}, People: members("ada", "grace"),
		Overrides: []OverrideConfig{{From: LocalTime{Date{2026, 1, 6}, 0, 0}, To: LocalTime{Date{2026, 1, 8}, 0, 0}, Person: "alan"}},
	}
	r := rosterOf(t, map[string]RotationConfig{"primary": c}, map[string]string{"ada": "UTC", "grace": "UTC", "alan": "UTC"})
	at := func(text string) time.Time { return instant(t, "2026-01-"+text+":00:00Z") }
	covers := []Cover{
		{ID: 2, Rotation: "primary", Person: "", From: at("07T12"), To: at("07T18")},
		{ID: 1, Rotation: "primary", Person: "grace", From: at("07T00"), To: at("09T00")},
		{ID: 3, Rotation: "primary", Person: "ada", From: at("05T00"), To: at("20T00"), Cancelled: at("05T01")},
		{ID: 4, Rotation: "gone", Person: "ada", From: at("05T00"), To: at("20T00")},
		{ID: 5, Rotation: "primary", Person: "linus", From: at("09T00"), To: at("12T00")}, // was taken out of the file
		{ID: 6, Rotation: "primary", Person: "linus", From: at("14T00"), To: at("15T00")},
		{ID: 7, Rotation: "primary", Person: "linus", From: at("16T00"), To: at("17T00"), Cancelled: at("10T00")},
	}
	with := r.With(covers, at("11T00"))
	for text, want := range map[string]string{"06T10": "alan", "07T01": "grace", "07T13": "", "07T19": "grace", "08T23": "grace", "09T00": "linus", "10T23": "linus", "11T00": "ada", "14T01": "grace", "16T01": "grace", "05T00": "ada", "05T02": ""} {
		if got := with.OnCall("primary", at(text)).Person; got != want {
			t.Errorf("at %s: got %q, want %q", text, got, want)
		}
	}
	var void []int64
	for _, c := range r.Void(covers, at("11T00")) {
		void = append(void, c.ID)
	}
	if diff := cmp.Diff([]int64{4, 5, 6}, void); diff != "" {
		t.Errorf("void (-want +got):\n%s", diff)
	}
	if got := r.OnCall("primary", at("07T13")).Person; got != "alan" {
		t.Errorf("the roster itself changed: %q", got)
	}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	r := rosterOf(t, map[string]RotationConfig{
		"primary": {Start: Date{2026, 1, 5}, People: members("ada", "grace")},
		"alone":   {Start: Date{2026, 1, 5}, People: members("ada")},
	}, nil)
	got, err := r.Swap("primary", instant(t, "2026-01-06T00:00:00Z"), instant(t, "2026-01-13T00:00:00Z"))
	want := [2]Cover{
		{Rotation: "primary", Person: "grace", From: instant(t, "2026-01-05T09:00:00Z"), To: instant(t, "2026-01-12T09:00:00Z")},
		{Rotation: "primary", Person: "ada", From: instant(t, "2026-01-12T09:00:00Z"), To: instant(t, "2026-01-19T09:00:00Z")},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("swap %v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{"2026-01-20T00:00:00Z": "ada has both shifts", "2026-01-01T00:00:00Z": "nobody is on call"} {
		if _, err := r.Swap("primary", instant(t, "2026-01-06T00:00:00Z"), instant(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %s: %v, want %q", text, err, want)
		}
	}
	if _, err := r.Swap("nobody", time.Time{}, time.Time{}); err == nil {
		t.Error("an unknown rotation was swapped")
	}
}

func TestCoverValidate(t *testing.T) {
	t.Parallel()
	r := rosterOf(t, map[string]RotationConfig{"primary": {Start: Date{2026, 1, 5}, People: members("ada")}}, map[string]string{"ada": "UTC"})
	from := instant(t, "2026-01-06T00:00:00Z")
	good := Cover{Rotation: "primary", Person: "ada", From: from, To: from.Add(time.Hour), By: "grace"}
	if err := good.Validate(r); err != nil {
		t.Errorf("a good cover: %v", err)
	}
	for want, change := range map[string]func(*Cover){
		"no rotation": func(c *Cover) { c.Rotation = "x" },
		"no person":   func(c *Cover) { c.Person = "x" },
		"not after":   func(c *Cover) { c.To = c.From },
		"longer than": func(c *Cover) { c.To = c.From.AddDate(2, 0, 0) },
		"say who":     func(c *Cover) { c.By = "" },
		"500":         func(c *Cover) { c.Reason = strings.Repeat("x", 501) },
	} {
		c := good
		change(&c)
		if err := c.Validate(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
