package probe

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRunnerReloadKeepsPhase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var before []Check
		for i := range 20 {
			before = append(before, testCheck(fmt.Sprintf("web-%d", i), good))
		}
		rt := runIn(t, before...)
		time.Sleep(45 * time.Second)
		phases := map[string]time.Duration{}
		for _, r := range rt.tape.results() {
			phases[r.Check] = r.Started.Sub(r.Slot)
		}
		after := append([]Check{testCheck("new", good)}, before[1:]...)
		after[5].Retries, after[5].Spec = 1, "changed"
		after[7].Every = 30 * time.Second
		rt.Apply(after)
		time.Sleep(75 * time.Second)
		rt.stop()
		for i, c := range before {
			rs := rt.tape.of(c.Name, false)
			want := 12
			switch i {
			case 0:
				want = 4 // removed; 5 when its phase is in the first half
				if len(rs) == 5 {
					want = 5
				}
			case 7:
				continue
			}
			if got := slotsOf(t, rs, 10*time.Second); got != want {
				t.Errorf("slots of %s: got %d, want %d", c.Name, got, want)
			}
			for _, r := range rs {
				if got := r.Started.Sub(r.Slot); got != phases[c.Name] {
					t.Errorf("%s: phase %v after the reload, %v before", c.Name, got, phases[c.Name])
				}
			}
		}
		seen := map[time.Time]bool{}
		for _, r := range rt.tape.of("web-7", false) {
			if seen[r.Slot] {
				t.Errorf("slot %v has two results after the interval changed", r.Slot)
			}
			seen[r.Slot] = true
		}
		first := rt.tape.of("new", false)[0]
		if wait := first.Started.Sub(phasesStart(rt).Add(45 * time.Second)); wait > 10*time.Second {
			t.Errorf("the new check waited %v, want at most its interval", wait)
		}
	})
}

func phasesStart(rt *runnerTest) time.Time { return rt.base }

// A changed interval gives no slot a second result.
func TestRunnerReloadOfIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks []Check
		for i := range 40 {
			checks = append(checks, testCheck(fmt.Sprintf("web-%d", i), good))
		}
		rt := runIn(t, checks...)
		time.Sleep(45 * time.Second)
		for i := range checks {
			checks[i].Every = 30 * time.Second
		}
		rt.Apply(checks)
		reloaded := len(rt.tape.results())
		time.Sleep(30*time.Second + time.Millisecond)
		if got := len(rt.tape.results()) - reloaded; got < len(checks) {
			t.Errorf("looks within an interval of the reload: got %d, want at least one of each of %d", got, len(checks))
		}
		together := map[time.Time]int{}
		for _, r := range rt.tape.results()[reloaded:] {
			if together[r.Started]++; together[r.Started] > 2 {
				t.Errorf("%d looks started at %v: want them spread", together[r.Started], r.Started)
			}
		}
		time.Sleep(time.Minute)
		rt.stop()
		for _, c := range checks {
			seen := map[time.Time]bool{}
			for _, r := range rt.tape.of(c.Name, false) {
				if seen[r.Slot] {
					t.Errorf("slot %v of %s has two results", r.Slot, c.Name)
				}
				seen[r.Slot] = true
			}
		}
	})
}

// A reload changes what is looked at, and a changed check shows its evidence anew.
func TestRunnerReloadTakesEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testCheck("web", bad)
		rt := runIn(t, c)
		time.Sleep(20 * time.Second)
		other := c
		other.Checker = checkerFunc(func(ctx context.Context) Look {
			look := bad(ctx)
			look.Code = 503
			return look
		})
		rt.Apply([]Check{other})
		time.Sleep(20 * time.Second)
		other.Spec = "changed"
		rt.Apply([]Check{other})
		time.Sleep(20 * time.Second)
		rt.Apply(nil)
		time.Sleep(20 * time.Second)
		rt.stop()
		var codes []int
		var evidence []bool
		for _, r := range rt.tape.results() {
			codes = append(codes, r.Look.Code)
			evidence = append(evidence, r.Look.Fault.Body != nil)
		}
		if diff := cmp.Diff([]int{0, 0, 503, 503, 503, 503}, codes); diff != "" {
			t.Errorf("codes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]bool{true, false, false, false, true, false}, evidence); diff != "" {
			t.Errorf("evidence (-want +got):\n%s", diff)
		}
	})
}
