package webhook

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keepwatch/probe"
)

func TestDeadmanPing(t *testing.T) {
	t.Parallel()
	status, asked := http.StatusOK, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Method != http.MethodGet || r.URL.Path != "/hush-hush" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	d := Deadman{URL: probe.Secret(s.URL + "/hush-hush")}
	if err := d.Ping(t.Context()); err != nil || asked != 1 {
		t.Errorf("got %v after %d requests", err, asked)
	}
	status = http.StatusNotFound
	if err := d.Ping(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "HTTP 404") {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := d.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v; want an error without the address", err)
	}
}

func TestDeadmanValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  Deadman
		want int
	}{
		"good":   {Deadman{URL: "https://hc.example.com/x"}, 0},
		"no url": {Deadman{}, 1},
		"often":  {Deadman{URL: "https://hc.example.com/x", Every: time.Second}, 1},
	} {
		var got []string
		tt.cfg.SetDefaults()
		tt.cfg.Validate(func(path, msg string) { got = append(got, path+" "+msg) })
		if len(got) != tt.want {
			t.Errorf("%s: got %q, want %d mistakes", name, got, tt.want)
		}
	}
}
