package alerting

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A channel that takes nothing is red as soon as its fallback fires, at once when
// only a person can mend it, and the sentence says what to do.
func TestProblemsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		class    Class
		fallback time.Duration
		red      time.Duration // how long after the first answer
		advice   string
	}{
		{Again, 10 * time.Second, 10 * time.Second, "the fallback channels take over"},
		{Doubtful, 10 * time.Second, 10 * time.Second, "the fallback channels take over"},
		{Again, 2 * time.Minute, time.Minute, "the fallback channels take over"},
		{Again, 0, time.Minute, "the fallback channels take over"},
		{Setup, 2 * time.Minute, 0, "correct its key or address"},
		{Refused, 2 * time.Minute, 0, "tell the people on call yourself"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &Deliverer{FallbackAfter: tt.fallback, Log: slog.New(slog.DiscardHandler)}
			d.init()
			d.watch(Page{ID: "1", Channel: "pagerduty"}, Receipt{Class: tt.class, Detail: "HTTP 999"})
			first := time.Now()
			if tt.red > 0 {
				if got := d.Problems(first.Add(tt.red - time.Second)); len(got) != 0 {
					t.Errorf("%s: red already: %q", tt.class, got)
				}
			}
			got := d.Problems(first.Add(tt.red))
			if len(got) != 1 || !strings.Contains(got[0], "HTTP 999; ") || !strings.Contains(got[0], tt.advice) {
				t.Errorf("%s after %v: got %q, want advice %q", tt.class, tt.red, got, tt.advice)
			}
			d.watch(Page{ID: "1", Channel: "pagerduty"}, Receipt{Class: Taken})
			if got := d.Problems(first.Add(time.Hour)); len(got) != 0 {
				t.Errorf("%s: taken, and still %q", tt.class, got)
			}
		})
	}
}
