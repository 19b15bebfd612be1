package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tryCode sends a wrong code as a handler would; the error is the guard's.
func tryCode(g *Guard, client string, cookies ...*http.Cookie) (err error) {
	r := request("POST", "/code", client)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	err = &Refusal{Code: "challenge", Wait: challengeWait} // unless the handler is reached
	g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, err = g.Try(r) })).ServeHTTP(httptest.NewRecorder(), r)
	return err
}

func tenAnHour() Rate { return Rate{10, time.Hour, 10, false} }

// The window is exact, and a client that was locked once is locked again: the
// original site never set a lock anew once it had expired.
func TestLockReturnsAfterItHasExpired(t *testing.T) {
	t.Parallel()
	f := newFailures(tenAnHour())
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	fail := func(a string, at time.Time) time.Duration {
		_, wait := f.try(limits(netip.MustParseAddr(a), Holder{}), at)
		return wait
	}
	for i := range 10 {
		if wait := fail("192.0.2.1", now.Add(time.Duration(i)*time.Minute)); wait != 0 {
			t.Fatalf("try %d waits %v", i, wait)
		}
	}
	at := now.Add(30 * time.Minute)
	if wait := fail("192.0.2.1", at); wait != 30*time.Minute {
		t.Errorf("locked for %v, want 30m", wait)
	}
	if wait := fail("192.0.2.2", at); wait != 0 {
		t.Errorf("the neighbour waits %v", wait)
	}
	if wait := fail("192.0.2.1", now.Add(time.Hour)); wait != 0 {
		t.Errorf("after the window: waits %v", wait)
	}
	if wait := fail("192.0.2.1", now.Add(time.Hour)); wait != time.Minute {
		t.Errorf("locked again for %v, want 1m: a lock must not be once only", wait)
	}
	if wait := fail("192.0.2.1", now.Add(time.Hour+time.Minute-time.Nanosecond)); wait != time.Second {
		t.Errorf("an instant before the end: %v, want 1s: never less, never negative", wait)
	}
}

func TestFailuresByNetwork(t *testing.T) {
	t.Parallel()
	now := time.Now()
	try := func(f *failures, a string) time.Duration {
		_, wait := f.try(limits(netip.MustParseAddr(a), Holder{}), now)
		return wait
	}
	tests := map[string]struct {
		client func(int) string
		want   int // of 250 tries that pass
	}{
		"one IPv4 address":     {func(int) string { return "192.0.2.1" }, 10},
		"an IPv4 /24":          {func(i int) string { return "192.0.2." + strconv.Itoa(i) }, 100},
		"an IPv6 /64":          {func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 10},
		"an IPv6 /48":          {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) }, 100},
		"IPv6 /48s by the lot": {func(i int) string { return fmt.Sprintf("2001:db8:%x::1", i) }, 250},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, got := newFailures(tenAnHour()), 0
			for i := range 250 {
				if try(f, tt.client(i)) == 0 {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("%d of 250 passed, want %d", got, tt.want)
			}
		})
	}
}

// The original's table of clients never shrank.
func TestFailureTableIsBounded(t *testing.T) {
	t.Parallel()
	f := newFailures(tenAnHour())
	now := time.Now()
	for i := range 3 * failClients {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		f.try(limits(a, Holder{}), now)
	}
	if n := f.table.order.Len(); n != failClients || n != len(f.table.items) {
		t.Errorf("%d clients remembered (%d in the index), want %d", n, len(f.table.items), failClients)
	}
	f = newFailures(tenAnHour())
	giveBack, _ := f.try(limits(netip.MustParseAddr("192.0.2.1"), Holder{}), now)
	giveBack()
	if n := len(f.table.items); n != 0 {
		t.Errorf("%d clients remembered after a success, want none", n)
	}
}

func TestSuccessesAreFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		r := request("POST", "/code", "192.0.2.1")
		for i := range 2000 {
			giveBack, err := g.Try(r)
			if err != nil {
				t.Fatalf("success %d: %v", i, err)
			}
			giveBack()
			giveBack() // once too often must not count
		}
		for i := range 10 {
			if _, err := g.Try(r); err != nil {
				t.Fatalf("failure %d: %v", i, err)
			}
		}
		giveBack, err := g.Try(r)
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || refusal.Status != 429 || refusal.Code != "codes" || refusal.Wait != time.Hour || giveBack == nil {
			t.Errorf("the eleventh: %+v", refusal)
		}
		if s := g.Stats(); s.WrongCodes != 10 {
			t.Errorf("%d wrong codes counted, want 10", s.WrongCodes)
		}
	})
}

// Behind a balancer the original locked out everybody after ten failures of one.
func TestOneClientBehindABalancerLocksOutNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		attacker := request("POST", "/code", "10.0.0.1", "X-Forwarded-For", "203.0.113.66")
		refused := 0
		for range 50 {
			if _, err := g.Try(attacker); err != nil {
				refused++
			}
		}
		if refused != 40 {
			t.Errorf("%d of 50 refused, want 40", refused)
		}
		if _, err := g.Try(request("POST", "/code", "10.0.0.1", "X-Forwarded-For", "198.51.100.7")); err != nil {
			t.Errorf("another client behind the balancer: %v", err)
		}
	})
}

// A thousand and one bad addresses of pictures switched the original off for
// everybody, and broken pictures of its own pages counted as attacks.
func TestBrokenPicturesAreNoAttack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		passes(g, 1500, "/image/nonsense", "203.0.113.66")
		if got := passes(g, 1, "/image/1.jpg", "198.51.100.7", "Cookie", "token=good-1"); got != 1 {
			t.Error("a holder elsewhere is locked out")
		}
		if got := passes(g, 1, "/image/1.jpg", "203.0.113.66", "Cookie", "token=good-1"); got != 1 {
			t.Error("a holder at the same address is locked out")
		}
		if got := passes(g, 1, "/home", "203.0.113.66"); got != 1 {
			t.Error("the front page is locked for who asked for bad pictures")
		}
		if _, err := g.Try(request("POST", "/code", "203.0.113.66")); err != nil {
			t.Errorf("bad pictures count as wrong codes: %v", err)
		}
	})
}

// Row 11 of the checklist: ten thousand networks guess codes for a day. Who holds
// a valid token is never refused anything, and all guesses together stay below
// the budget.
func TestBruteForceRow11(t *testing.T) {
	t.Parallel()
	for _, mode := range []Challenge{Auto, Never} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { bruteForce(t, mode) })
		})
	}
}

func bruteForce(t *testing.T, mode Challenge) {
	t.Helper()
	const hours, networks = 24, 10_000
	g := newGuard(t, func(o *Options) { o.Challenge = mode })
	guesses, slowed := 0, 0
	for step := range hours * 60 { // each minute, all day
		for i := range networks / 60 {
			n := (step*networks/60 + i) % networks
			err := tryCode(g, fmt.Sprintf("%d.%d.%d.1", 11+n/250/250, n/250%250, n%250))
			if err == nil {
				guesses++
				continue
			}
			slowed++
			if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Wait <= 0 {
				t.Fatalf("refused with %+v", refusal)
			} else if refusal.Code == "codes" && refusal.Wait > 4*time.Second {
				t.Fatalf("the budget of all shuts the door for %v: it may only slow", refusal.Wait)
			}
		}
		const busy = "11.0.0.1" // it attacks all the time, and a holder lives there too
		for range 3 {
			if tryCode(g, busy) == nil {
				guesses++
			}
		}
		holder := request("POST", "/code", busy, "Cookie", "token=good-1")
		giveBack, err := g.Try(holder)
		if err != nil {
			t.Fatalf("minute %d: a holder's code is refused: %v", step, err)
		}
		giveBack()
		for _, path := range []string{"/home", "/image/1.jpg", "/browse"} {
			if got := passes(g, 1, path, busy, "Cookie", "token=good-1"); got != 1 {
				t.Fatalf("minute %d: a holder is refused %s", step, path)
			}
		}
		time.Sleep(time.Minute)
	}
	if most := 1000 + hours*1000; guesses > most {
		t.Errorf("%d guesses in a day, at most %d may", guesses, most)
	}
	if guesses < 5000 || slowed < 100_000 {
		t.Errorf("only %d guesses and %d refusals: the attack was none", guesses, slowed)
	}
}

// While strangers guess, one who solves the task gets a try.
func TestSolvedTaskGetsATryDuringAnAttack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		codes := map[string]int{}
		for i := range 5000 {
			err := tryCode(g, fmt.Sprintf("11.%d.%d.1", i/250, i%250))
			code := "passed"
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				code = refusal.Code
			}
			codes[code]++
		}
		// Half the budget, and a few more without a task.
		if diff := cmp.Diff(codes, map[string]int{"passed": 506, "challenge": 4494}); diff != "" {
			t.Errorf("the attack (-got +want):\n%s", diff)
		}
		if err := tryCode(g, "198.51.100.7", g.work.pass(netip.MustParseAddr("198.51.100.7"), time.Now())); err != nil {
			t.Errorf("who solved the task: %v", err)
		}
		if got := passes(g, 1, "/home", "198.51.100.8"); got != 1 {
			t.Error("wrong codes of others close the front page")
		}
	})
}
