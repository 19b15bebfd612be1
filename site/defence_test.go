package site

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/guard"
	"keepwatch/site/render"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := map[string]guard.Class{
		"GET /":                         guard.Home,
		"GET /healthz":                  guard.Free,
		"GET /readyz":                   guard.Free,
		"GET /assets/12345678/site.css": guard.Static,
		"GET /img/640/1.jpg":            guard.Image,
		"GET /i/640/1.jpg":              guard.Image,
		"GET /api/v1/photos/1/image/64": guard.Image,
		"GET /api/v1/photos/1":          guard.Browse,
		"GET /recent":                   guard.Browse,
		"GET /servlet/browserest":       guard.Browse,
		"POST /rest/edit":               guard.Browse,
		"POST /login":                   guard.Code,
		"GET /login":                    guard.Browse,
		"POST /servlet/token":           guard.Code,
		"POST /api/v1/session":          guard.Code,
		"GET /api/v1/session":           guard.Browse,
		"POST /rest/upload":             guard.Upload,
		"POST /api/v1/photos":           guard.Upload,
		"GET /api/v1/photos":            guard.Browse,
		"GET /healthz/x":                guard.Browse,
	}
	for name, want := range tests {
		method, path, _ := strings.Cut(name, " ")
		if got := classify(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// Strangers are limited, holders at the same address are not, and nothing that a
// stranger sends makes it a holder.
func TestStrangersAreLimited(t *testing.T) {
	t.Parallel()
	few := guard.Rate{Events: 3, Per: time.Hour, Burst: 3}
	b := setup(t, func(c *Config) { c.Limits.Strangers, c.Limits.Browse = few, few })
	see := func(path, tokens string) string {
		w := b.get(http.MethodGet, path, tokens)
		return fmt.Sprint(w.Code, " ", w.Header().Get("Retry-After") != "")
	}
	for range 3 {
		see("/img/640/1.jpg", "")
	}
	if got := see("/img/640/1.jpg", readSecret); got != "429 true" {
		t.Errorf("a holder that the process has not seen, after strangers used up the address: %s", got)
	}
	other := setup(t, func(c *Config) { c.Limits.Strangers, c.Limits.Browse = few, few })
	b = other
	see("/img/640/1.jpg", readSecret) // from now on it is known
	for range 5 {
		see("/img/640/1.jpg", "nobody-knows-this-token")
	}
	got := map[string]string{
		"picture, stranger": see("/img/640/1.jpg", ""),
		"picture, junk":     see("/img/640/1.jpg", "nobody-knows-this-token"),
		"picture, holder":   see("/img/640/1.jpg", readSecret),
		"health":            see("/healthz", ""),
	}
	want := map[string]string{"picture, stranger": "429 true", "picture, junk": "429 true", "picture, holder": "200 false", "health": "200 false"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// The challenge stands before the front page and the code form, never answers
// 200, and our own signed probes pass it, but no access rule.
func TestChallengeAndSignedProbes(t *testing.T) {
	t.Parallel()
	const key = "a key of at least sixteen"
	b := setup(t, func(c *Config) { c.Challenge, c.ProbeKey = guard.Always, key })
	nonce := 0
	signed := func(method, path string) []string {
		nonce++
		return []string{guard.ProbeHeader, guard.Sign([]byte(key), time.Now(), fmt.Sprintf("nonce-%012d", nonce), method, path)}
	}
	got := map[string]int{
		"front page, stranger":        b.get(http.MethodGet, "/", "").Code,
		"front page, holder":          b.get(http.MethodGet, "/", readSecret).Code,
		"front page, unknown token":   b.get(http.MethodGet, "/", "nobody-knows-this-token").Code,
		"front page, our probe":       b.get(http.MethodGet, "/", "", signed("GET", "/")...).Code,
		"front page, forged":          b.get(http.MethodGet, "/", "", guard.ProbeHeader, "1.nonce-000000000001.AAAA").Code,
		"picture, our probe, no code": b.get(http.MethodGet, "/img/640/1.jpg", "", signed("GET", "/img/640/1.jpg")...).Code,
		"solver":                      b.get(http.MethodGet, "/guard/solve.js", "").Code,
	}
	want := map[string]int{
		"front page, stranger": 429, "front page, holder": 200, "front page, unknown token": 429, "front page, our probe": 200,
		"front page, forged": 429, "picture, our probe, no code": 403, "solver": 200,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// A renderer without time is a 503 that says when to come back.
func TestBusyRendererIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	w := httptest.NewRecorder()
	b.api.Writer.Fail(w, httptest.NewRequest(http.MethodGet, "/img/640/1.jpg", nil), fmt.Errorf("picture: %w", &render.BusyError{After: 2 * time.Second}))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" || w.Header().Get("Connection") != "close" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// A visitor who asks for more renders than allowed gets what is cached still.
func TestColdPicturesAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Limits.Cold = guard.Rate{Events: 2, Per: time.Hour, Burst: 2} })
	var got []int
	for _, path := range []string{"/img/640/1.jpg", "/img/350/1.jpg", "/img/256/1.jpg", "/img/640/1.jpg"} {
		got = append(got, b.get(http.MethodGet, path, readSecret).Code)
	}
	if diff := cmp.Diff(got, []int{200, 200, 429, 200}); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// fileSeen is a connection that notes what it is asked to send.
type fileSeen struct {
	*net.TCPConn
	note func(io.Reader)
}

// ReadFrom is how the server hands a file to the kernel.
func (c *fileSeen) ReadFrom(r io.Reader) (int64, error) {
	c.note(r)
	return c.TCPConn.ReadFrom(r)
}

type fileListener struct {
	net.Listener
	note func(io.Reader)
}

func (l fileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fileSeen{c.(*net.TCPConn), l.note}, nil
}

// Through all that stands before it a cached picture still reaches the kernel as
// the file that it is: that is sendfile.
func TestCachedPicturesLeaveBySendfile(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.get(http.MethodGet, "/img/640/1.jpg", readSecret) // into the cache
	var mu sync.Mutex
	var sent []string
	srv := httptest.NewUnstartedServer(b.handler)
	srv.Listener = fileListener{srv.Listener, func(r io.Reader) {
		if l, ok := r.(*io.LimitedReader); ok {
			r = l.R
		}
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, fmt.Sprintf("%T", r))
	}}
	srv.Start()
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/img/640/1.jpg", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "token="+readSecret)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < 1000 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(sent, []string{fmt.Sprintf("%T", &os.File{})}); diff != "" {
		t.Errorf("handed to the kernel (-got +want):\n%s", diff)
	}
}

// serving runs the site on a socket; the returned function ends it.
func serving(t *testing.T, b *bundle) (addr string, end func()) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, ln) }() // ends with cancel
	return ln.Addr().String(), func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// freePort is an address that nobody listens on just now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Health and metrics are on a listener of their own; metrics are only there.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	none := time.Duration(0)
	admin := freePort(t)
	b := setup(t, func(c *Config) { c.AdminListen, c.Drain = admin, &none })
	b.get(http.MethodGet, "/img/640/1.jpg", readSecret)
	b.get(http.MethodGet, "/img/640/1.jpg", readSecret)
	addr, end := serving(t, b)
	defer end()
	becomes(t, "ready", func() bool {
		resp, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	if status, body := fetch(t, "http://"+admin+"/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("health: %d %q", status, body)
	}
	if status, _ := fetch(t, "http://"+addr+"/healthz"); status != 200 {
		t.Errorf("health at its old place: %d", status)
	}
	if status, _ := fetch(t, "http://"+addr+"/metrics"); status != 404 {
		t.Errorf("metrics for everybody: %d", status)
	}
	status, text := fetch(t, "http://"+admin+"/metrics")
	for _, want := range []string{
		"# TYPE keepwatch_site_requests_total counter\n", `keepwatch_site_requests_total{class="image",result="passed"} 1` + "\n",
		`keepwatch_site_requests_total{class="stranger",result="passed"} 1` + "\n", "keepwatch_site_load_level 0\n",
		"keepwatch_site_renders_total 1\n", "keepwatch_site_pictures_cached_total 1\n", `keepwatch_site_ready{part="cache"} 1` + "\n",
	} {
		if status != 200 || !strings.Contains(text, want) {
			t.Errorf("metrics (%d) lack %q", status, want)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := strconv.ParseFloat(value, 64); err != nil || !strings.HasPrefix(name, "keepwatch_site_") {
			t.Errorf("a line that no scraper reads: %q", line)
		}
	}
}

func TestAdminAddress(t *testing.T) {
	t.Parallel()
	at := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port} }
	tests := map[string]struct {
		text string
		site net.Addr
		want string
	}{
		"default":             {"", at(8080), "127.0.0.1:9080 false"},
		"default, high port":  {"", at(65000), "127.0.0.1:64000 false"},
		"off":                 {"off", at(8080), " false"},
		"given":               {"10.0.0.5:9000", at(8080), "10.0.0.5:9000 true"},
		"no port, no default": {"", &net.UnixAddr{Name: "x"}, " false"},
	}
	for name, tt := range tests {
		addr, given := (&Config{AdminListen: tt.text}).admin(tt.site)
		if got := fmt.Sprint(addr, " ", given); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A chosen admin address that is taken stops the start; the default one is only missed.
func TestAdminAddressIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b := setup(t, func(c *Config) { c.AdminListen = taken.Addr().String() })
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "site.admin_listen") {
		t.Errorf("got %v", err)
	}
	var log bytes.Buffer
	b = setup(t, nil)
	b.log = slog.New(slog.NewTextHandler(&log, nil))
	port := taken.Addr().(*net.TCPAddr).Port - adminAway
	a, err := b.newAdmin(t.Context(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if a != nil || err != nil || !strings.Contains(log.String(), "no address for health and metrics") {
		t.Errorf("%v, %v, log %q", a, err, log.String())
	}
}

func TestGuardConfig(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*Config)
		want   string // path of the mistake; "" is none
	}{
		"defaults":          {func(*Config) {}, ""},
		"admin off":         {func(c *Config) { c.AdminListen = "off" }, ""},
		"admin nonsense":    {func(c *Config) { c.AdminListen = "8081" }, "admin_listen"},
		"admin is the site": {func(c *Config) { c.AdminListen = c.Listen }, "admin_listen"},
		"challenge":         {func(c *Config) { c.Challenge = "sometimes" }, "challenge"},
		"short key":         {func(c *Config) { c.ProbeKey = "short" }, "probe_key"},
		"stale for ever":    {func(c *Config) { d := 2 * time.Hour; c.StaleFor = &d }, "stale_for"},
		"limits":            {func(c *Config) { c.Limits.Connections = -1 }, "limits.connections"},
	}
	for name, tt := range tests {
		var c Config
		c.SetDefaults()
		tt.change(&c)
		got := ""
		c.Validate(func(path, _ string) { got += path })
		if got != tt.want {
			t.Errorf("%s: mistakes at %q, want %q", name, got, tt.want)
		}
	}
}
