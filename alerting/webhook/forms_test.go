package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// taken sends a page to a server of the test and returns what arrived.
func taken(t *testing.T, make func(url probe.Secret) *Notifier, p alerting.Page) (string, http.Header) {
	t.Helper()
	var got string
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, header = string(raw), r.Header
	}))
	t.Cleanup(s.Close)
	if r := make(probe.Secret(s.URL)).Send(t.Context(), p); r.Class != alerting.Taken {
		t.Fatalf("got %+v", r)
	}
	return got, header
}

func TestSlackBody(t *testing.T) {
	t.Parallel()
	p := page()
	p.Message.Summary = `<!channel> & "shop" is failing`
	got, _ := taken(t, func(url probe.Secret) *Notifier {
		return NewSlack(Slack{URL: url, Channel: "#on-call", Mention: "<!here>"})
	}, p)
	want := `{"text":"\u003c!here\u003e \u003chttp://127.0.0.1:9090/i/1|\u0026lt;!channel\u0026gt; \u0026amp; \"shop\" is failing\u003e – \u003chttp://127.0.0.1:9090/a/1|acknowledge\u003e",` +
		`"channel":"#on-call","username":"Keepwatch","attachments":[{"fallback":"\u003c!channel\u003e \u0026 \"shop\" is failing","color":"danger",` +
		`"fields":[{"title":"On call","value":"ada","short":true},{"title":"Failing since","value":"2026-11-22 03:12:09 UTC","short":true}]}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	p.Action, p.Message.Summary = alerting.Resolve, "resolved: shop"
	got, _ = taken(t, func(url probe.Secret) *Notifier { return NewSlack(Slack{URL: url, Mention: "<!here>"}) }, p)
	if strings.Contains(got, "here") || !strings.Contains(got, `"color":"good"`) || strings.Contains(got, "acknowledge") {
		t.Errorf("a resolve: %s", got)
	}
}

func TestNtfyBody(t *testing.T) {
	t.Parallel()
	notifier := func(url probe.Secret) *Notifier {
		return NewNtfy(Ntfy{URL: url, Topic: "hidden-topic", Token: "tk_hush"})
	}
	got, header := taken(t, notifier, page())
	want := `{"topic":"hidden-topic","title":"shop","message":"shop is failing\non call: ada","priority":5,"tags":["rotating_light"],` +
		`"click":"http://127.0.0.1:9090/i/1","actions":[{"action":"view","label":"Acknowledge","url":"http://127.0.0.1:9090/a/1"}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if header.Get("Authorization") != "Bearer tk_hush" {
		t.Errorf("authorization %q", header.Get("Authorization"))
	}
	// What a server echoes must not carry the secrets on.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no topic hidden-topic for tk_hush", http.StatusForbidden)
	}))
	t.Cleanup(s.Close)
	r := notifier(probe.Secret(s.URL)).Send(t.Context(), page())
	if r.Class != alerting.Setup || strings.Contains(r.Detail, "hidden-topic") || strings.Contains(r.Detail, "tk_hush") {
		t.Errorf("got %+v", r)
	}
}

func TestTemplateBody(t *testing.T) {
	t.Parallel()
	p := page()
	p.Message.Summary = "shop says \"no\"\nand stops"
	form := `{"message": {{json .Summary}}, "who": {{json .Person}}, "note": {{json (index .Details "on_call")}}, "alarm": {{if eq .Action "trigger"}}true{{else}}false{{end}}}`
	got, header := taken(t, func(url probe.Secret) *Notifier { return New(Config{URL: url, Body: form}) }, p)
	var back struct {
		Message, Who, Note string
		Alarm              bool
	}
	if err := json.Unmarshal([]byte(got), &back); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if back.Message != p.Message.Summary || back.Who != "ada" || back.Note != "ada" || !back.Alarm {
		t.Errorf("got %+v", back)
	}
	if header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("type %q", header.Get("Content-Type"))
	}
	plain, header := taken(t, func(url probe.Secret) *Notifier {
		return New(Config{URL: url, Body: "{{.Service}}: {{.Text}}", ContentType: "text/plain"})
	}, page())
	if plain != "shop: shop is failing http://127.0.0.1:9090/i/1" || header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %q as %q", plain, header.Get("Content-Type"))
	}
}

func TestTemplateMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, contentType, want string }{
		"syntax":        {"{{.Summary", "", "is no template"},
		"no such field": {"{{json .Titel}}", "", "does not work"},
		"no quoting":    {`{"text": "{{.Summary}}"}`, "", "does not make JSON"},
		"fine as text":  {`{"text": "{{.Summary}}"}`, "text/plain", ""},
		"fine":          {`{"text": {{json .Summary}}}`, "", ""},
	} {
		var got []string
		c := Config{URL: "https://example.com/", Body: tt.body, ContentType: tt.contentType}
		c.SetDefaults()
		c.Validate(func(path, msg string) { got = append(got, path+" "+msg) })
		if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "body "+tt.want)) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestFormsValidate(t *testing.T) {
	t.Parallel()
	check := func(v interface {
		Validate(report func(path, msg string))
	},
	) (out []string) {
		v.Validate(func(path, msg string) { out = append(out, path+": "+msg) })
		return out
	}
	for name, tt := range map[string]struct {
		got  []string
		want int
	}{
		"slack":          {check(&Slack{URL: "https://hooks.example.com/x"}), 0},
		"slack empty":    {check(&Slack{}), 1},
		"ntfy":           {check(&Ntfy{Topic: "t"}), 0},
		"ntfy no topic":  {check(&Ntfy{}), 1},
		"ntfy bad topic": {check(&Ntfy{Topic: "a/b", URL: "ftp://x"}), 2},
	} {
		if len(tt.got) != tt.want {
			t.Errorf("%s: got %q, want %d mistakes", name, tt.got, tt.want)
		}
	}
}
