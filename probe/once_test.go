package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestRunOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		look    checkerFunc
		outcome Outcome
		cause   string
	}{
		{"good", good, Good, ""},
		{"bad", bad, Bad, ""},
		{"blind", func(context.Context) Look { return Look{Blind: true} }, Unknown, causeBlind},
		{"panics", func(context.Context) Look { panic("oops") }, Unknown, causeBlind},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := testCheck("web", tc.look)
			c.Retries = 3
			r := RunOnce(t.Context(), c, "here")
			if r.Outcome != tc.outcome || r.Cause != tc.cause || !r.Extra || r.Attempts != 1 || r.Check != "web" || r.Location != "here" {
				t.Errorf("got %+v, want %v %q after one attempt, extra", r, tc.outcome, tc.cause)
			}
			if in := r.Started.Sub(r.Slot); in < 0 || in >= c.Every {
				t.Errorf("started %v after its slot", in)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := RunOnce(ctx, testCheck("web", bad), "here"); r.Outcome != Unknown || r.Cause != causeShutdown {
		t.Errorf("called off: got %v %q, want unknown, shutdown", r.Outcome, r.Cause)
	}
}

func TestWaterfall(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	res := Result{Check: "front-page", Location: "west", Outcome: Bad, Look: Look{
		Code: 502, Latency: 100 * ms, Bytes: 1234, RemoteAddr: "192.0.2.1:443", CertNotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		Phases: Phases{DNS: 10 * ms, Connect: 20 * ms, TLS: 30 * ms, FirstByte: 39900 * time.Microsecond, Transfer: 100 * time.Microsecond},
		Fault:  Fault{Class: ClassStatus, Phase: phaseExpect, Message: "the status is 502, not 200-299, " + strings.Repeat("and so on ", 10)},
	}}
	bar := func(indent, n int) string { return strings.Repeat(" ", indent) + strings.Repeat("█", n) }
	want := strings.Join([]string{
		"front-page from west: bad, code 502, 100ms, 1234B, 192.0.2.1:443",
		"dns            10ms  " + bar(0, 5),
		"connect        20ms  " + bar(5, 11),
		"tls            30ms  " + bar(16, 17),
		"first_byte   39.9ms  " + bar(33, 22),
		"transfer      100µs  " + bar(55, 1),
		"certificate chain valid to 2027-01-01T00:00:00Z",
		"status (expect): the status is 502, not 200-299, and so on and so on and so on",
		"and so on and so on and so on and so on and so on and so on and so on",
		"",
	}, "\n")
	var b strings.Builder
	if err := Waterfall(&b, res); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("waterfall (-want +got):\n%s", diff)
	}
}

func TestWaterfallMarksTheFailedPhase(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{phaseDNS, phaseConnect, phaseTLS, phaseFirstByte, phaseTransfer} {
		for _, took := range []time.Duration{0, time.Nanosecond, 3 * time.Hour} {
			res := Result{Check: strings.Repeat("long-name-", 20), Look: Look{Fault: Fault{Class: ClassTimeout, Phase: phase, Message: strings.Repeat("w", 300)}}}
			res.Look.Phases.add(phaseDNS, time.Millisecond)
			res.Look.Phases.add(phase, took)
			var b strings.Builder
			if err := Waterfall(&b, res); err != nil {
				t.Fatal(err)
			}
			var marked []string
			for line := range strings.Lines(b.String()) {
				if strings.Contains(line, "✗") {
					marked = append(marked, strings.Fields(line)[0])
				}
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 && !strings.HasPrefix(line, "w") {
					t.Errorf("a line has %d columns: %q", n, line)
				}
			}
			if !slices.Equal(marked, []string{phase}) {
				t.Errorf("%s after %v: marked %q, want %q\n%s", phase, took, marked, phase, b.String())
			}
		}
	}
}

func ExampleWaterfall() {
	res := Result{Check: "front-page", Location: "here", Outcome: Bad, Look: Look{
		Latency: 5 * time.Second, RemoteAddr: "", Phases: Phases{DNS: time.Second, Connect: 4 * time.Second},
		Fault: Fault{Class: ClassTimeout, Phase: "connect", Message: "no answer in time: still connecting"},
	}}
	var b strings.Builder
	_ = Waterfall(&b, res) // a Builder never fails
	fmt.Print(b.String())
	// Output:
	// front-page from here: bad, 5s, 0B
	// dns              1s  ███████████
	// connect          4s             ✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗
	// timeout (connect): no answer in time: still connecting
}
