package probe

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withCode is what a process that serves the site gives to journeys.
func withCode(name string) (Secret, bool) { return standInCode, name == siteCode }

// travel makes a journey once.
func travel(t *testing.T, j *Journey, env Env) Look {
	t.Helper()
	return travelFor(t.Context(), t, j, env, 10*time.Second)
}

func travelFor(ctx context.Context, t *testing.T, j *Journey, env Env, timeout time.Duration) Look {
	t.Helper()
	j.SetDefaults()
	j.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
	checker, err := j.Checker(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return checker.Check(ctx)
}

// words is a look's steps in short: "log in 200", "upload -" when it was skipped.
func words(look Look) []string {
	var all []string
	for _, s := range look.Steps {
		w := fmt.Sprintf("%s %d", s.Name, s.Code)
		switch {
		case s.Skipped:
			w = s.Name + " -"
		case !s.OK:
			w += " !"
		}
		if s.Cleanup {
			w = "(" + w + ")"
		}
		all = append(all, w)
	}
	return all
}

func TestJourney(t *testing.T) {
	t.Parallel()
	site := newStandIn(t)
	look := travel(t, photoJourney(t, site.URL), Env{Variables: withCode})
	if !look.OK || look.Blind {
		t.Fatalf("got %+v, want a good look", look.Fault)
	}
	want := []string{
		"log in 200", "recent 200", "picture 200", "as a stranger 403", "upload 200", "caption 200", "read back 200", "delete 200", "gone 200", "(delete again 200)",
	}
	if diff := cmp.Diff(want, words(look)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	var sum Phases
	var size int64
	last := time.Duration(-1)
	for _, s := range look.Steps {
		if s.Latency <= 0 || s.Phases.FirstByte <= 0 || s.Began < last {
			t.Errorf("step %s: began %v, took %v with %+v", s.Name, s.Began, s.Latency, s.Phases)
		}
		last = s.Began
		if !s.Cleanup {
			sum, size = sum.plus(s.Phases), size+s.Bytes
		}
	}
	if look.Phases != sum || look.Bytes != size || size < 10_000 {
		t.Errorf("got %+v and %d bytes, want the sums %+v and %d", look.Phases, look.Bytes, sum, size)
	}
	if look.Latency < look.Steps[8].Began || look.Code != 200 || look.RemoteAddr == "" {
		t.Errorf("got %v, code %d, from %q", look.Latency, look.Code, look.RemoteAddr)
	}
	if left, deletes := site.left(); left != 0 || deletes != 2 {
		t.Errorf("%d photos were left behind after %d deletes, want none after 2", left, deletes)
	}
}

// TestJourneyNamesTheFailingStep breaks each step in turn.
func TestJourneyNamesTheFailingStep(t *testing.T) {
	t.Parallel()
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	small := sample(t, 1441, 10)
	cut := sample(t, 1440, 1080)
	tests := []struct {
		name  string
		at    string
		how   http.HandlerFunc
		class Class
		says  string
		steps int // made before and with the failing one
	}{
		{"code refused", "POST /servlet/token", answer(403, "text/json", "{}"), ClassStatus, "step 1 log in: the status is 403, not 200-299", 1},
		{"no token in the answer", "POST /servlet/token", answer(200, "text/json", `{"tags":[{"id":7}]}`), ClassHeader, "step 1 log in: there is no cookie token to keep as cookie", 1},
		{"nothing to capture", "POST /servlet/token", answer(200, "text/json", `{}`), ClassHeader, "step 1 log in: there is no cookie", 1},
		{"a challenge with 200", "GET /servlet/browserest", answer(200, "text/html", "<title>Just a moment...</title>"), ClassBody, "step 2 recent: the status is 200 but the page is a challenge", 2},
		{"nothing listed", "GET /servlet/browserest", answer(200, "text/json", `{"images":[]}`), ClassBody, "step 2 recent: images[0].id is not", 2},
		{"forbidden picture", "GET /img/", answer(403, "text/json", "{}"), ClassStatus, "step 3 picture: the status is 403, not 200-299", 3},
		{"a page for a picture", "GET /img/", answer(200, "image/jpeg", "<title>oops</title>"), ClassBody, "step 3 picture: the body is not a picture", 3},
		{"too large a picture", "GET /img/", answer(200, "image/jpeg", string(small)), ClassBody, "step 3 picture: the picture has 1441 x 10 pixels: its longer edge is not 1440 or less", 3},
		{"half a picture", "GET /img/", answer(200, "image/jpeg", string(cut[:len(cut)/2])), ClassBody, "step 3 picture: the picture (jpeg, 1440 x 1080) is damaged", 3},
		{"open to strangers", "GET /img/", answer(200, "image/jpeg", string(cut)), ClassStatus, "step 4 as a stranger: the status is 200, not 403", 4},
		{"upload fails", "POST /rest/upload", answer(507, "text/json", "{}"), ClassStatus, "step 5 upload: the status is 507", 5},
		{"edit fails", "POST /rest/edit", answer(500, "text/json", "{}"), ClassStatus, "step 6 caption: the status is 500", 6},
		{"caption not kept", "GET /rest/edit", answer(200, "text/json", `{"cap":"probe of yesterday"}`), ClassBody, `step 7 read back: cap is "probe of yesterday", not "{{caption}}"`, 7},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			site := newStandIn(t)
			site.breakAt(tc.at, tc.how)
			look := travel(t, photoJourney(t, site.URL), Env{Variables: withCode})
			f := look.Fault
			if look.OK || look.Blind || f.Class != tc.class || !strings.HasPrefix(f.Message, tc.says) {
				t.Fatalf("got %v %s %q, want %s %q", look.OK, f.Class, f.Message, tc.class, tc.says)
			}
			if want := look.Steps[tc.steps-1]; f.Step != want.Name || want.OK || want.Skipped || !strings.HasSuffix(f.Message, want.Message) {
				t.Errorf("the fault is of %q, the step %+v", f.Step, want)
			}
			for i, s := range look.Steps {
				if made := i < tc.steps; !s.Cleanup && (s.Skipped == made || s.OK != (i < tc.steps-1)) {
					t.Errorf("step %s: %+v", s.Name, s)
				}
			}
			if left, _ := site.left(); left != 0 && tc.at != "POST /rest/edit" {
				t.Errorf("%d photos were left behind: %v", left, words(look))
			}
		})
	}
}

func TestJourneyDeletedButStillThere(t *testing.T) {
	t.Parallel()
	site := newStandIn(t)
	site.breakAt("POST /rest/edit", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]any{"del": true}) })
	site.breakAt("GET /rest/edit", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]any{}) })
	j := photoJourney(t, site.URL)
	j.Steps[6].Expect.JSON = nil
	first, second := travel(t, j, Env{Variables: withCode}), travel(t, j, Env{Variables: withCode})
	if want := `step 9 gone: the body contains "\"id\":{{id}}"`; first.Fault.Message != strings.ReplaceAll(want, `\"`, `"`) {
		t.Errorf("got %q, want %q", first.Fault.Message, want)
	}
	if first.Fault.Message != second.Fault.Message {
		t.Errorf("equal failures differ: %q and %q", first.Fault.Message, second.Fault.Message)
	}
}

// TestJourneyCleanup: whatever becomes of the steps, what was made is taken away.
func TestJourneyCleanup(t *testing.T) {
	t.Parallel()
	t.Run("its failure is shown and is no outage", func(t *testing.T) {
		t.Parallel()
		site := newStandIn(t)
		j := photoJourney(t, site.URL)
		j.Cleanup = append(j.Cleanup, JourneyStep{Name: "sweep", Request: JourneyRequest{URL: "/nowhere"}}, JourneyStep{Name: "after", Request: JourneyRequest{URL: "/servlet/browserest?mode=r"}})
		look := travel(t, j, Env{Variables: withCode})
		if !look.OK || look.Fault.Class != "" {
			t.Errorf("got %+v, want a good look", look.Fault)
		}
		if got, want := words(look)[9:], []string{"(delete again 200)", "(sweep 404 !)", "(after 200)"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if msg := look.Steps[10].Message; msg != "the status is 404, not 200-299" {
			t.Errorf("got %q", msg)
		}
	})
	t.Run("what was never captured is skipped", func(t *testing.T) {
		t.Parallel()
		site := newStandIn(t)
		site.breakAt("GET /img/", http.NotFound)
		look := travel(t, photoJourney(t, site.URL), Env{Variables: withCode})
		if got := look.Steps[9]; !got.Skipped || got.Message != "{{id}} was never captured" {
			t.Errorf("got %+v, want it skipped", got)
		}
	})
	t.Run("after the deadline too", func(t *testing.T) {
		t.Parallel()
		site := newStandIn(t)
		hang := make(chan struct{})
		t.Cleanup(func() { close(hang) })
		site.breakAt("GET /rest/edit", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		})
		look := travelFor(t.Context(), t, photoJourney(t, site.URL), Env{Variables: withCode}, 2*time.Second)
		if want := "step 7 read back: no answer in time: still waiting for the first byte"; look.Fault.Class != ClassTimeout || look.Fault.Message != want {
			t.Errorf("got %s %q, want %q", look.Fault.Class, look.Fault.Message, want)
		}
		if left, deletes := site.left(); left != 0 || deletes != 1 {
			t.Errorf("%d photos were left behind after %d deletes", left, deletes)
		}
	})
	t.Run("called off", func(t *testing.T) {
		t.Parallel()
		site := newStandIn(t)
		ctx, cancel := context.WithCancel(t.Context())
		site.breakAt("GET /rest/edit", func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		look := travelFor(ctx, t, photoJourney(t, site.URL), Env{Variables: withCode}, 5*time.Second)
		if look.OK || look.Fault.Step != "read back" {
			t.Errorf("got %+v", look.Fault)
		}
		if left, deletes := site.left(); left != 0 || deletes != 1 {
			t.Errorf("%d photos were left behind after %d deletes", left, deletes)
		}
	})
}

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

func TestJourneyIsBlindWithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	site := newStandIn(t)
	for _, env := range []Env{{}, {Variables: func(string) (Secret, bool) { return "", false }}} {
		look := travel(t, photoJourney(t, site.URL), env)
		if look.OK || !look.Blind || !strings.Contains(look.Fault.Message, "{{site.code}} is not known to this process now") {
			t.Errorf("got %+v, want a blind look", look)
		}
	}
	j := photoJourney(t, site.URL)
	j.Signed = true
	if look := travel(t, j, Env{Variables: withCode}); !look.Blind || !strings.Contains(look.Fault.Message, "no key") {
		t.Errorf("got %+v, want a blind look", look)
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

// TestPictures: what http checks and steps say of pictures.
func TestPictures(t *testing.T) {
	t.Parallel()
	whole := sample(t, 640, 480)
	bodies := map[string][]byte{
		"/whole": whole, "/cut": whole[:len(whole)-200], "/none": []byte("<title>no picture</title>"), "/empty": nil,
		"/png": pngOf(t, 100, 2000), "/trap": trap(),
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(bodies[r.URL.Path])
	}))
	t.Cleanup(srv.Close)
	tests := []struct {
		path    string
		expect  ImageExpect
		maxBody Size
		says    string // "" means good
	}{
		{"/whole", ImageExpect{Decodes: true}, 0, ""},
		{"/whole", ImageExpect{Decodes: true, LongerEdge: 640}, 0, ""},
		{"/whole", ImageExpect{LongerEdge: 1440, OrNative: true}, 0, ""},
		{"/whole", ImageExpect{LongerEdge: 1440}, 0, "640 x 480 pixels: its longer edge is not 1440"},
		{"/whole", ImageExpect{LongerEdge: 480, OrNative: true}, 0, "its longer edge is not 480 or less"},
		{"/whole", ImageExpect{Decodes: true}, 1 << 10, "larger than 1KiB and was not read to its end: raise max_body"},
		{"/cut", ImageExpect{LongerEdge: 640}, 0, ""}, // its beginning says so
		{"/cut", ImageExpect{Decodes: true}, 0, "the picture (jpeg, 640 x 480) is damaged"},
		{"/png", ImageExpect{Decodes: true, LongerEdge: 2000}, 0, ""},
		{"/none", ImageExpect{Decodes: true}, 0, "the body is not a picture"},
		{"/empty", ImageExpect{LongerEdge: 1, OrNative: true}, 0, "the body is not a picture"},
		{"/trap", ImageExpect{Decodes: true}, 0, "claims 60000 x 60000 pixels"},
	}
	for _, tc := range tests {
		look := lookAt(t, &HTTP{URL: srv.URL + tc.path, MaxBody: tc.maxBody, Expect: HTTPExpect{Image: tc.expect}})
		if look.OK != (tc.says == "") || !strings.Contains(look.Fault.Message, tc.says) {
			t.Errorf("%s %+v: got %v %q, want %q", tc.path, tc.expect, look.OK, look.Fault.Message, tc.says)
		}
	}
}

// pngOf is a PNG of one colour.
func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// trap is the beginning of a GIF that claims far more pixels than it has bytes.
func trap() []byte { return []byte("GIF89a\x60\xea\x60\xea\x00\x00\x00") }

// TestJourneyRunsApart makes many at once with one checker: cookies and values must not mix.
func TestJourneyRunsApart(t *testing.T) {
	t.Parallel()
	site := newStandIn(t)
	j := photoJourney(t, site.URL)
	j.SetDefaults()
	checker, err := j.Checker(Env{Variables: withCode})
	if err != nil {
		t.Fatal(err)
	}
	looks := make(chan Look)
	for range 8 {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			looks <- checker.Check(ctx)
		}()
	}
	for range 8 {
		if look := <-looks; !look.OK {
			t.Error(look.Fault.Message)
		}
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
