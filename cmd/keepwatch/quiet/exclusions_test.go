package quiet

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// TestExclusionKeeper: the file's weekly maintenance is declared five weeks ahead, at
// once and again with the hours; what people declared is quiet, also the part that a
// cancellation left; the file's own the engine knows already.
func TestExclusionKeeper(t *testing.T) {
	t.Parallel()
	var hours oncall.Hours
	if err := hours.UnmarshalText([]byte("Sun 02:00-04:00")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // begins on Saturday, 2000-01-01 00:00 UTC
		now := time.Now().UTC()
		file := &config.File{Services: []config.Service{{
			Name: "site", Maintenance: []oncall.MaintenanceConfig{{Reason: "backup", Weekly: []oncall.Hours{hours}}},
		}}}
		var declared [][]reports.Exclusion
		var quiet []alerting.Silence
		away := true
		k := &Exclusions{
			File: func() *config.File { return file }, Log: slog.New(slog.DiscardHandler),
			Apply: func(_ context.Context, windows []reports.Exclusion, _ time.Time) error {
				if away {
					away = false
					return errors.New("the database is away")
				}
				declared = append(declared, windows)
				return nil
			},
			Touching: func(context.Context, []string, time.Time, time.Time) ([]reports.Exclusion, error) {
				return []reports.Exclusion{
					{ID: 1, Service: "site", Kind: reports.Planned, From: now, To: now.Add(time.Hour), Author: "ada", Reason: "router", Cancelled: now.Add(time.Minute)},
					{ID: 2, Service: "site", Kind: reports.Planned, Author: postgres.FileAuthor},
					{ID: 3, Service: "site", Kind: reports.Correction, Author: "ada", Approver: "grace"},
				}, nil
			},
			Set: func(source string, silences []alerting.Silence) {
				if source == "exclusions" {
					quiet = silences
				}
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		if err := k.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(declared) != 2 || len(declared[0]) != 5 || !declared[0][0].From.Equal(now.Add(26*time.Hour)) || declared[0][0].Reason != "backup" {
			t.Errorf("declared %v, want five Sundays, twice in 90 minutes", declared)
		}
		ids := slices.Collect(func(yield func(string) bool) {
			for _, s := range quiet {
				if !yield(s.ID) {
					return
				}
			}
		})
		if !slices.Equal(ids, []string{"maintenance 1"}) || !quiet[0].Ended.Equal(now.Add(time.Minute)) {
			t.Errorf("quiet are %+v, want what ada declared, until it was cancelled", quiet)
		}
	})
}
