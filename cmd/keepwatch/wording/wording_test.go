package wording

import (
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		d            time.Duration
		spell, brief string
	}{
		{51 * time.Hour, "2d 3h", "51h"},
		{48 * time.Hour, "2d", "48h"},
		{90 * time.Minute, "1h 30m", "1h30m"},
		{time.Hour, "1h", "1h"},
		{15 * time.Minute, "15m", "15m"},
		{10 * time.Minute, "10m", "10m"},
		{30 * time.Second, "1m", "30s"},
		{time.Hour + 5*time.Second, "1h", "1h0m5s"},
		{0, "0m", "0s"},
	} {
		if got := Spell(tt.d); got != tt.spell {
			t.Errorf("Spell(%v): %q, want %q", tt.d, got, tt.spell)
		}
		if got := Brief(tt.d); got != tt.brief {
			t.Errorf("Brief(%v): %q, want %q", tt.d, got, tt.brief)
		}
	}
}

func TestInstants(t *testing.T) {
	t.Parallel()
	west := time.FixedZone("PST", -8*3600)
	at := time.Date(2026, 12, 1, 3, 12, 0, 0, west)
	if got := Stamp(at) + " " + LocalStamp(at.UTC(), west); got != "2026-12-01T11:12:00Z Tue 2026-12-01 03:12 PST" {
		t.Errorf("got %q", got)
	}
	if got := Stamp(time.Time{}) + LocalStamp(time.Time{}, west); got != "…" {
		t.Errorf("no end: got %q", got)
	}
}
