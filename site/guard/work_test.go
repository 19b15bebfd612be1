package guard

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// solve does the work.
func solve(seed string) string {
	for count := 0; ; count++ {
		text := strconv.Itoa(count)
		if zeroBits(sha256.Sum256([]byte(seed+"."+text))) >= workBits {
			return text
		}
	}
}

func post(g *Guard, client, seed, count string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, answerPath, strings.NewReader(url.Values{"seed": {seed}, "count": {count}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = client + ":1"
	return serve(g, r)
}

// A stranger is challenged, solves the task and passes for an hour.
func TestChallengeIsSolvedAndPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) { o.Challenge = Always })
		w := serve(g, request("GET", "/home", "192.0.2.1"))
		var told struct {
			Error     struct{ Code, Message string }
			Challenge challenge
		}
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Code != 429 || told.Error.Code != "challenge" || told.Challenge.Bits != 16 || told.Challenge.Answer != answerPath {
			t.Fatalf("challenged with %d %s (%v)", w.Code, w.Body, err)
		}
		if w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "private, no-store" {
			t.Errorf("headers %v", w.Header())
		}
		got := post(g, "192.0.2.1", told.Challenge.Seed, solve(told.Challenge.Seed))
		if got.Code != 204 {
			t.Fatalf("the answer: %d %s", got.Code, got.Body)
		}
		cookie := got.Result().Cookies()[0]
		with := func(client string) int {
			r := request("GET", "/home", client)
			r.AddCookie(cookie)
			return serve(g, r).Code
		}
		codes := map[string]int{"the solver": with("192.0.2.1"), "another client": with("192.0.2.2"), "nobody": serve(g, request("GET", "/home", "192.0.2.1")).Code}
		time.Sleep(passFor - time.Second)
		codes["before its end"] = with("192.0.2.1")
		time.Sleep(2 * time.Second)
		codes["after its end"] = with("192.0.2.1")
		if diff := cmp.Diff(codes, map[string]int{"the solver": 200, "another client": 429, "nobody": 429, "before its end": 200, "after its end": 429}); diff != "" {
			t.Errorf("with the pass (-got +want):\n%s", diff)
		}
		if s := g.Stats(); s.Solved != 1 || s.Forged != 2 || s.Challenges != 4 {
			t.Errorf("counted %d solved, %d forged, %d challenges", s.Solved, s.Forged, s.Challenges)
		}
	})
}

func TestForgedAndReplayedAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		client := netip.MustParseAddr("192.0.2.1")
		fresh := func() string { return g.work.seed(client, time.Now()) }
		old := fresh()
		time.Sleep(seedFor)
		used := fresh()
		usedCount := solve(used)
		if w := post(g, "192.0.2.1", used, usedCount); w.Code != 204 {
			t.Fatalf("a right answer: %d", w.Code)
		}
		// Whoever lowers the bits in the seed breaks its signature.
		easy := fresh()
		raw, err := base64.RawURLEncoding.DecodeString(easy)
		if err != nil {
			t.Fatal(err)
		}
		raw[24] = 0
		easy = base64.RawURLEncoding.EncodeToString(raw)
		other, err := New(Options{Key: []byte("another key of 32 characters !!!")})
		if err != nil {
			t.Fatal(err)
		}
		foreign := other.work.seed(client, time.Now())
		lazy := fresh()
		lazyCount := 0
		for zeroBits(sha256.Sum256([]byte(lazy+"."+strconv.Itoa(lazyCount)))) >= 16 {
			lazyCount++
		}
		mine := fresh()
		tests := map[string][3]string{
			"replayed":           {"192.0.2.1", used, usedCount},
			"too old":            {"192.0.2.1", old, solve(old)},
			"bits lowered":       {"192.0.2.1", easy, "0"},
			"of another site":    {"192.0.2.1", foreign, solve(foreign)},
			"of another client":  {"198.51.100.1", mine, solve(mine)},
			"no work done":       {"192.0.2.1", lazy, strconv.Itoa(lazyCount)},
			"count is no number": {"192.0.2.1", mine, solve(mine) + "x"},
			"count with a sign":  {"192.0.2.1", mine, "+" + solve(mine)},
			"empty":              {"192.0.2.1", "", ""},
			"rubbish":            {"192.0.2.1", strings.Repeat("A", 3000), "1"},
		}
		for name, a := range tests {
			if w := post(g, a[0], a[1], a[2]); w.Code != 403 || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s: %d, cookies %v", name, w.Code, w.Result().Cookies())
			}
		}
		if w := serve(g, request("GET", answerPath+"?seed="+mine+"&count="+solve(mine), "192.0.2.1")); w.Code != 403 {
			t.Errorf("by GET: %d", w.Code)
		}
		if w := post(g, "192.0.2.1", mine, solve(mine)); w.Code != 204 {
			t.Errorf("failed tries used the task up: %d", w.Code)
		}
	})
}

func TestForgedPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(o *Options) { o.Challenge = Always })
		client := netip.MustParseAddr("192.0.2.1")
		good := g.work.pass(client, time.Now()).Value
		until, mac, _ := strings.Cut(good, ".")
		later := strconv.FormatInt(time.Now().Add(24*time.Hour).Unix(), 10)
		seed := g.work.seed(client, time.Now())
		for name, value := range map[string]string{
			"prolonged": later + "." + mac, "no signature": until, "empty": "", "another signature": until + "." + strings.Repeat("A", 43),
			"padded": good + "=", "a seed": until + "." + seed, "signed as a probe": until + "." + base64.RawURLEncoding.EncodeToString(signature([]byte(testKey), until, "n", "GET", "/")),
		} {
			if w := serve(g, request("GET", "/home", "192.0.2.1", "Cookie", "pass="+value)); w.Code != 429 {
				t.Errorf("%s: %d", name, w.Code)
			}
		}
		if w := serve(g, request("GET", "/home", "192.0.2.1", "Cookie", "pass="+good)); w.Code != 200 {
			t.Errorf("the good one: %d", w.Code)
		}
	})
}

func TestPassCookie(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("192.0.2.1")
	for secure, name := range map[bool]string{false: "pass", true: "__Host-pass"} {
		c := newWorker([]byte(testKey), secure).pass(client, time.Now())
		if c.Name != name || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 3600 {
			t.Errorf("secure %t: %+v", secure, c)
		}
	}
}

func TestWhoIsChallenged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mode   Challenge
		level  Level
		cookie string
		want   int
	}{
		"auto, normal":                         {Auto, Normal, "", 200},
		"auto, loaded":                         {Auto, Challenged, "", 503},
		"auto, loaded, holder":                 {Auto, Challenged, "token=good-1", 200},
		"auto, loaded, a token not yet known":  {Auto, Challenged, "token=slow-1", 200},
		"auto, loaded, a token that is no one": {Auto, Challenged, "token=bad", 503},
		"off, loaded":                          {Never, Challenged, "", 200},
		"always, normal":                       {Always, Normal, "", 429},
		"always, holder":                       {Always, Normal, "token=good-1", 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, func(o *Options) {
					o.Challenge = tt.mode
					o.Ask = func(r *http.Request) Holder {
						if strings.Contains(r.Header.Get("Cookie"), "slow-") {
							return Holder{Token: [32]byte{7}}
						}
						return holderOf(r)
					}
				})
				g.level.Store(int32(tt.level))
				if got := serve(g, request("GET", "/home", "192.0.2.1", "Cookie", tt.cookie)).Code; got != tt.want {
					t.Errorf("got %d, want %d", got, tt.want)
				}
			})
		})
	}
}

// While strangers are challenged a code can still be entered without JavaScript,
// slowly.
func TestCodesWithoutJavaScriptAreSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, nil)
		g.level.Store(int32(Challenged))
		passed, refused := 0, 0
		for i := range 100 {
			if tryCode(g, "11.1."+strconv.Itoa(i)+".1") == nil {
				passed++
			} else {
				refused++
			}
		}
		if passed != 5 || refused != 95 {
			t.Errorf("%d passed at once, %d were challenged; want 5 and 95", passed, refused)
		}
		time.Sleep(time.Minute)
		if err := tryCode(g, "11.2.1.1"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// The page works with a policy that allows our own files only, says what to do
// without JavaScript, and has a box for a code.
func TestChallengePage(t *testing.T) {
	t.Parallel()
	g := newGuard(t, func(o *Options) { o.Challenge = Always })
	w := serve(g, request("GET", "/home", "192.0.2.1", "Accept", "text/html"))
	body := w.Body.String()
	if w.Code != 429 || w.Header().Get("Content-Security-Policy") != pagePolicy || strings.Contains(pagePolicy, "unsafe") {
		t.Errorf("%d, policy %q", w.Code, w.Header().Get("Content-Security-Policy"))
	}
	for _, want := range []string{`<script type="module" src="/guard/solve.js"></script>`, "Please try again later.", `action="/login"`, `name="rc"`, `data-bits="16"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, bad := range []string{"<script>", "onload", "style=", "http://", "https://"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	for path, kind := range map[string]string{"/guard/solve.js": "text/javascript; charset=utf-8", "/guard/page.css": "text/css; charset=utf-8"} {
		if w := serve(g, request("GET", path, "192.0.2.1")); w.Code != 200 || w.Header().Get("Content-Type") != kind || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
	for _, path := range []string{"/guard/", "/guard/page.html", "/guard/../guard.go", "/guard/solve.js/x"} {
		if w := serve(g, request("GET", path, "192.0.2.1")); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
