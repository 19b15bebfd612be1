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
