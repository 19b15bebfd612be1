package traffic

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	ms := time.Millisecond
	alb := `https 2026-11-22T12:00:00.000000Z app/my/50dc 192.0.2.1:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://Photos.example.com:443/a?b=c HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 arn:aws:x "Root=1-58337281-1d84f3d73c47ec4e58577259" "photos.example.com" "arn:aws:acm" 1 2026-11-22T11:59:59.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"`
	tests := []struct {
		name   string
		format Format
		line   string
		want   *Request
	}{
		{"combined", Combined, `127.0.0.1 - - [22/Nov/2026:13:00:00 +0100] "GET /a HTTP/1.1" 200 5 "http://x/" "Mozilla/5.0 (X11)"`, &Request{noon, 200, unknownTime, "", "Mozilla/5.0 (X11)"}},
		{"with a request time", Combined, `127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla" 2.001 "more"`, &Request{noon, 200, 2001 * ms, "", "Mozilla"}},
		{"a name with brackets", Combined, `127.0.0.1 - a[b] [22/Nov/2026:12:00:00 +0000] "GET /a HTTP/1.1" 499 0 "-" "-"`, &Request{noon, 499, unknownTime, "", "-"}},
		{"quotes in the request", Combined, `127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] "GET /\" 500 1 \"x HTTP/1.1" 404 5 "-" "a \"b\""`, &Request{noon, 404, unknownTime, "", `a \"b\"`}},
		{"an empty request", Combined, `127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] "" 400 0 "-" "-"`, &Request{noon, 400, unknownTime, "", "-"}},
		{"common", Combined, `127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5`, &Request{noon, 200, unknownTime, "", ""}},
		{"no time", Combined, `127.0.0.1 - - "GET / HTTP/1.1" 200 5 "-" "-"`, nil},
		{"cut", Combined, `127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] "GET / HT`, nil},
		{"JSON", NginxJSON, `{"msec":"1795348800.000","status":"200","request_time":"0.003","host":"Photos.example.com:8080","http_user_agent":"Mozilla"}`, &Request{noon, 200, 3 * ms, "photos.example.com", "Mozilla"}},
		{"JSON with numbers and other names", NginxJSON, ` {"@timestamp":"2026-11-22T13:00:00+01:00","status":503,"request_time":2.5,"http_host":"[::1]:80","user_agent":"a\"b"}`, &Request{noon, 503, 2500 * ms, "::1", `a"b`}},
		{"JSON without a status", NginxJSON, `{"msec":1795348800}`, nil},
		{"JSON without a time", NginxJSON, `{"status":200}`, nil},
		{"JSON that is cut", NginxJSON, `{"msec":1795348800,"status":200`, nil},
		{"ALB", ALB, alb, &Request{noon, 200, 171 * ms, "photos.example.com", "curl/7.46.0"}},
		{"ALB without a target", ALB, `http 2026-11-22T12:00:00.000000Z app/my/50dc 192.0.2.1:2817 - -1 -1 -1 503 - 0 57 "GET http://a:80/ HTTP/1.1" "curl" - -`, &Request{noon, 503, unknownTime, "a", "curl"}},
		{"ALB that is cut", ALB, alb[:120], nil},
		{"status of no kind", Combined, `127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 20 5 "-" "-"`, nil},
		{"nothing", Combined, ``, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, ok := tt.format.Parse([]byte(tt.line))
			got := &r
			if !ok {
				got = nil
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("request (-got +want):\n%s", diff)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	c := Config{Hosts: []string{"photos.example.com"}}
	c.SetDefaults()
	s := time.Second
	tests := []struct {
		name string
		r    Request
		want Verdict
	}{
		{"good", Request{Status: 200, Took: s}, GoodOne},
		{"not modified", Request{Status: 304, Took: unknownTime}, GoodOne},
		{"just in time", Request{Status: 200, Took: 2 * s}, GoodOne},
		{"slow", Request{Status: 200, Took: 2*s + 1}, BadOne},
		{"a socket", Request{Status: 101, Took: 600 * s}, GoodOne},
		{"broken", Request{Status: 502, Took: unknownTime}, BadOne},
		{"not found, slowly", Request{Status: 404, Took: 9 * s}, Invalid},
		{"left at once", Request{Status: 499, Took: s}, Invalid},
		{"left after waiting", Request{Status: 499, Took: 3 * s}, BadOne},
		{"left, nobody knows when", Request{Status: 499, Took: unknownTime}, Invalid},
		{"left a load balancer", Request{Status: 460, Took: 3 * s}, BadOne},
		{"a probe", Request{Status: 500, Agent: "KeepWatch/1.0"}, Invalid},
		{"a health check", Request{Status: 200, Agent: "ELB-HealthChecker/2.0"}, Invalid},
		{"this host", Request{Status: 500, Host: "photos.example.com"}, BadOne},
		{"another host", Request{Status: 500, Host: "blog.example.com"}, Invalid},
	}
	for _, tt := range tests {
		if got := c.Judge(tt.r); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("combined", `127.0.0.1 - - [22/Nov/2026:13:00:00 +0100] "GET /a HTTP/1.1" 200 5 "http://x/" "Mozilla/5.0 (X11)" 0.1`)
	f.Add("nginx_json", `{"msec":"1795348800.000","status":"200","request_time":"0.003","host":"a"}`)
	f.Add("alb", `http 2026-11-22T12:00:00.000000Z app/my/50dc 192.0.2.1:2817 - -1 -1 -1 503 - 0 57 "GET http://a:80/ HTTP/1.1" "curl" - -`)
	f.Fuzz(func(t *testing.T, format, line string) {
		r, ok := Format(format).Parse([]byte(line))
		if !ok {
			return
		}
		if r.Status < 100 || r.Status > 999 || r.At.Year() < 1999 || r.At.Location() != time.UTC || r.Took < unknownTime {
			t.Errorf("impossible request %+v", r)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for format, line := range map[Format]string{
		Combined:  `127.0.0.1 - - [22/Nov/2026:13:00:00 +0100] "GET /a HTTP/1.1" 200 5 "http://x/" "Mozilla/5.0 (X11)" 0.1`,
		NginxJSON: `{"msec":"1795348800.000","status":"200","request_time":"0.003","host":"a","http_user_agent":"Mozilla/5.0 (X11)"}`,
	} {
		b.Run(string(format), func(b *testing.B) {
			c := Counter{Config: Config{Format: format}}
			c.Config.SetDefaults()
			now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
			for b.Loop() {
				c.Add([]byte(line), now)
			}
		})
	}
}
