package site

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

func code(text string) url.Values { return url.Values{"rc": {text}} }

// tokenReply is what a login answers.
type tokenReply struct {
	Tags []tagReply `json:"tags"`
}

type tagReply struct {
	ID    int64         `json:"id"`
	Name  string        `json:"tag"`
	Level gallery.Level `json:"lvl"`
}

func cookieOf(t *testing.T, w *httptest.ResponseRecorder) *http.Cookie {
	t.Helper()
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies in %d %s, want one", len(cookies), w.Code, w.Body)
	}
	return cookies[0]
}

func TestCodeLogin(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	w := b.post("/servlet/token", code("abcd-efgh"))
	if w.Code != 200 || w.Body.String() != `{"tags":[{"id":1,"tag":"one","lvl":1}]}` {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "text/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	c := cookieOf(t, w)
	if !access.ValidSecret(c.Value) || len(c.Value) != 22 {
		t.Errorf("the token is %q, want 128 bits in base64url", c.Value)
	}
	want := "token=" + c.Value + "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
	if got := w.Header().Get("Set-Cookie"); got != want {
		t.Errorf("cookie %q, want %q", got, want)
	}
	if got := b.get(http.MethodGet, "/img/640/1.jpg", c.Value).Code; got != 200 {
		t.Errorf("with the new token: %d", got)
	}
	if got := b.get(http.MethodGet, "/img/640/2.jpg", c.Value).Code; got != 403 {
		t.Errorf("another tag's picture: %d, want 403", got)
	}
}

func TestCookieUnderTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.PublicURL = "https://photos.example.com" })
	w := b.post("/servlet/token", code("ABCDEFGH"))
	c := cookieOf(t, w)
	if c.Name != "__Host-token" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie %+v", c)
	}
	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS under TLS")
	}
	if got := b.get(http.MethodGet, "/img/640/1.jpg", c.Value).Code; got != 200 {
		t.Errorf("with the cookie: %d", got)
	}
	if got := b.get(http.MethodGet, "/img/640/1.jpg", "", "Cookie", "token="+c.Value).Code; got != 403 {
		t.Errorf("with a cookie that any host may have set: %d, want 403", got)
	}
}

func TestBadLogins(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		form url.Values
		want int
		text string
	}{
		"unknown":   {code("ZZZZ-ZZZZ"), 403, `{"error":{"code":"code","message":"this code is not valid"}}`},
		"used up":   {code("ONCE-ONCE"), 403, `{"error":{"code":"code","message":"this code is not valid"}}`},
		"no code":   {code("%&/"), 403, `{"error":{"code":"code","message":"this code is not valid"}}`},
		"empty":     {code(""), 403, `{"error":{"code":"code","message":"this code is not valid"}}`},
		"no verb":   {url.Values{}, 400, `{"error":{"code":"verb","message":"give exactly one of rc, new and del"}}`},
		"two verbs": {url.Values{"rc": {"a"}, "del": {"b"}}, 400, `{"error":{"code":"verb","message":"give exactly one of rc, new and del"}}`},
		"too long":  {code(strings.Repeat("A", 9000)), 413, `{"error":{"code":"too_large","message":"the request is too large"}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			b.store.codes["0NCE0NCE"].uses = 1
			w := b.post("/servlet/token", tt.form)
			if w.Code != tt.want || w.Body.String() != tt.text {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.want, tt.text)
			}
			if w.Header().Get("Set-Cookie") != "" {
				t.Error("a cookie was set")
			}
		})
	}
	b := setup(t, nil)
	if w := b.get(http.MethodGet, "/servlet/token?rc=ABCDEFGH", ""); w.Code != 405 {
		t.Errorf("GET: %d, want 405: a link must not log in", w.Code)
	}
}

// The form of people without JavaScript.
func TestLoginForm(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	w := b.post("/login", code("abcd efgh"))
	if w.Code != 303 || w.Header().Get("Location") != "/" {
		t.Fatalf("got %d to %q", w.Code, w.Header().Get("Location"))
	}
	token := cookieOf(t, w).Value
	home := b.get(http.MethodGet, "/", token)
	text := home.Body.String()
	for _, want := range []string{"<title>", `height="300"`, "/img/192/1.jpg?v=" + picture.Version(b.store.photos[1])} {
		if !strings.Contains(text, want) {
			t.Errorf("the gallery lacks %q:\n%s", want, text)
		}
	}
	for _, not := range []string{"<b>\"Title", "/2.jpg", "<script>", "style=", "http://", "https://"} {
		if strings.Contains(text, not) {
			t.Errorf("the gallery holds %q", not)
		}
	}
	bad := b.post("/login", code("wrong"))
	if bad.Code != 403 || !strings.Contains(bad.Body.String(), "This code is not valid.") || !strings.Contains(bad.Body.String(), `name="rc"`) {
		t.Errorf("a wrong code: %d %s", bad.Code, bad.Body)
	}
	out := b.post("/logout", nil)
	if c := cookieOf(t, out); c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("log out left %+v", c)
	}
}

func TestDoorAndStyle(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, tokens := range []string{"", expiredSecret, "nobody-knows-this-token"} {
		w := b.get(http.MethodGet, "/", tokens)
		if w.Code != 200 || !strings.Contains(w.Body.String(), "<title>Welcome") || !strings.Contains(w.Body.String(), `name="rc"`) {
			t.Errorf("with %q: %d %s", tokens, w.Code, w.Body)
		}
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("policy %q", got)
		}
	}
	css := b.get(http.MethodGet, "/assets/any/site.css", "")
	if css.Code != 200 || !strings.Contains(css.Body.String(), "color-scheme") || css.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style: %d %v", css.Code, css.Header())
	}
	if got := b.get(http.MethodGet, "/nothing", "").Code; got != 404 {
		t.Errorf("an unknown page: %d, want 404", got)
	}
}

func TestCrossSiteForms(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header []string
		want   int
	}{
		"no headers (programs)":         {nil, 200},
		"same origin":                   {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"typed address":                 {[]string{"Sec-Fetch-Site", "none"}, 200},
		"cross site":                    {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same site, other host":         {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"foreign origin":                {[]string{"Origin", "https://evil.example"}, 403},
		"null origin":                   {[]string{"Origin", "null"}, 403},
		"public origin, rewritten host": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://photos.example.com"}, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(c *Config) { c.PublicURL = "https://photos.example.com" })
			if w := b.post("/servlet/token", code("ABCDEFGH"), tt.header...); w.Code != tt.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestFailuresAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for i := range 30 { // successes are free, also many
		if w := b.post("/servlet/token", code("ABCDEFGH")); w.Code != 200 {
			t.Fatalf("login %d: %d", i, w.Code)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range 60 {
		wg.Go(func() {
			w := b.post("/servlet/token", code("WRONG"+strconv.Itoa(i)))
			mu.Lock()
			defer mu.Unlock()
			got[w.Code]++
			if w.Code == 429 {
				if n, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || n < 1 || n > 3600 {
					t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[int]int{403: 10, 429: 50}, got); diff != "" {
		t.Errorf("60 guesses at once (-want +got):\n%s", diff)
	}
	if w := b.post("/servlet/token", code("ABCDEFGH")); w.Code != 429 {
		t.Errorf("the right code of a locked client: %d, want 429", w.Code)
	}
	if w := b.get(http.MethodGet, "/img/640/1.jpg", readSecret); w.Code != 200 {
		t.Errorf("a visitor with a token at the same address: %d, want 200", w.Code)
	}
}

// Our own failure must not count against a visitor.
func TestStoreAwayIsNotTheVisitorsFault(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.store.setAway(errDown)
	for range 20 {
		w := b.post("/servlet/token", code("ABCDEFGH"))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.3") {
			t.Fatalf("got %d %q %s", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	b.store.setAway(nil)
	if w := b.post("/servlet/token", code("ABCDEFGH")); w.Code != 200 {
		t.Errorf("after the outage: %d", w.Code)
	}
}

func TestCookieKeepsWhatIsStillGood(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	w := b.post("/servlet/token", code("ABCDEFGH"), "Cookie", "token="+strings.Join([]string{otherSecret, expiredSecret, "nobody-knows-this-token"}, ":"))
	got := strings.Split(cookieOf(t, w).Value, ":")
	if len(got) != 2 || got[0] != otherSecret || !access.ValidSecret(got[1]) {
		t.Errorf("the cookie holds %q, want the other tag's token and a new one", got)
	}
	// At most 32, the oldest go.
	value := ""
	for range 40 {
		w := b.post("/servlet/token", code("ABCDEFGH"), "Cookie", "token="+value)
		value = cookieOf(t, w).Value
	}
	if n := strings.Count(value, ":") + 1; n != 32 {
		t.Errorf("%d tokens in the cookie, want %d", n, 32)
	}
	if got := b.get(http.MethodGet, "/img/640/1.jpg", value).Code; got != 200 {
		t.Errorf("with the full cookie: %d", got)
	}
}

func TestErrorsAreJSON(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	var got struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(b.get(http.MethodGet, "/img/7/1.jpg", "").Body.Bytes(), &got); err != nil || got.Error.Code != "size" {
		t.Errorf("got %+v, %v", got, err)
	}
}
