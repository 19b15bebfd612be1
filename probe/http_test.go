package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// lookAt makes the checker of a kind and looks once.
func lookAt(t *testing.T, kind Kind) Look {
	t.Helper()
	kind.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
	checker, err := kind.Checker(Env{Name: "test", Every: time.Minute, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return checker.Check(ctx)
}

func pattern(t *testing.T, text string) Pattern {
	t.Helper()
	var p Pattern
	if err := p.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

func expression(t *testing.T, text string) Regexp {
	t.Helper()
	var r Regexp
	if err := r.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r
}

// testSite answers in all the ways that the tests need.
func testSite(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("X-Build", "42")
		_, _ = io.WriteString(w, "<title>Photos</title>build 42")
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok","nodes":[{"name":"db-1","up":true}],"n":3}`)
	})
	mux.HandleFunc("/500", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "you sent %s and %s: %s", r.Header.Get("X-Token"), r.Host, strings.Repeat("x", 5000))
	})
	mux.HandleFunc("/challenge", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><head><title>Just a moment...</title></head></html>")
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 300<<10))
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/hop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/hop2", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/hop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "only this")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/cut-chunked", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "only this")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.Host, r.UserAgent(), r.Header.Get("X-Token"), body)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	site := testSite(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "token=%q auth=%q", r.Header.Get("X-Token"), r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	away := httptest.NewServer(http.RedirectHandler(other.URL+"/landed", http.StatusFound))
	t.Cleanup(away.Close)
	token := map[string]Secret{"X-Token": "s3cret", "Authorization": "Bearer b34rer", "Host": "photos.test"}
	tests := []struct {
		name  string
		conf  HTTP
		class Class  // "" means good
		says  string // part of the message
		body  string // part of the evidence
		code  int
	}{
		{name: "plain", conf: HTTP{URL: site.URL + "/ok"}, code: 200},
		{name: "every expectation met", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{
			BodyContains: []string{"<title>", "42"}, BodyNotContains: []string{"Fatal"}, BodyMatches: []Regexp{expression(t, `build \d+`)},
			Headers: map[string]Pattern{"x-build": pattern(t, "42"), "Content-Type": pattern(t, "/^text.html/")}, MinSize: 10, MaxSize: 100, LatencyUnder: time.Minute,
		}}, code: 200},
		{name: "json", conf: HTTP{URL: site.URL + "/json", Expect: HTTPExpect{JSON: map[string]Pattern{
			"$.status": pattern(t, "ok"), "$.nodes[0].name": pattern(t, "/^db-/"), "$.nodes[0].up": pattern(t, "true"), "n": pattern(t, "3"),
		}}}, code: 200},
		{name: "status", conf: HTTP{URL: site.URL + "/500", Headers: token}, class: ClassStatus, says: "500, not 200-299", body: "you sent REDACTED and", code: 500},
		{name: "status as wished", conf: HTTP{URL: site.URL + "/500", Expect: HTTPExpect{Status: []StatusRange{{Low: 404, High: 404}, {Low: 500, High: 599}}}}, code: 500},
		{name: "text missing", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{BodyContains: []string{"Photos", "Albums"}}}, class: ClassBody, says: `does not contain "Albums"`, body: "Photos", code: 200},
		{name: "text unwanted", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{BodyNotContains: []string{"build"}}}, class: ClassBody, says: `contains "build"`, code: 200},
		{name: "expression", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{BodyMatches: []Regexp{expression(t, "^x")}}}, class: ClassBody, says: "match", code: 200},
		{name: "json differs", conf: HTTP{URL: site.URL + "/json", Expect: HTTPExpect{JSON: map[string]Pattern{"n": pattern(t, "4")}}}, class: ClassBody, says: `n is "3", not "4"`, code: 200},
		{name: "json missing", conf: HTTP{URL: site.URL + "/json", Expect: HTTPExpect{JSON: map[string]Pattern{"$.nodes[1].up": pattern(t, "*")}}}, class: ClassBody, says: "nothing stands there", code: 200},
		{name: "json is none", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{JSON: map[string]Pattern{"$.a": pattern(t, "1")}}}, class: ClassBody, says: "nothing stands there", code: 200},
		{name: "header differs", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{Headers: map[string]Pattern{"X-Build": pattern(t, "43")}}}, class: ClassHeader, says: `is "42", not "43"`, code: 200},
		{name: "header missing", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{Headers: map[string]Pattern{"X-None": pattern(t, "*")}}}, class: ClassHeader, says: "missing", code: 200},
		{name: "too small", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{MinSize: 1 << 10}}, class: ClassBody, says: "smaller than 1KiB", code: 200},
		{name: "too large", conf: HTTP{URL: site.URL + "/big", MaxBody: 299 << 10, Expect: HTTPExpect{MaxSize: 299 << 10}}, class: ClassBody, says: "larger than 299KiB", code: 200},
		{name: "just as large", conf: HTTP{URL: site.URL + "/big", MaxBody: 300 << 10, Expect: HTTPExpect{MinSize: 300 << 10, MaxSize: 300 << 10}}, code: 200},
		{name: "slow", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{LatencyUnder: 1}}, class: ClassLatency, says: "took 1ns or more", code: 200},
		{name: "challenge", conf: HTTP{URL: site.URL + "/challenge"}, class: ClassBody, says: "just a moment", body: "Just a moment", code: 200},
		{name: "challenge allowed", conf: HTTP{URL: site.URL + "/challenge", Challenge: "allow"}, code: 200},
		{name: "no certificate", conf: HTTP{URL: site.URL + "/ok", Expect: HTTPExpect{TLSDaysLeft: 3}}, class: ClassTLS, says: "no certificate", code: 200},
		{name: "redirect followed", conf: HTTP{URL: site.URL + "/hop"}, code: 200},
		{name: "redirect not followed", conf: HTTP{URL: site.URL + "/hop", Redirects: Redirects{set: true}}, class: ClassStatus, says: "302", code: 302},
		{name: "redirect as wished", conf: HTTP{URL: site.URL + "/hop", Redirects: Redirects{set: true}, Expect: HTTPExpect{Status: []StatusRange{{Low: 302, High: 302}}}}, code: 302},
		{name: "redirects without end", conf: HTTP{URL: site.URL + "/loop"}, class: ClassStatus, says: "more than 10 times", code: 302},
		{name: "as many redirects as allowed", conf: HTTP{URL: site.URL + "/hop2", Redirects: Redirects{set: true, hops: 2}}, code: 200},
		{name: "one redirect too many", conf: HTTP{URL: site.URL + "/hop2", Redirects: Redirects{set: true, hops: 1}}, class: ClassStatus, says: "more than 1 times", code: 302},
		{name: "redirect to a file", conf: HTTP{URL: site.URL + "/file"}, class: ClassStatus, says: "not http or https", code: 302},
		{name: "secrets stay home", conf: HTTP{URL: away.URL, Headers: token, Expect: HTTPExpect{BodyContains: []string{`token="" auth=""`}}}, code: 200},
		{name: "cut off", conf: HTTP{URL: site.URL + "/cut"}, class: ClassBody, says: "closed while reading the answer", body: "only this", code: 200},
		{name: "cut off in chunks", conf: HTTP{URL: site.URL + "/cut-chunked"}, class: ClassBody, says: "closed while reading the answer", body: "only this", code: 200},
		{
			name: "request as asked for", code: 200,
			conf: HTTP{URL: site.URL + "/echo", Method: "PUT", Body: "payload", Headers: token, Expect: HTTPExpect{BodyContains: []string{"PUT photos.test " + UserAgent + " s3cret payload"}}},
		},
		{name: "agent of its own", conf: HTTP{URL: site.URL + "/echo", Headers: map[string]Secret{"user-agent": "curl"}, Expect: HTTPExpect{BodyContains: []string{" curl "}}}, code: 200},
		{name: "HEAD", conf: HTTP{URL: site.URL + "/ok", Method: "HEAD"}, code: 200},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			look := lookAt(t, &tc.conf)
			wantLook(t, look, tc.class, tc.says)
			if look.Code != tc.code {
				t.Errorf("code: got %d, want %d", look.Code, tc.code)
			}
			if !strings.Contains(string(look.Fault.Body), tc.body) || look.OK && look.Fault.Body != nil {
				t.Errorf("evidence: got %q, want %q in it", clip(string(look.Fault.Body), 100), tc.body)
			}
			if len(look.Fault.Body) > maxEvidence {
				t.Errorf("evidence: got %d bytes, want at most %d", len(look.Fault.Body), maxEvidence)
			}
			if look.Latency <= 0 || look.Phases.Connect <= 0 || look.Phases.FirstByte <= 0 || look.RemoteAddr == "" {
				t.Errorf("got %+v, want times and an address", look)
			}
		})
	}
}

// wantLook fails the test unless the look is good (class "") or failed as said.
func wantLook(t *testing.T, look Look, class Class, says string) {
	t.Helper()
	if look.Fault.Class != class || look.OK != (class == "") || look.Blind {
		t.Errorf("got ok %v, blind %v, fault %+v; want class %q", look.OK, look.Blind, look.Fault, class)
	}
	if !strings.Contains(look.Fault.Message, says) {
		t.Errorf("message: got %q, want %q in it", look.Fault.Message, says)
	}
	if class != "" && look.Fault.Phase == "" {
		t.Error("a fault without a phase")
	}
}

func TestHTTPSizeIsALowerBound(t *testing.T) {
	t.Parallel()
	site := testSite(t)
	look := lookAt(t, &HTTP{URL: site.URL + "/big", MaxBody: 64 << 10})
	if !look.OK || look.Bytes != 64<<10 {
		t.Errorf("got ok %v with %d bytes, want the limit of %d", look.OK, look.Bytes, 64<<10)
	}
}

// listener accepts connections and treats each as told.
func listener(t *testing.T, treat func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				treat(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// silent keeps a connection until the other side lets go of it.
func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// refusing is an address that nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestHTTPBroken(t *testing.T) {
	t.Parallel()
	closing := listener(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) })
	nonsense := listener(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n")
	})
	refused := refusing(t)
	tests := []struct {
		name, url   string
		class       Class
		phase, says string
	}{
		{"refused", "http://" + refused, ClassConnect, phaseConnect, "refused by " + refused},
		{"closed", "http://" + closing, ClassConnect, phaseFirstByte, "closed while waiting for the first byte"},
		{"not http", "http://" + nonsense, ClassBody, phaseTransfer, "malformed HTTP"},
		{"not tls", "https://" + nonsense, ClassTLS, phaseTLS, ""},
		{"no such name", "http://nobody.invalid/", ClassDNS, phaseDNS, `"nobody.invalid"`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			look := lookAt(t, &HTTP{URL: tc.url})
			wantLook(t, look, tc.class, tc.says)
			if look.Fault.Phase != tc.phase {
				t.Errorf("phase: got %q, want %q", look.Fault.Phase, tc.phase)
			}
		})
	}
}

// A deadline that has passed is honoured in every phase, and named.
func TestDeadline(t *testing.T) {
	t.Parallel()
	mute := listener(t, silent)
	half := listener(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		silent(c)
	})
	tests := []struct {
		name  string
		kind  Kind
		phase string
	}{
		{"http, no answer", &HTTP{URL: "http://" + mute}, phaseFirstByte},
		{"http, half an answer", &HTTP{URL: "http://" + half}, phaseTransfer},
		{"https, no handshake", &HTTP{URL: "https://" + mute}, phaseTLS},
		{"tcp, no banner", &TCP{Address: mute, Expect: TCPExpect{Contains: "x"}}, phaseFirstByte},
		{"tls, no handshake", &TLS{Address: mute}, phaseTLS},
		{"dns, no answer", &DNS{Name: "example.com", Server: deafServer(t)}, phaseDNS},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			checker, err := tc.kind.Checker(Env{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			look := checker.Check(ctx)
			wantLook(t, look, ClassTimeout, "no answer in time")
			if look.Fault.Phase != tc.phase {
				t.Errorf("phase: got %q, want %q", look.Fault.Phase, tc.phase)
			}
		})
	}
}

func TestDisguise(t *testing.T) {
	t.Parallel()
	page := func(title string) string {
		return "<!DOCTYPE html><html><head><title>" + title + "</title></head></html>"
	}
	tests := []struct {
		name, contentType, body string
		header                  [2]string
		want                    bool
	}{
		{name: "a page", contentType: "text/html", body: page("Photos")},
		{name: "cloudflare", contentType: "text/html", body: page("Just a moment..."), want: true},
		{name: "cloudflare block", contentType: "text/html", body: page("Attention Required! | Cloudflare"), want: true},
		{name: "captcha", contentType: "text/html", body: page("Captcha challenge"), want: true},
		{name: "captcha in the text", contentType: "text/html", body: "<p>Please complete the CAPTCHA to go on", want: true},
		{name: "gateway", contentType: "text/html", body: page("502 Bad Gateway"), want: true},
		{name: "unavailable", contentType: "text/html; charset=utf-8", body: "<TITLE>\n Service&nbsp;Unavailable </TITLE>", want: true},
		{name: "heading", contentType: "text/html", body: "<h1 class=\"big\"><b>503</b> Service Temporarily Unavailable</h1>", want: true},
		{name: "nginx", contentType: "text/html", body: page("Welcome to nginx!"), want: true},
		{name: "apache", contentType: "text/html", body: page("Apache2 Debian Default Page: It works"), want: true},
		{name: "no content type", body: "<html><title>403 Forbidden</title>", want: true},
		{name: "header", contentType: "text/html", header: [2]string{"Cf-Mitigated", "challenge"}, want: true},
		{name: "waf header", contentType: "application/json", header: [2]string{"X-Amzn-Waf-Action", "captcha"}, want: true},
		{name: "an article about it", contentType: "text/html", body: page("What 502 Bad Gateway means")},
		{name: "healthy page behind cloudflare", contentType: "text/html", body: page("Photos") + `<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js">`},
		{name: "json about it", contentType: "application/json", body: `{"title":"<title>502 Bad Gateway</title>"}`},
		{name: "picture", contentType: "image/jpeg", body: page("502 Bad Gateway")},
		{name: "open title", contentType: "text/html", body: "<title"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if tc.contentType != "" {
				header.Set("Content-Type", tc.contentType)
			}
			if tc.header[0] != "" {
				header.Set(tc.header[0], tc.header[1])
			}
			if got := disguise(header, []byte(tc.body)); (got != "") != tc.want {
				t.Errorf("sign: got %q, want one: %v", got, tc.want)
			}
		})
	}
}
