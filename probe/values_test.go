package probe

import (
	"encoding"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScalars(t *testing.T) {
	t.Parallel()
	tests := []struct {
		into encoding.TextUnmarshaler
		text string
		want string // the text it gives back; "!" and a part of the error otherwise
	}{
		{new(StatusRange), "200", "200"},
		{new(StatusRange), "200-299", "200-299"},
		{new(StatusRange), "2xx", "200-299"},
		{new(StatusRange), "5XX", "500-599"},
		{new(StatusRange), " 301 - 302 ", "301-302"},
		{new(StatusRange), "299-200", "!upside down"},
		{new(StatusRange), "99", "!not a code"},
		{new(StatusRange), "600", "!not a code"},
		{new(StatusRange), "200-", "!not a range"},
		{new(StatusRange), "9xx", "!not a code"},
		{new(StatusRange), "", "!not a code"},
		{new(Regexp), `\d+`, `\d+`},
		{new(Regexp), `(`, "!not a regular expression"},
		{new(Regexp), "", "!matches everything"},
		{new(Pattern), "ok", "ok"},
		{new(Pattern), "/^a/", "/^a/"},
		{new(Pattern), "/(/", "!not a regular expression"},
		{new(Pattern), "*", "*"},
		{new(Size), "512", "512B"},
		{new(Size), "64KiB", "64KiB"},
		{new(Size), "1.5 MiB", "1536KiB"},
		{new(Size), "2GiB", "2GiB"},
		{new(Size), "1kb", "1000B"},
		{new(Size), "-1", "!not a size"},
		{new(Size), "NaN", "!not a size"},
		{new(Size), "99999999GiB", "!not a size"},
		{new(Size), "KiB", "!not a size"},
		{new(Redirects), "follow", "follow"},
		{new(Redirects), "none", "none"},
		{new(Redirects), "3", "3"},
		{new(Redirects), "51", "!not known"},
		{new(Redirects), "yes", "!not known"},
		{new(Percent), "35%", "35%"},
		{new(Percent), "0%", "0%"},
		{new(Percent), "0.5 %", "0.5%"},
		{new(Percent), "35", "!not a percentage"},
		{new(Percent), "101%", "!not a percentage"},
		{new(Percent), "NaN%", "!not a percentage"},
		{new(TLSVersion), "1.2", "1.2"},
		{new(TLSVersion), "1.3", "1.3"},
		{new(TLSVersion), "SSLv3", "!not a version"},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%T %q", tc.into, tc.text), func(t *testing.T) {
			t.Parallel()
			err := tc.into.UnmarshalText([]byte(tc.text))
			if part, wantErr := strings.CutPrefix(tc.want, "!"); wantErr {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got error %v, want one with %q", err, part)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, _ := tc.into.(encoding.TextMarshaler)
			if got, _ := m.MarshalText(); string(got) != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPatternMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, value string
		want           bool
	}{
		{"ok", "ok", true},
		{"ok", "okay", false},
		{"/^o.$/", "ok", true},
		{"/^o.$/", "okay", false},
		{"*", "", true},
		{"/", "/", true},
		{"//", "//", true},
		{"", "", true},
		{"", "x", false},
	}
	for _, tc := range tests {
		var p Pattern
		if err := p.UnmarshalText([]byte(tc.pattern)); err != nil {
			t.Fatal(err)
		}
		if got := p.Match(tc.value); got != tc.want {
			t.Errorf("%q on %q: got %v, want %v", tc.pattern, tc.value, got, tc.want)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	const body = ` {"a": {"b": [{"c": "deep"}, 2, null, true, 1.50], "odd.key": {"x y": "é\n"}}, "n": -0.5e3, "": 1} `
	tests := []struct{ path, want string }{
		{"$.a.b[0].c", "deep"},
		{"a.b[0].c", "deep"},
		{"$.a.b[1]", "2"},
		{"$.a.b[2]", "null"},
		{"$.a.b[3]", "true"},
		{"$.a.b[4]", "1.50"},
		{"$.n", "-0.5e3"},
		{"$.a['odd.key']['x y']", "é\n"},
		{"$.a.b[0]", `{"c":"deep"}`},
		{"$['']", "1"},
		{"$.a.b[9]", "!part 3"},
		{"$.a.c.d", "!part 2"},
		{"$.n.x", "!part 2"},
		{"$.a[0]", "!part 2"},
		{"$", `{"a":{"b":[{"c":"deep"},2,null,true,1.50],"odd.key":{"x y":"é\n"}},"n":-0.5e3,"":1}`},
	}
	for _, tc := range tests {
		t.Run(tc.path, func(t *testing.T) {
			t.Parallel()
			steps, err := parsePath(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := lookup([]byte(body), steps)
			if part, wantErr := strings.CutPrefix(tc.want, "!"); wantErr {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, %v; want an error with %q", got, err, part)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
	for _, path := range []string{"", "$.", "$..a", "$.a[", "$.a[-1]", "$.a[x]", "$['a", "$.a]", "$.*", "$x", strings.Repeat(".a", 40)} {
		if steps, err := parsePath(path); err == nil {
			t.Errorf("path %q: got %v, want an error", path, steps)
		}
	}
}

func FuzzStatusRange(f *testing.F) {
	for _, seed := range []string{"200", "200-299", "2xx", "", "-", "599-100"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again StatusRange
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if s.Low < 100 || s.High > 599 || s.Low > s.High || !s.Contains(s.Low) || !s.Contains(s.High) || s.Contains(s.High+1) {
			t.Errorf("%q: got %+v", text, s)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q is written %q and read back as %+v, %v", text, s, again, err)
		}
	})
}

func FuzzJSONPath(f *testing.F) {
	for _, seed := range []string{"$.a.b[0].c", "a.b", "$['odd.key'][2]", "$", "", "[0]", "$.a['b']"} {
		f.Add(seed, `{"a":{"b":[{"c":1}]}}`)
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		steps, err := parsePath(path)
		if err != nil {
			return
		}
		got, err := lookup([]byte(body), steps)
		if err == nil && len(steps) == 0 && !json.Valid([]byte(body)) {
			t.Errorf("the whole of %q is %q, but it is not JSON", body, got)
		}
		if len(got) > 8*len(body)+8 { // an invalid byte may become three, an escape fewer
			t.Errorf("%q in %q gave %d bytes", path, body, len(got))
		}
	})
}

func FuzzBanner(f *testing.F) {
	f.Add("220 ", "ESMTP", `^\d+`, "220 mail ESMTP ready\r\n")
	f.Add("", "", "x", "")
	f.Fuzz(func(t *testing.T, prefix, contains, expression, banner string) {
		c := tcpChecker{conf: TCP{Expect: TCPExpect{Prefix: prefix, Contains: contains}}}
		if expression != "" && c.conf.Expect.Matches.UnmarshalText([]byte(expression)) != nil {
			return
		}
		fault, final := c.judge([]byte(banner))
		ok := strings.HasPrefix(banner, prefix) && strings.Contains(banner, contains) &&
			(expression == "" || c.conf.Expect.Matches.re.MatchString(banner))
		if (fault.Class == "") != ok {
			t.Errorf("got %+v for %q, want ok %v", fault, banner, ok)
		}
		if final && strings.HasPrefix(prefix, banner) {
			t.Errorf("%q may still become %q, but it was called final", banner, prefix)
		}
		if len(fault.Message) > maxMessage {
			t.Errorf("the message has %d bytes", len(fault.Message))
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"1", "64KiB", "1.5MiB", "2 GB", "-1", "1e3", "B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); s < 0 || err != nil || again != s {
			t.Errorf("%q is %d, written %q and read back as %d, %v", text, s, s, again, err)
		}
	})
}

func FuzzDisguise(f *testing.F) {
	f.Add("text/html", "<title>Just a moment...</title>")
	f.Add("", "<!doctype html><h1 class=x>502 Bad Gateway</h1>")
	f.Add("text/html", "<title")
	f.Fuzz(func(t *testing.T, contentType, page string) {
		sign := disguise(map[string][]string{"Content-Type": {contentType}}, []byte(page))
		if len(sign) > 4*maxQuoted {
			t.Errorf("the sign has %d bytes", len(sign))
		}
	})
}

func TestValidate(t *testing.T) {
	t.Parallel()
	status := StatusRange{Low: 200, High: 299}
	tests := []struct {
		name string
		kind Kind
		want []string // paths
	}{
		{"http, whole", &HTTP{
			URL: "https://photos.example.com/", Method: "POST", Headers: map[string]Secret{"X-Key": "k"}, Body: "b",
			Expect: HTTPExpect{Status: []StatusRange{status}, BodyContains: []string{"x"}, JSON: map[string]Pattern{"$.a": {}}, MinSize: 1, MaxSize: 2, LatencyUnder: time.Second, TLSDaysLeft: 14},
		}, nil},
		{"http, nothing", &HTTP{}, []string{"url"}},
		{"http, file", &HTTP{URL: "file:///etc/passwd"}, []string{"url"}},
		{"http, no host", &HTTP{URL: "http:///x"}, []string{"url"}},
		{"http, everything wrong", &HTTP{
			URL: "http://x", Method: "get", Headers: map[string]Secret{"a b": "x", "C": "x\r\ny"}, MaxBody: 1, Challenge: "maybe", Proxy: "x",
			Redirects: Redirects{set: true}, TLS: TLSClient{CAFile: "/nowhere", SkipVerify: true},
			Expect: HTTPExpect{
				BodyContains: []string{""}, BodyNotContains: []string{"a", ""}, JSON: map[string]Pattern{"$..": {}}, Headers: map[string]Pattern{"": {}},
				MinSize: 1 << 30, MaxSize: 1 << 29, LatencyUnder: -1, TLSDaysLeft: 3,
			},
		}, []string{
			"method", "challenge", "max_body", "proxy", "headers.a b", "headers.C", "tls.ca_file", "tls.ca_file",
			"expect.body_contains[0]", "expect.body_not_contains[1]", "expect.json.$..", "expect.headers.",
			"expect.min_size", "expect.max_size", "expect.max_size", "expect.latency_under", "expect.tls_days_left",
		}},
		{"http, HEAD with a body", &HTTP{URL: "http://x", Method: "HEAD", Expect: HTTPExpect{BodyContains: []string{"x"}}}, []string{"method"}},
		{"tcp", &TCP{Address: "db.example.com:5432"}, nil},
		{"tcp, v6", &TCP{Address: "[::1]:5432"}, nil},
		{"tcp, nothing", &TCP{}, []string{"address"}},
		{"tcp, no port", &TCP{Address: "db.example.com"}, []string{"address"}},
		{"tcp, odd port", &TCP{Address: "db:99999", ReadLimit: 1 << 30, Expect: TCPExpect{LatencyUnder: -1}}, []string{"address", "read_limit", "expect.latency_under"}},
		{"tls", &TLS{Address: "mail.example.com:993"}, nil},
		{"tls, wrong", &TLS{Address: ":993", DaysLeft: -1, CAFile: "/nowhere", LatencyUnder: -1}, []string{"address", "days_left", "ca_file", "latency_under"}},
		{"dns", &DNS{Name: "example.com", Type: "MX", Server: "192.0.2.53", Expect: DNSExpect{Rcode: "NXDOMAIN"}}, nil},
		{"dns, nothing", &DNS{}, []string{"name"}},
		{"dns, wrong", &DNS{Name: "a..b", Type: "ANY", Server: "x", Expect: DNSExpect{Rcode: "OOPS", LatencyUnder: -1}}, []string{"name", "type", "server", "expect.rcode", "expect.latency_under"}},
		{"icmp", &ICMP{Host: "192.0.2.1"}, nil},
		{"icmp, wrong", &ICMP{Count: 21, MaxLoss: Percent{set: true, share: 1}, LatencyUnder: -1}, []string{"host", "count", "max_loss", "latency_under"}},
		{"heartbeat", &Heartbeat{Within: time.Hour}, nil},
		{"heartbeat, nothing", &Heartbeat{}, []string{"within"}},
		{"heartbeat, too long", &Heartbeat{Within: 10000 * time.Hour}, []string{"within"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := map[string]int{}
			tc.kind.Validate(func(path, msg string) {
				got[path]++
				if msg == "" || strings.Contains(msg, "%!") {
					t.Errorf("%s: message %q", path, msg)
				}
			})
			want := map[string]int{}
			for _, path := range tc.want {
				want[path]++
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTargetHidesPasswords(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"https://ada:hunter22@example.com/", "https://ada:hunter22@exa mple.com/%zz"} {
		if got := (&HTTP{URL: raw}).Target(); strings.Contains(got, "hunter22") {
			t.Errorf("target %q shows the password", got)
		}
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	secret := Secret("s3cret-token")
	tests := []struct {
		name, body, want string
	}{
		{"plain", "hello", "hello"},
		{"echo", "you sent s3cret-token!", "you sent REDACTED!"},
		{"across the cut", strings.Repeat("a", maxEvidence-4) + "s3cret-token", strings.Repeat("a", maxEvidence-4) + "REDA"},
		{"long", strings.Repeat("b", 9000), strings.Repeat("b", maxEvidence)},
	}
	for _, tc := range tests {
		if got := string(evidence([]byte(tc.body), secret, "no")); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, clip(got, 60), clip(tc.want, 60))
		}
	}
	if got := evidence(nil, secret); got != nil {
		t.Errorf("no body: got %q, want nil", got)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"short", "short"},
		{"two\nlines\x00", "two lines "},
		{"aaaaaaaaaaé", "aaaaaaa…"},
		{"ääääääää", "äää…"},
		{"bad \xff", "bad ?"},
	}
	for _, tc := range tests {
		if got := clip(tc.in, 10); got != tc.want {
			t.Errorf("clip(%q): got %q, want %q", tc.in, got, tc.want)
		}
	}
}
