package probe

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, which a bubble of fake time
// can see through.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble makes a journey against a handler in fake time and tells how long it took.
func inBubble(ctx context.Context, t *testing.T, j *Journey, timeout time.Duration, h http.HandlerFunc) (Look, time.Duration) {
	t.Helper()
	ln := newPipes()
	srv := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	j.SetDefaults()
	checker, err := j.Checker(Env{})
	if err != nil {
		t.Fatal(err)
	}
	checker.(*journeyChecker).transport.DialContext = ln.dial
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	look := checker.Check(ctx)
	took := time.Since(start)
	_ = srv.Close()
	<-served
	return look, took
}

// hangs answers at once, but for paths that take a while or until they are called off.
func hangs(takes map[string]time.Duration) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(takes[r.URL.Path]):
		case <-r.Context().Done():
		}
	}
}

// TestJourneyKeepsTimeForTheCleanup: of 20 s a quarter is the clean-up's.
func TestJourneyKeepsTimeForTheCleanup(t *testing.T) {
	t.Parallel()
	step := func(name string) JourneyStep {
		return JourneyStep{Name: name, Request: JourneyRequest{URL: "/" + name}}
	}
	tests := []struct {
		name    string
		timeout time.Duration
		sweep   time.Duration // what the clean-up takes
		want    []string
		took    time.Duration
		latency time.Duration
	}{
		{"a slow clean-up has its quarter", 20 * time.Second, 4 * time.Second, []string{"quick 200", "hang 0 !", "(sweep 200)"}, 19 * time.Second, 15 * time.Second},
		{"a slower one is cut at the deadline", 20 * time.Second, time.Hour, []string{"quick 200", "hang 0 !", "(sweep 0 !)"}, 20 * time.Second, 15 * time.Second},
		{"never more than 5 s", 2 * time.Minute, time.Hour, []string{"quick 200", "hang 0 !", "(sweep 0 !)"}, 2 * time.Minute, 115 * time.Second},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := &Journey{Base: "http://site.test", Steps: []JourneyStep{step("quick"), step("hang")}, Cleanup: []JourneyStep{step("sweep")}}
				look, took := inBubble(t.Context(), t, j, tc.timeout, hangs(map[string]time.Duration{"/hang": time.Hour, "/sweep": tc.sweep}))
				got := words(look)
				if len(got) != 3 || got[0] != tc.want[0] || got[1] != tc.want[1] || got[2] != tc.want[2] {
					t.Errorf("got %v, want %v", got, tc.want)
				}
				if took != tc.took || look.Latency != tc.latency {
					t.Errorf("took %v, the steps %v; want %v and %v", took, look.Latency, tc.took, tc.latency)
				}
				if look.OK || look.Fault.Class != ClassTimeout || look.Fault.Step != "hang" {
					t.Errorf("got %+v", look.Fault)
				}
			})
		})
	}
}

// TestJourneyCalledOff: a program that ends leaves the clean-up a moment, and no more.
func TestJourneyCalledOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			time.Sleep(3 * time.Second)
			cancel()
		}()
		j := &Journey{
			Base:    "http://site.test",
			Steps:   []JourneyStep{{Name: "hang", Request: JourneyRequest{URL: "/hang"}}},
			Cleanup: []JourneyStep{{Name: "sweep", Request: JourneyRequest{URL: "/sweep"}}, {Name: "more", Request: JourneyRequest{URL: "/more"}}},
		}
		look, took := inBubble(ctx, t, j, 20*time.Second, hangs(map[string]time.Duration{"/hang": time.Hour, "/sweep": time.Hour}))
		if took != 3*time.Second+lastCleanup || look.Latency != 3*time.Second {
			t.Errorf("took %v, the steps %v; want %v and 3s", took, look.Latency, 3*time.Second+lastCleanup)
		}
		if took-3*time.Second >= overdueAfter {
			t.Error("the runner would have given the look up")
		}
		if n := len(look.Steps); n != 3 || look.Steps[1].OK || look.Steps[2].OK {
			t.Errorf("got %v", words(look))
		}
	})
}

// TestJourneyFreshPicture: fresh pictures are new files each time, others are not.
func TestJourneyFreshPicture(t *testing.T) {
	t.Parallel()
	for _, fresh := range []bool{true, false} {
		site := newStandIn(t)
		j := photoJourney(t, site.URL)
		j.Steps[4].Request.Files[0].Picture.Fresh = fresh
		for range 2 {
			if look := travel(t, j, Env{Variables: withCode}); !look.OK {
				t.Fatal(look.Fault.Message)
			}
		}
		if same := bytes.Equal(site.photos[1002].picture, site.photos[1003].picture); same == fresh {
			t.Errorf("fresh %v: the same bytes twice: %v", fresh, same)
		}
	}
}
