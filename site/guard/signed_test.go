package guard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The examples were made with openssl; package probe signs the same ones.
func TestSignatureExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/signed.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Key, Nonce, Method, Path, Header string
		Unix                             int64
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 4 {
		t.Fatalf("%d examples, %v", len(rows), err)
	}
	for _, row := range rows {
		if got := Sign([]byte(row.Key), time.Unix(row.Unix, 0), row.Nonce, row.Method, row.Path); got != row.Header {
			t.Errorf("%s %s: got %s, want %s", row.Method, row.Path, got, row.Header)
		}
	}
}

func signedRequest(at time.Time, nonce, path string) *http.Request {
	const method = http.MethodGet
	r := request(method, path, "192.0.2.1")
	r.Header.Set(ProbeHeader, Sign([]byte(testKey), at, nonce, method, r.URL.EscapedPath()))
	return r
}

func TestWhatIsSigned(t *testing.T) {
	t.Parallel()
	const nonce = "AAAAAAAAAAAAAAAAAAAAAA"
	tests := map[string]struct {
		make func(now time.Time) *http.Request
		want bool
	}{
		"ours":            {func(now time.Time) *http.Request { return signedRequest(now, nonce, "/browse") }, true},
		"with a query":    {func(now time.Time) *http.Request { return signedRequest(now, nonce, "/browse?mode=r") }, true},
		"encoded path":    {func(now time.Time) *http.Request { return signedRequest(now, nonce, "/img/1440/..%2f1.jpg") }, true},
		"a minute old":    {func(now time.Time) *http.Request { return signedRequest(now.Add(-time.Minute), nonce, "/") }, true},
		"older":           {func(now time.Time) *http.Request { return signedRequest(now.Add(-62*time.Second), nonce, "/") }, false},
		"of the future":   {func(now time.Time) *http.Request { return signedRequest(now.Add(62*time.Second), nonce, "/") }, false},
		"nonce too short": {func(now time.Time) *http.Request { return signedRequest(now, "short", "/") }, false},
		"nonce too long":  {func(now time.Time) *http.Request { return signedRequest(now, strings.Repeat("a", 44), "/") }, false},
		"another method": {func(now time.Time) *http.Request {
			r := signedRequest(now, nonce, "/browse")
			r.Method = "POST"
			return r
		}, false},
		"another path": {func(now time.Time) *http.Request {
			r := signedRequest(now, nonce, "/browse")
			r.URL.Path = "/upload"
			return r
		}, false},
		"another key": {func(now time.Time) *http.Request {
			r := request("GET", "/", "192.0.2.1")
			r.Header.Set(ProbeHeader, Sign([]byte(strings.ToUpper(testKey)), now, nonce, "GET", "/"))
			return r
		}, false},
		"two headers": {func(now time.Time) *http.Request {
			r := signedRequest(now, nonce, "/")
			r.Header.Add(ProbeHeader, "x")
			return r
		}, false},
		"the mark of the guard itself": {func(time.Time) *http.Request { return request("GET", "/", "192.0.2.1", ProbeHeader, isSigned) }, false},
		"rubbish":                      {func(time.Time) *http.Request { return request("GET", "/", "192.0.2.1", ProbeHeader, "..") }, false},
		"a megabyte": {func(time.Time) *http.Request {
			return request("GET", "/", "192.0.2.1", ProbeHeader, strings.Repeat("9", 1<<20))
		}, false},
		"nothing": {func(time.Time) *http.Request { return request("GET", "/", "192.0.2.1") }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, nil)
				seen := false
				h := g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = Signed(r) }))
				h.ServeHTTP(httptest.NewRecorder(), tt.make(time.Now()))
				if seen != tt.want {
					t.Errorf("signed: %t, want %t", seen, tt.want)
				}
			})
		})
	}
}

func TestSignatureWorksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) { o.Limits.Browse = yearly(1) })
		at := time.Now()
		const first, second = "first-nonce-00000001", "second-nonce-0000001"
		for i := range 3 {
			if got := g.signed(signedRequest(at, first, "/"), time.Now()); got != (i == 0) {
				t.Errorf("use %d: %t", i, got)
			}
		}
		time.Sleep(time.Minute)
		if !g.signed(signedRequest(at, second, "/"), time.Now()) {
			t.Error("another nonce was refused")
		}
		if g.signed(signedRequest(at, first, "/"), time.Now()) {
			t.Error("a replay at the end of the window passed")
		}
		time.Sleep(3 * time.Minute)
		g.signed(signedRequest(time.Now(), "third-nonce-0000001", "/"), time.Now())
		if n := len(g.nonces.seen); n != 1 {
			t.Errorf("%d nonces remembered, want only the last", n)
		}
	})
}

// Wrong signatures take no memory, and right ones at most so much: then they count as anybody's.
func TestNonceMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		for i := range 1000 {
			r := signedRequest(time.Now(), fmt.Sprintf("nonce-%020d", i), "/")
			r.URL.Path = "/other"
			g.signed(r, time.Now())
		}
		if n := len(g.nonces.seen); n != 0 {
			t.Errorf("%d nonces of wrong signatures remembered", n)
		}
		passed := 0
		for i := range nonces + 100 {
			if g.signed(signedRequest(time.Now(), fmt.Sprintf("nonce-%020d", i), "/"), time.Now()) {
				passed++
			}
		}
		if passed != nonces || len(g.nonces.seen) != nonces {
			t.Errorf("%d passed, %d remembered, want %d", passed, len(g.nonces.seen), nonces)
		}
		if g.signed(signedRequest(time.Now(), "nonce-00000000000000000000", "/"), time.Now()) {
			t.Error("the flood made a nonce forgotten")
		}
	})
}

// Our own probes pass limits, levels and challenges.
func TestSignedRequestsPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) {
			o.Limits.Browse, o.Limits.Cold, o.Limits.Codes = yearly(1), yearly(1), Rate{1, time.Hour, 1, false}
			o.Challenge = Always
		})
		g.level.Store(int32(CachedOnly))
		for i := range 20 {
			for _, path := range []string{"/home", "/browse", "/upload", "/code"} {
				r := signedRequest(time.Now(), fmt.Sprintf("%s-nonce-%010d", path[1:], i), path)
				code := 0
				g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					code = 200
					if err := g.Spend(r, Cold, 10); err != nil {
						t.Errorf("a render for a probe: %v", err)
					}
					if _, err := g.Try(r); err != nil {
						t.Errorf("a code of a probe: %v", err)
					}
				})).ServeHTTP(httptest.NewRecorder(), r)
				if code != 200 {
					t.Fatalf("request %d of %s did not pass", i, path)
				}
			}
		}
		if s := g.Stats(); s.Signed != 80 || s.WrongCodes != 0 {
			t.Errorf("counted %d signed, %d wrong codes", s.Signed, s.WrongCodes)
		}
	})
}

func TestKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "probe.key")
	var mu sync.Mutex
	keys := map[string]int{}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			key, err := LoadKey(path)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys[string(key)]++
		})
	}
	wg.Wait()
	for key, n := range keys {
		if n != 20 || len(key) != 64 {
			t.Errorf("key of %d characters, %d times", len(key), n)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("files %v, %v", left, err)
	}
	for name, text := range map[string]string{"short": "abc\n", "empty": ""} {
		p := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(p); err == nil {
			t.Errorf("a key file that is %s was taken", name)
		}
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "no", "dir")); err == nil {
		t.Error("a directory that is not there was no error")
	}
	given := filepath.Join(t.TempDir(), "given")
	if err := os.WriteFile(given, []byte("chosen by the operator\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := LoadKey(given); err != nil || string(key) != "chosen by the operator" {
		t.Errorf("got %q, %v", key, err)
	}
}
