package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mondayReport is the report of a week of 169 hours with three outages, a blind
// hour and a service that nobody could judge.
func mondayReport(tb testing.TB) Report {
	tb.Helper()
	w := week(tb, "2025-W44", "America/Los_Angeles")
	wed, thu := w.From.Add(50*time.Hour+11*time.Minute), w.From.Add(91*time.Hour)
	start := w.From.Add(-lookback)
	front := recorded("front-page", start, w.To, func(slot time.Time) int16 {
		switch {
		case slot.Before(w.From.Add(2 * time.Minute)):
			return 2 // since before the week
		case during(wed, 41*time.Minute+30*time.Second, 2)(slot) == 2, slot.Equal(thu.Add(time.Hour)):
			return 2
		case during(thu.Add(20*time.Hour), 40*time.Minute, 9)(slot) == 9:
			return 9
		case slot.Equal(thu.Add(30 * time.Hour)):
			return 0
		}
		return 1
	})
	front.Rows[len(front.Rows)-1].Attempts = 2
	journey := recorded("photo-journey", start, w.To, during(wed.Add(40*time.Minute), 3*time.Minute, 2))
	journey.Errors[1] = Failure{Class: "body", Message: "the answer has no <title>; it is a challenge page with status 200 that goes on and on"}
	at := func(base time.Time, m int) time.Time { return base.Add(time.Duration(m) * time.Minute) }
	in := Input{
		Week: w, Now: w.To.Add(closeAfter),
		Services: []Service{
			{Name: "image-site", Objective: 950_000, Critical: []string{"front-page", "photo-journey"}},
			{Name: "upload", Objective: 999_500, Critical: []string{"upload-journey"}},
		},
		Timelines: map[string]Timeline{
			"front-page":    Fold(front, start, w.To, w.To),
			"photo-journey": Fold(journey, start, w.To, w.To),
		},
		Incidents: map[string][]IncidentFact{"image-site": {
			{ID: "kw-image-site-1761548000", Started: w.From.Add(-time.Minute), Opened: w.From.Add(-30 * time.Second), Resolved: at(w.From, 3), Pages: 1},
			{ID: "kw-image-site-1761728660", Started: wed, Opened: at(wed, 1), Acknowledged: at(wed, 3), Resolved: at(wed, 45), AckBy: "grace", Pages: 2},
		}},
	}
	return Build(in)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("%s (-got +want):\n%s", name, diff)
	}
}

func TestFormatsGolden(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{JSON{}} {
		t.Run(f.Name(), func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := f.Write(&b, mondayReport(t)); err != nil {
				t.Fatal(err)
			}
			golden(t, "monday."+f.Name(), b.Bytes())
		})
	}
}

// TestSavedPrintsTheSame: a report that went through JSON prints byte for byte as before.
func TestSavedPrintsTheSame(t *testing.T) {
	t.Parallel()
	r := mondayReport(t)
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(body, &again); err != nil {
		t.Fatal(err)
	}
	for _, f := range []Format{JSON{}} {
		var first, second bytes.Buffer
		if err := errors.Join(f.Write(&first, r), f.Write(&second, again)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(second.String(), first.String()); diff != "" {
			t.Errorf("%s (-saved +fresh):\n%s", f.Name(), diff)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestFormatsReportBrokenWriters(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{JSON{}} {
		if err := f.Write(brokenWriter{}, mondayReport(t)); err == nil {
			t.Errorf("%s: got no error from a broken writer", f.Name())
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ms   int64
		up   bool
		want string
	}{
		{0, true, "0:00:00"},
		{1, true, "0:00:01"},
		{1, false, "0:00:00"},
		{-1, false, "-0:00:01"},
		{-1000, false, "-0:00:01"},
		{-9_360_000, false, "-2:36:00"},
		{608_400_000, false, "169:00:00"},
	}
	for _, tt := range tests {
		if got := Clock(tt.ms, tt.up); got != tt.want {
			t.Errorf("Clock(%d, %v): got %s, want %s", tt.ms, tt.up, got, tt.want)
		}
	}
}

// TestJSONNames fixes the names that others read.
func TestJSONNames(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(mondayReport(t))
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]json.RawMessage
	var services, outages []map[string]json.RawMessage
	for _, err := range []error{json.Unmarshal(body, &r), json.Unmarshal(r["services"], &services), json.Unmarshal(services[0]["outages"], &outages)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	has := func(where string, m map[string]json.RawMessage, names string) {
		for name := range strings.FieldsSeq(names) {
			if _, ok := m[name]; !ok {
				t.Errorf("%s has no field %s", where, name)
			}
		}
	}
	has("report", r, "schema week zone from to revision services")
	has("service", services[0], "name objective_ppm good_ms bad_ms unknown_ms excluded_ms availability coverage availability_low availability_high "+
		"budget_ms spent_ms remaining_ms verdict outages incidents mtta_s pages")
	has("outage", outages[0], "from to ms checks locations cause incident")
	if got, want := fmt.Sprintf("%s %s %s", r["week"], services[0]["verdict"], services[1]["availability"]), `"2025-W44" "MET" "no data"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
