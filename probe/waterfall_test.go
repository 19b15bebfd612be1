package probe

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// steps lays steps behind one another, each with its phases in milliseconds.
func stepsOf(list ...StepLook) []StepLook {
	began := time.Duration(0)
	for i := range list {
		s := &list[i]
		s.Began = began
		s.Latency = s.Phases.DNS + s.Phases.Connect + s.Phases.TLS + s.Phases.FirstByte + s.Phases.Transfer
		began += s.Latency
	}
	return list
}

func phasesOf(dns, connect, tls, firstByte, transfer int) Phases {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return Phases{DNS: ms(dns), Connect: ms(connect), TLS: ms(tls), FirstByte: ms(firstByte), Transfer: ms(transfer)}
}

func TestWaterfallOfJourneys(t *testing.T) {
	t.Parallel()
	failing := Result{Check: "photo-journey", Location: "here", Outcome: Bad, Look: Look{
		Code: 507, Latency: 420 * time.Millisecond, Bytes: 91_234, RemoteAddr: "192.0.2.7:443",
		Fault: Fault{Class: ClassStatus, Phase: phaseExpect, Step: "upload", Message: "step 5 upload: the status is 507, not 200-299"},
		Steps: append(stepsOf(
			StepLook{Name: "log in", OK: true, Code: 200, Phases: phasesOf(20, 10, 20, 50, 1)},
			StepLook{Name: "recent", OK: true, Code: 200, Phases: phasesOf(0, 10, 20, 9, 1)},
			StepLook{Name: "a picture of the newest album", OK: true, Code: 200, Phases: phasesOf(0, 10, 20, 80, 60)},
			StepLook{Name: "as a stranger", OK: true, Code: 403, Phases: phasesOf(0, 1, 1, 1, 0)},
			StepLook{Name: "upload", Code: 507, Phases: phasesOf(0, 10, 20, 75, 0), Message: "the status is 507, not 200-299"},
		), StepLook{Name: "read back", Skipped: true, Began: 419 * time.Millisecond, Message: "an earlier step failed"},
			StepLook{Name: "delete", Cleanup: true, Skipped: true, Message: "{{id}} was never captured"}),
	}}
	sweeping := Result{Check: "photo-journey", Location: "here", Outcome: Good, Look: Look{
		OK: true, Code: 200, Latency: 3 * time.Second, Bytes: 512, RemoteAddr: "192.0.2.7:443",
		Steps: stepsOf(
			StepLook{Name: "log in", OK: true, Code: 200, Phases: phasesOf(0, 0, 0, 3000, 0)},
			StepLook{Name: "log out", Cleanup: true, Phases: phasesOf(0, 1500, 0, 0, 0), Message: "the connection was refused by 192.0.2.7:443"},
		),
	}}
	for name, res := range map[string]Result{"failing": failing, "sweeping": sweeping} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := Waterfall(&b, res); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			path := filepath.Join("testdata", "waterfall-"+name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("waterfall (-want +got):\n%s", diff)
			}
		})
	}
}
