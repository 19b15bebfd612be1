package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/config"
)

// ownKeys is the team file with a key for each person, and no token: the REST API would
// close what the Events API cannot.
func ownKeys() string {
	return strings.NewReplacer("user: PADA001", "user: PADA001, routing_key: "+strings.Repeat("a", 32),
		"user: PGRACE1", "user: PGRACE1, routing_key: "+strings.Repeat("b", 32),
		"api_token: token, escalation_policy: PESC001, ", "").Replace(teamFile)
}

// reload brings the team file, changed by pairs of old and new text, into force.
func (o *office) reload(file string, changes ...string) {
	o.t.Helper()
	dir := o.t.TempDir()
	path := filepath.Join(dir, "keepwatch.yaml")
	text := fmt.Appendf(nil, strings.NewReplacer(changes...).Replace(file), dir)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		o.t.Fatal(err)
	}
	f, err := config.Load(config.Options{Path: path})
	if err != nil {
		o.t.Fatal(err)
	}
	o.put(f)
}

// open lists what is open at PagerDuty, in any of its services.
func (o *office) openThere() (open []string) {
	for _, inc := range o.pd.State().Incidents {
		if inc.ResolvedAt.IsZero() {
			open = append(open, inc.DedupKey)
		}
	}
	return open
}

// TestStoryKeysChangeDuringAnIncident: whatever becomes of the key through which
// somebody was paged, the alert is closed when it is over.
func TestStoryKeysChangeDuringAnIncident(t *testing.T) {
	t.Parallel()
	for name, reloads := range map[string][][]string{
		"she has another key":   {{strings.Repeat("a", 32), strings.Repeat("c", 32)}},
		"and yet another":       {{strings.Repeat("a", 32), strings.Repeat("c", 32)}, {strings.Repeat("a", 32), strings.Repeat("d", 32)}},
		"she has left the team": {{"  ada: {name", "  alan: {name", "[ada, grace]", "[grace]", "[grace, ada]", "[grace]"}},
		"nothing that matters":  {{"after: 10m", "after: 11m"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOffice(t, ownKeys(), fakepd.Options{}, func(o *office) {
				o.fail()
				if route := o.pages()[0].Route; route != "person:ada" {
					o.t.Fatalf("paged by %s, want by her own key", route)
				}
				for _, changes := range reloads {
					o.reload(ownKeys(), changes...)
					o.wait(time.Minute)
				}
				if open := o.openThere(); len(open) != 1 {
					o.t.Fatalf("open at PagerDuty: %v, want one", open)
				}
				id := o.incident().ID
				o.down.Store(false)
				o.until(10*time.Minute, "the alert stays open at PagerDuty", func() bool { return len(o.openThere()) == 0 })
				o.until(time.Minute, "the resolve is not settled", func() bool {
					pages, err := o.d.failover.Pages(o.t.Context(), id)
					return err == nil && !slices.ContainsFunc(pages, func(p alerting.Page) bool { return p.State != alerting.Accepted })
				})
				// Nothing is open: the next configuration forgets the old keys.
				o.reload(ownKeys(), "Monday 09:00", "Monday 09:30")
				if n := len(o.d.switches.before); n != 0 {
					o.t.Errorf("%d channels remember old keys, want none", n)
				}
			})
		})
	}
}

// fixed is a channel that always answers the same.
type fixed struct {
	alerting.Receipt
	sent *int
}

// Send implements alerting.Notifier.
func (f fixed) Send(context.Context, alerting.Page) alerting.Receipt {
	*f.sent++
	return f.Receipt
}

// TestLasting: what a page that closes comes to, by what the present and the former
// configuration of its channel say.
func TestLasting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		action               alerting.Action
		present, former, got alerting.Class
		asked                int // how often the former one is
	}{
		{alerting.Trigger, alerting.Taken, alerting.Again, alerting.Taken, 0},
		{alerting.Trigger, alerting.Setup, alerting.Taken, alerting.Setup, 0}, // it falls back
		{alerting.Trigger, "", alerting.Taken, alerting.Setup, 0},
		{alerting.Resolve, alerting.Taken, alerting.Taken, alerting.Taken, 1},
		{alerting.Resolve, alerting.Taken, alerting.Again, alerting.Again, 1},
		{alerting.Resolve, alerting.Taken, alerting.Doubtful, alerting.Doubtful, 1},
		{alerting.Resolve, alerting.Taken, alerting.Setup, alerting.Taken, 1}, // the old key was revoked: nothing is left to do
		{alerting.Resolve, alerting.Taken, alerting.Refused, alerting.Taken, 1},
		{alerting.Resolve, alerting.Setup, alerting.Taken, alerting.Taken, 1},
		{alerting.Resolve, alerting.Setup, alerting.Setup, alerting.Setup, 1},
		{alerting.Resolve, alerting.Again, alerting.Taken, alerting.Again, 1},
		{alerting.Acknowledge, "", alerting.Taken, alerting.Taken, 1},
		{alerting.Acknowledge, "", alerting.Again, alerting.Again, 1},
	} {
		asked, here := 0, 0
		l := lasting{before: []alerting.Notifier{fixed{alerting.Receipt{Class: tt.former}, &asked}}}
		if tt.present != "" {
			l.present = fixed{alerting.Receipt{Class: tt.present}, &here}
		}
		if got := l.Send(t.Context(), alerting.Page{Action: tt.action}); got.Class != tt.got || asked != tt.asked {
			t.Errorf("%s, now %q, before %q: got %q, asked %d times; want %q, %d", tt.action, tt.present, tt.former, got.Class, asked, tt.got, tt.asked)
		}
	}
}
