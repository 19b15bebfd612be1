package access

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/site/gallery"
)

// grantStore knows some tokens, until it is away.
type grantStore struct {
	Store // nil: what these tests do not ask

	grants []gallery.Grant
	away   bool
	asked  int
}

func (s *grantStore) Grants(_ context.Context, hashes [][]byte) (out []gallery.Grant, err error) {
	s.asked++
	if s.away {
		return nil, errors.New("away")
	}
	for _, g := range s.grants {
		for _, h := range hashes {
			if string(h) == string(g.Token) {
				out = append(out, g)
			}
		}
	}
	return out, nil
}

const (
	goodSecret  = "good-secret-00000001"
	otherSecret = "other-secret-0000001"
	goneSecret  = "expired-secret-00001"
)

func newGate(now time.Time) (*Gate, *grantStore) {
	tag := gallery.Ref{ID: 1, Name: "one"}
	s := &grantStore{grants: []gallery.Grant{
		{Token: HashSecret(goodSecret), Tag: tag, Level: gallery.Read},
		{Token: HashSecret(otherSecret), Tag: tag, Level: gallery.Read},
		{Token: HashSecret(goneSecret), Tag: tag, Level: gallery.Read, Expires: now.Add(time.Minute)},
	}}
	return New(s, false, nil), s
}

func with(secrets ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "token="+strings.Join(secrets, ":"))
	return r
}

func TestKnownAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGate(time.Now())
		if _, ok := g.Known(with(goodSecret)); ok || s.asked != 0 {
			t.Fatalf("known before anybody asked: %t, %d questions", ok, s.asked)
		}
		token, ok := g.Ask(with(goodSecret))
		if !ok || string(token[:]) != string(HashSecret(goodSecret)) {
			t.Fatalf("asked: %x, %t", token, ok)
		}
		known, ok := g.Known(with(goodSecret))
		if !ok || known != token || s.asked != 1 {
			t.Errorf("known: %x, %t, %d questions", known, ok, s.asked)
		}
		for name, r := range map[string]*http.Request{
			"nobody": httptest.NewRequest(http.MethodGet, "/", nil), "a stranger's token": with("nobody-knows-this-token"), "junk": with("x"), "empty": with(""),
			"too many": with(strings.Split(strings.Repeat("token-number-100000000 ", 1)+strings.Join(many(40), " "), " ")...),
		} {
			if token, ok := g.Ask(r); ok || token != [32]byte{} {
				t.Errorf("%s is known: %x", name, token)
			}
			if _, ok := g.Known(r); ok {
				t.Errorf("%s is known", name)
			}
		}
	})
}

func many(n int) (out []string) {
	for i := range n {
		out = append(out, "token-number-"+strings.Repeat("x", i+4))
	}
	return out
}

// However a cookie puts its tokens together, it does not become many holders.
func TestCookieIsOneHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGate(time.Now())
		a, _ := g.Ask(with(goodSecret, otherSecret))
		b, _ := g.Ask(with(otherSecret, goodSecret, "nobody-knows-this-token"))
		if a != b || a == [32]byte{} {
			t.Errorf("one set of tokens is %x and %x", a, b)
		}
	})
}

func TestExpiredTokenIsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGate(time.Now())
		if _, ok := g.Ask(with(goneSecret)); !ok {
			t.Fatal("not known before its end")
		}
		time.Sleep(time.Minute)
		if _, ok := g.Known(with(goneSecret)); ok {
			t.Error("an expired token is known")
		}
	})
}

// While the store is away visitors stay known for as long as was said.
func TestBelieve(t *testing.T) {
	t.Parallel()
	for name, stale := range map[string]time.Duration{"default": StaleFor, "a minute": time.Minute, "not at all": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, s := newGate(time.Now())
				if stale != StaleFor {
					g.Believe(stale)
				}
				if _, ok := g.Ask(with(goodSecret)); !ok {
					t.Fatal("not known")
				}
				s.away = true
				start := time.Now()
				for time.Since(start) < 10*time.Minute {
					time.Sleep(5 * time.Second)
					if _, err := g.Visitor(with(goodSecret)); err != nil && time.Since(start) < stale {
						t.Fatal(err)
					}
					v, err := g.Visitor(with(goodSecret)) // at once again: the store is not asked
					age := time.Since(start)
					want := age < max(stale, freshFor)
					if got := err == nil && v.Known(); got != want {
						t.Fatalf("after %v: known %t (%v), want %t", age, got, err, want)
					}
				}
			})
		})
	}
}

// A crowd with tokens that nobody knows, whose questions hang, does not hold up
// the visitors whose answers only have to be asked again.
func TestGuessesDoNotHoldUpVisitors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(1000, func(v int) bool { return v == 0 })
		answer := func(context.Context) (int, error) { return 7, nil }
		if _, err := m.get(t.Context(), "known", answer); err != nil {
			t.Fatal(err)
		}
		time.Sleep(freshFor)
		hang := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil }
		for i := range 100 {
			go func() { _, _ = m.get(t.Context(), "guess "+strings.Repeat("x", i), hang) }() // ends by its deadline
		}
		synctest.Wait()
		start := time.Now()
		if v, err := m.get(t.Context(), "known", answer); v != 7 || err != nil || time.Since(start) != 0 {
			t.Errorf("a known visitor got %d, %v after %v", v, err, time.Since(start))
		}
		time.Sleep(time.Minute)
	})
}
