package guard

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testKey = "0123456789abcdef0123456789abcdef"

// newGuard makes a guard that reads the class from the first element of the path
// and knows as a holder who sends the cookie token=good-N.
func newGuard(tb testing.TB, change func(*Options)) *Guard {
	tb.Helper()
	opts := Options{
		Clients: clients(tb, "10.0.0.0/8"), Key: []byte(testKey),
		Classify: func(r *http.Request) Class {
			for _, c := range Classes() {
				if strings.HasPrefix(r.URL.Path, "/"+c.String()) {
					return c
				}
			}
			return Browse
		},
		Known: holderOf,
	}
	opts.Limits.SetDefaults()
	if change != nil {
		change(&opts)
	}
	g, err := New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func holderOf(r *http.Request) Holder {
	if c, err := r.Cookie("token"); err == nil && strings.HasPrefix(c.Value, "good-") {
		return Holder{Token: sha256.Sum256([]byte(c.Value))}
	}
	return Holder{}
}

// request is one of a client; header holds pairs of names and values.
func request(method, path, client string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = client + ":1234"
	if strings.Contains(client, ":") {
		r.RemoteAddr = "[" + client + "]:1234"
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// serve sends a request through the guard; 200 means that it came through.
func serve(g *Guard, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, r)
	return w
}

// passes counts how many of n requests come through at once.
func passes(g *Guard, n int, path, client string, header ...string) (passed int) {
	for range n {
		if serve(g, request("GET", path, client, header...)).Code == 200 {
			passed++
		}
	}
	return passed
}

// In a bubble the time that refusals are held back passes at once; what is
// refilled meanwhile must not count, so the rates here refill in a year.
func yearly(n int) Rate { return Rate{n, 365 * 24 * time.Hour, n, false} }

func TestEachClassHasItsLimit(t *testing.T) {
	t.Parallel()
	for _, class := range Classes() {
		t.Run(class.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				set := func(l *Limits, r Rate) {
					*l = Limits{Static: r, Images: r, Strangers: r, Browse: r, Cold: r, Uploads: r, Codes: l.Codes, AllCodes: l.AllCodes, Connections: 64}
				}
				g := newGuard(t, func(o *Options) { set(&o.Limits, yearly(5)) })
				want := 5
				if class == Free {
					want = 8
				}
				got := passes(g, 8, "/"+class.String(), "192.0.2.1")
				if got != want {
					t.Errorf("%d of 8 passed, want %d", got, want)
				}
				off := newGuard(t, func(o *Options) { set(&o.Limits, Rate{Off: true}) })
				if got := passes(off, 8, "/"+class.String(), "192.0.2.1"); got != 8 {
					t.Errorf("with the limit off %d of 8 passed", got)
				}
				index := class
				if class == Image {
					index = Stranger // without a token
				}
				if s := g.Stats(); s.Limited[index] != int64(8-want) || s.Passed[index] != int64(want) {
					t.Errorf("counted %d limited and %d passed", s.Limited[index], s.Passed[index])
				}
			})
		})
	}
}

// Every refusal says when to come back, in whole positive seconds, closes the
// connection and is not kept by anybody.
func TestRefusalsTellWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) { o.Limits.Browse = Rate{1000, time.Second, 1, false} }) // less than a second to wait
		g.held = make(chan struct{})                                                               // not held back
		serve(g, request("GET", "/browse", "192.0.2.1"))
		w := serve(g, request("GET", "/browse", "192.0.2.1"))
		got := []string{strconv.Itoa(w.Code), w.Header().Get("Retry-After"), w.Header().Get("Connection"), w.Header().Get("Cache-Control"), w.Body.String()}
		want := []string{"429", "1", "close", "private, no-store", `{"error":{"code":"limited","message":"that was too much at once; please wait a moment"}}`}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		page := serve(g, request("GET", "/browse", "192.0.2.1", "Accept", "text/html,*/*"))
		if page.Code != 429 || !strings.Contains(page.Body.String(), "too much at once") || strings.Contains(page.Body.String(), "<script") {
			t.Errorf("a browser gets %d %s", page.Code, page.Body)
		}
	})
	for wait, want := range map[time.Duration]string{-time.Hour: "1", 0: "1", time.Nanosecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600"} {
		if got := RetryAfter(wait); got != want {
			t.Errorf("Retry-After of %v is %s, want %s", wait, got, want)
		}
	}
}

// A refusal is held back for a moment, and only so many at once.
func TestRefusalsAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		start := time.Now()
		done := make(chan time.Duration, holding+10)
		for range holding + 10 {
			go func() { // ends by itself
				g.Refuse(httptest.NewRecorder(), request("GET", "/", "192.0.2.1"), Busy(0))
				done <- time.Since(start)
			}()
		}
		late := 0
		for range holding + 10 {
			if <-done == holdFor {
				late++
			}
		}
		if late != holding {
			t.Errorf("%d of %d were held back, want %d", late, holding+10, holding)
		}
		if g.Refuse(httptest.NewRecorder(), request("GET", "/", "192.0.2.1"), http.ErrAbortHandler) {
			t.Error("another error was taken for a refusal")
		}
	})
}

func TestWhoIsCounted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first, second string // clients; the first uses up its burst of 5
		header        []string
		want          int // that pass of five of the second
	}{
		"the same address":             {"192.0.2.1", "192.0.2.1", nil, 0},
		"a neighbour":                  {"192.0.2.1", "192.0.2.2", nil, 5},
		"the same /64":                 {"2001:db8::1", "2001:db8::ffff:1", nil, 0},
		"the next /64":                 {"2001:db8::1", "2001:db8:0:1::1", nil, 5},
		"a holder at the same address": {"192.0.2.1", "192.0.2.1", []string{"Cookie", "token=good-1"}, 5},
		"a junk cookie is no holder":   {"192.0.2.1", "192.0.2.1", []string{"Cookie", "token=bad-1"}, 0},
		"a header of a stranger":       {"192.0.2.1", "192.0.2.1", []string{"X-Forwarded-For", "198.51.100.1"}, 0},
		"others behind the balancer":   {"10.0.0.1", "10.0.0.1", []string{"X-Forwarded-For", "198.51.100.1"}, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, func(o *Options) { o.Limits.Browse = yearly(5) })
				passes(g, 6, "/browse", tt.first)
				if got := passes(g, 5, "/browse", tt.second, tt.header...); got != tt.want {
					t.Errorf("%d of 5 passed, want %d", got, tt.want)
				}
			})
		})
	}
}

// The neighbourhood has ten times as much, and no more.
func TestWideNetworksAreLimited(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]func(int) string{
		"IPv4": func(i int) string { return "192.0.2." + strconv.Itoa(i) },
		"IPv6": func(i int) string { return "2001:db8:1:" + strconv.FormatInt(int64(i), 16) + "::1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, func(o *Options) { o.Limits.Browse = yearly(5) })
				passed := 0
				for i := range 200 {
					passed += passes(g, 1, "/browse", client(i))
				}
				if passed != 50 {
					t.Errorf("%d of 200 passed, want 50", passed)
				}
			})
		})
	}
}

// A holder is limited by the token, wherever it is used, and an address full of
// holders by ten times as much.
func TestHoldersAreLimitedByToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) { o.Limits.Images = yearly(5) })
		passed := 0
		for i := range 50 { // one token, many addresses
			passed += passes(g, 1, "/image", "192.0.2."+strconv.Itoa(i), "Cookie", "token=good-1")
		}
		if passed != 5 {
			t.Errorf("one token passed %d times from many addresses, want 5", passed)
		}
		passed = 0
		for i := range 100 { // many tokens, one address
			passed += passes(g, 1, "/image", "198.51.100.1", "Cookie", "token=good-9"+strconv.Itoa(i))
		}
		if passed != 50 {
			t.Errorf("one address passed %d times with many tokens, want 50", passed)
		}
	})
}

func TestSpendTakesUnits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) { o.Limits.Cold = yearly(10) })
		r := request("GET", "/image", "192.0.2.1", "Cookie", "token=good-1")
		for range 3 {
			if err := g.Spend(r, Cold, 3); err != nil {
				t.Fatal(err)
			}
		}
		err := g.Spend(r, Cold, 3)
		if w := httptest.NewRecorder(); !g.Refuse(w, r, err) || w.Code != 429 {
			t.Errorf("the tenth unit and more: %v, %d", err, w.Code)
		}
		if err := g.Spend(r, Cold, 1); err != nil {
			t.Errorf("the tenth unit alone: %v", err)
		}
		g.level.Store(int32(CachedOnly))
		other := request("GET", "/image", "192.0.2.1", "Cookie", "token=good-2")
		if w := httptest.NewRecorder(); !g.Refuse(w, other, g.Spend(other, Cold, 1)) || w.Code != 503 {
			t.Errorf("when only what is cached is answered: %d, want 503", w.Code)
		}
	})
}

func TestLevelsShed(t *testing.T) {
	t.Parallel()
	const holder, stranger = "token=good-1", "x=1"
	tests := map[string]struct {
		level  Level
		path   string
		cookie string
		want   int
	}{
		"normal, front page":                  {Normal, "/home", stranger, 200},
		"spare, front page":                   {Spare, "/home", stranger, 200},
		"challenged, front page":              {Challenged, "/home", stranger, 503},
		"challenged, front page, holder":      {Challenged, "/home", holder, 200},
		"challenged, browse":                  {Challenged, "/browse", stranger, 200},
		"challenged, picture":                 {Challenged, "/image", stranger, 200},
		"cached only, picture of a holder":    {CachedOnly, "/image", holder, 200},
		"cached only, picture of a stranger":  {CachedOnly, "/image", stranger, 200},
		"cached only, style":                  {CachedOnly, "/static", stranger, 200},
		"cached only, health":                 {CachedOnly, "/free", stranger, 200},
		"cached only, browse of a holder":     {CachedOnly, "/browse", holder, 503},
		"cached only, upload of a holder":     {CachedOnly, "/upload", holder, 503},
		"cached only, code":                   {CachedOnly, "/code", stranger, 503},
		"cached only, front page of a holder": {CachedOnly, "/home", holder, 503},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, nil)
				g.level.Store(int32(tt.level))
				w := serve(g, request("GET", tt.path, "192.0.2.1", "Cookie", tt.cookie))
				if w.Code != tt.want {
					t.Errorf("got %d, want %d", w.Code, tt.want)
				}
				if n, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code == 503 && (err != nil || n < 1) {
					t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
				}
			})
		})
	}
}
