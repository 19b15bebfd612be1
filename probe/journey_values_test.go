package probe

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestJourneySecrets looks for the code, the cookie and the secrets wherever a look is shown.
func TestJourneySecrets(t *testing.T) {
	t.Parallel()
	const password, marked = "p&ss word-1", "csrf-998877"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: "cookie-secret-55"})
		if r.URL.Path == "/first" {
			_, _ = io.WriteString(w, "csrf="+marked)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %s %s plain-words", body, r.Header.Get("Cookie"), r.Header.Get("X-Key"), password, marked, r.FormValue("code"))
	}))
	t.Cleanup(srv.Close)
	j := &Journey{
		Base: srv.URL, Secrets: map[string]Secret{"password": password}, Variables: map[string]string{"both": "x{{password}}x"},
		Steps: []JourneyStep{
			{Name: "first", Request: JourneyRequest{URL: "/first"}, Capture: map[string]JourneyCapture{"csrf": {Regex: expression(t, "csrf=(.*)"), Secret: true}}},
			{
				Name:    "second",
				Request: JourneyRequest{URL: "/second?code={{site.code}}", Headers: map[string]Secret{"X-Key": "header-secret-7"}, Form: []FormField{{"p", "{{password}}"}, {"b", "{{both}}"}, {"c", "{{csrf}}"}}},
				Expect:  HTTPExpect{Status: []StatusRange{{Low: 418, High: 418}}, BodyMatches: []Regexp{expression(t, "plain")}, BodyContains: []string{"{{csrf}} is not there"}},
			},
		},
	}
	look := travel(t, j, Env{Variables: withCode})
	if look.OK || look.Fault.Step != "second" || !strings.Contains(string(look.Fault.Body), "plain-words") {
		t.Fatalf("got %+v %s", look.Fault, look.Fault.Body)
	}
	shown := fmt.Sprintf("%+v %s %q", look, look.Fault.Body, look.Fault.Body)
	for _, secret := range []string{"p&ss", "p%26ss", "word-1", marked, "cookie-secret", "header-secret", standInCode} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown: %s", secret, look.Fault.Body)
		}
	}
	// A value that a message quotes is hidden too.
	j.Steps[1].Expect = HTTPExpect{Status: []StatusRange{{Low: 418, High: 418}}, Headers: map[string]Pattern{"Set-Cookie": pattern(t, "no")}}
	if msg := travel(t, j, Env{Variables: withCode}).Fault.Message; strings.Contains(msg, "cookie-secret") || !strings.Contains(msg, "REDACTED") {
		t.Errorf("got %q, want the cookie hidden", msg)
	}
}

func TestJourneyValues(t *testing.T) {
	t.Parallel()
	var seen []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.RequestURI+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("X-A")+" "+string(body))
		w.Header().Set("Location", "/next?a=b")
		_, _ = io.WriteString(w, `{"odd":"a/b?c=\"d\"&é","n":12}`)
	}))
	t.Cleanup(srv.Close)
	j := &Journey{
		Base: srv.URL + "/", Variables: map[string]string{"braces": "{{{{x}}"},
		Steps: []JourneyStep{
			{Name: "a", Request: JourneyRequest{URL: "/start"}, Expect: HTTPExpect{Status: []StatusRange{{Low: 200, High: 200}}}, Capture: map[string]JourneyCapture{"odd": {JSON: "odd"}, "n": {JSON: "n"}, "next": {Header: "Location"}}},
			{Name: "b", Request: JourneyRequest{URL: "/p/{{odd}}?q={{odd}}&n={{ n }}", Headers: map[string]Secret{"X-A": "<{{n}}>"}}},
			{Name: "c", Request: JourneyRequest{URL: "/json", JSON: `{"o": "{{odd}}", "n": {{n}}}`}},
			{Name: "d", Request: JourneyRequest{URL: "/form", Form: []FormField{{"z", "{{odd}}"}, {"a", "1"}, {"z", "{{braces}}"}}}},
			{Name: "e", Request: JourneyRequest{URL: "{{next}}", Method: "PUT", Body: "raw {{n}}"}},
		},
	}
	if look := travel(t, j, Env{}); !look.OK {
		t.Fatal(look.Fault.Message)
	}
	want := []string{
		"GET /start   ",
		"GET /p/a%2Fb%3Fc=%22d%22&%C3%A9?q=a%2Fb%3Fc%3D%22d%22%26%C3%A9&n=12  <12> ",
		`POST /json application/json  {"o": "a/b?c=\"d\"\u0026é", "n": 12}`,
		"POST /form application/x-www-form-urlencoded  z=a%2Fb%3Fc%3D%22d%22%26%C3%A9&a=1&z=%7B%7Bx%7D%7D",
		"PUT /next?a=b   raw 12",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestJourneyLedAway: a site may not send headers and signatures to another host.
func TestJourneyLedAway(t *testing.T) {
	t.Parallel()
	away := make(chan http.Header, 4)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { away <- r.Header }))
	t.Cleanup(other.Close)
	home := make(chan http.Header, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		home <- r.Header
		_, _ = io.WriteString(w, other.URL+"/x")
		_ = w
	}))
	t.Cleanup(srv.Close)
	headers := map[string]Secret{"X-Key": "header-secret-7"}
	j := &Journey{Base: srv.URL, Signed: true, ProbeKey: "0123456789abcdef", Steps: []JourneyStep{
		{Name: "ask", Request: JourneyRequest{URL: "/", Headers: headers}, Capture: map[string]JourneyCapture{"next": {Regex: expression(t, "http.*")}}},
		{Name: "go", Request: JourneyRequest{URL: "{{next}}", Headers: headers}},
	}}
	if look := travel(t, j, Env{}); !look.OK {
		t.Fatal(look.Fault.Message)
	}
	if h := <-home; h.Get("X-Key") == "" || h.Get(probeHeader) == "" {
		t.Errorf("home got %v, want key and signature", h)
	}
	if h := <-away; h.Get("X-Key") != "" || h.Get(probeHeader) != "" {
		t.Errorf("the other host got %v", h)
	}
}

func TestJourneyLimits(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("1", maxCaptured+1))
	}))
	t.Cleanup(srv.Close)
	hang := &Journey{Base: srv.URL, Steps: []JourneyStep{{Name: "hang", Timeout: 20 * time.Millisecond, Request: JourneyRequest{URL: "/hang"}}}}
	if look := travel(t, hang, Env{}); look.Fault.Class != ClassTimeout || look.Limit != 20*time.Millisecond {
		t.Errorf("got %s after %v", look.Fault.Class, look.Limit)
	}
	long := &Journey{Base: srv.URL, Steps: []JourneyStep{{Name: "long", Request: JourneyRequest{URL: "/"}, Capture: map[string]JourneyCapture{"all": {Regex: expression(t, "1+")}}}}}
	if look := travel(t, long, Env{}); look.Fault.Message != "step 1 long: the value of all is longer than 4KiB" {
		t.Errorf("got %q", look.Fault.Message)
	}
	slowly := &Journey{Base: srv.URL, LatencyUnder: time.Nanosecond, Steps: []JourneyStep{{Name: "long", Request: JourneyRequest{URL: "/"}}}}
	if look := travel(t, slowly, Env{}); look.Fault.Class != ClassLatency || look.Limit != time.Nanosecond {
		t.Errorf("got %s, limit %v", look.Fault.Class, look.Limit)
	}
}

func FuzzFill(f *testing.F) {
	for _, seed := range []string{"", "{{id}}", "a{{ id }}b{{{{c}}", "{{", "{{{", "{{{{{{id}}", "}}", "{{a b}}", "/img/{{id}}.jpg?x={{run.id}}", "${X}{{.}}"} {
		f.Add(seed, "v{{id}}")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		places, err := parseText(text)
		if err != nil {
			if got := fillText(text, nil, func(string) (string, bool) { return value, true }); got != text {
				t.Errorf("a text that cannot be read changed: %q", got)
			}
			return
		}
		var want strings.Builder
		for i, p := range places {
			want.WriteString(p.text)
			if p.name == "" && i != len(places)-1 {
				t.Errorf("%q: no name in the middle", text)
			}
			if p.name != "" {
				if !isValueName(p.name) {
					t.Errorf("%q: the name %q", text, p.name)
				}
				want.WriteString(value)
			}
		}
		if got := fillText(text, nil, func(string) (string, bool) { return value, true }); got != want.String() {
			t.Errorf("fill(%q) = %q, want %q", text, got, want.String())
		}
		if !strings.Contains(text, "{{") && want.String() != text {
			t.Errorf("%q changed to %q", text, want.String())
		}
	})
}
