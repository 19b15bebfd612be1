package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site"
	"keepwatch/site/api"
	"keepwatch/site/gallery"
	"keepwatch/site/nginxtest"
)

// TestCachingProxy proves row 13: with a caching nginx in front nobody gets what
// another one was shown.
func TestCachingProxy(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	srv := httptest.NewServer(b.handler)
	defer srv.Close()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers may be another user
		t.Fatal(err)
	}
	addr := nginxtest.Start(t, nginxtest.Front{
		Upstreams: []string{strings.TrimPrefix(srv.URL, "http://")},
		HTTP:      "proxy_cache_path " + dir + " keys_zone=all:1m;",
		Extra:     "proxy_cache all; proxy_cache_key $request_uri; add_header X-Was $upstream_cache_status always;",
	})
	ada, grace := b.token("ada", gallery.Write), b.token("grace", gallery.Write)
	photo := b.photo([]string{"ada"})
	ask := func(path, tokens string, header ...string) (int, http.Header, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "token="+tokens)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(text)
	}
	version := idAndVersion(t, b, ada, photo)
	for _, path := range []string{
		fmt.Sprintf("/img/640/%d.jpg", photo), fmt.Sprintf("/img/640/%d.jpg?v=%s", photo, version), fmt.Sprintf("/img/0/%d.jpg", photo),
		fmt.Sprintf("/api/v1/photos/%d/image/640?v=%s", photo, version), fmt.Sprintf("/api/v1/photos/%d", photo), fmt.Sprintf("/rest/edit?img=%d", photo),
	} {
		for range 3 {
			status, header, _ := ask(path, ada)
			if status != 200 || header.Get("X-Was") == "HIT" || !strings.Contains(header.Get("Cache-Control"), "private") || header.Get("Vary") != "Cookie" {
				t.Errorf("%s for its owner: %d %v", path, status, header)
			}
		}
		for who, tokens := range map[string]string{"another": grace, "a stranger": ""} {
			if status, header, _ := ask(path, tokens); status != 403 || header.Get("X-Was") == "HIT" {
				t.Errorf("%s for %s: %d %v, want 403", path, who, status, header)
			}
		}
	}
	for _, path := range []string{"/servlet/browserest?mode=r", "/rest/tag", "/api/v1/photos", "/api/v1/session", "/"} {
		_, _, first := ask(path, ada)
		_, header, second := ask(path, grace)
		if header.Get("X-Was") == "HIT" || !strings.Contains(header.Get("Cache-Control"), "private") {
			t.Errorf("%s: %v", path, header)
		}
		if first == second {
			t.Errorf("%s is the same for both: %s", path, first)
		}
	}
	for _, path := range []string{fmt.Sprintf("/img/640/%d/x.css", photo), fmt.Sprintf("/img/640/%d.jpg/x.css", photo), "/rest/tag/x.css", fmt.Sprintf("/api/v1/photos/%d/x.css", photo)} {
		if status, _, _ := ask(path, ada); status != 404 {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
	for _, path := range []string{"/", "/servlet/browserest?mode=r", "/nothing"} {
		_, header, text := ask(path, ada, "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Original-URL", "/evil")
		if strings.Contains(text+fmt.Sprint(header), "evil") || strings.Contains(text, "gopher") {
			t.Errorf("%s repeats a header: %v %s", path, header, text)
		}
	}
}

func idAndVersion(t *testing.T, b *rig, tokens string, photo int64) string {
	t.Helper()
	var p struct{ Version string }
	if err := json.Unmarshal(b.get(fmt.Sprintf("/api/v1/photos/%d", photo), tokens).Body.Bytes(), &p); err != nil || len(p.Version) != 8 {
		t.Fatalf("version %q, %v", p.Version, err)
	}
	return p.Version
}

// TestFileNamesStayOutOfHeaders proves row 14.
func TestFileNamesStayOutOfHeaders(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	secret := b.token("mine", gallery.Download)
	for _, name := range []string{"a.jpg\r\nSet-Cookie: evil=1", `a".jpg; filename=b.html`, "märz\u2028.jpg", "..\\..\\a.exe", strings.Repeat("x", 255)} {
		id := b.photo([]string{"mine"}, func(p *gallery.ImportedPhoto) { p.Photo.FileName = gallery.Clean(name) })
		w := b.get(fmt.Sprintf("/img/0/%d.jpg", id), secret)
		if got, want := w.Header().Get("Content-Disposition"), fmt.Sprintf("attachment; filename=%d.jpg", id); w.Code != 200 || got != want {
			t.Errorf("%q: %d %q, want %q", name, w.Code, got, want)
		}
		if w.Header().Get("Set-Cookie") != "" || strings.Contains(fmt.Sprint(w.Header()), "evil") {
			t.Errorf("%q reached the headers: %v", name, w.Header())
		}
	}
}

// TestHeadersOfEveryRoute proves row 15 with a golden file.
func TestHeadersOfEveryRoute(t *testing.T) {
	t.Parallel()
	b := newRig(t, func(c *site.Config) { c.PublicURL = "https://photos.example.com" })
	secret := b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine"})
	version := versionUnderTLS(b, secret, photo)
	all := mutations(b, photo, b.tagID("mine"))
	var out strings.Builder
	for _, route := range (&api.API{}).Table() {
		path := strings.NewReplacer("{rest...}", fmt.Sprintf("192/%d.jpg?v=%s", photo, version), "{id}", strconv.FormatInt(photo, 10), "{size}", "0").Replace(route.Path)
		path = strings.ReplaceAll(path, fmt.Sprintf("places/%d", photo), "places/1")
		query := map[string]string{
			"/servlet/browserest": "?mode=r", "/servlet/searchrest": "?q=x", "/rest/edit": fmt.Sprintf("?img=%d", photo),
			"/api/v1/search": "?q=x", "/api/v1/groups": "?by=tag",
		}
		r := httptest.NewRequest(http.MethodGet, path+query[path], nil)
		if route.Method != http.MethodGet {
			r = all[route.Path]()
		}
		r.Header.Set("Cookie", "__Host-token="+secret)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		fmt.Fprintf(&out, "%s %s: %d\n", route.Method, route.Path, w.Code)
		writeHeader(&out, w.Header(), strconv.FormatInt(photo, 10))
	}
	for _, path := range []string{"/", "/api/v1/nothing", "/rest/nothing"} {
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Fprintf(&out, "GET %s as a stranger: %d\n", path, w.Code)
		writeHeader(&out, w.Header(), "none")
	}
	golden := filepath.Join("testdata", "headers.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("headers (-want +got); -update writes them anew:\n%s", diff)
	}
}

// versionUnderTLS reads the version of a picture under TLS.
func versionUnderTLS(b *rig, secret string, photo int64) string {
	r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/v1/photos/%d", photo), nil)
	r.Header.Set("Cookie", "__Host-token="+secret)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	var p struct{ Version string }
	_ = json.Unmarshal(w.Body.Bytes(), &p) // a wrong version shows in the golden file
	return p.Version
}

// writeHeader writes what must not change; what differs each time is only named.
func writeHeader(out io.Writer, h http.Header, photo string) {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.ReplaceAll(strings.Join(h[name], " | "), photo, "{id}")
		switch name {
		case "Content-Length", "Etag", "Last-Modified":
			value = "…"
		case "Set-Cookie":
			before, after, _ := strings.Cut(value, ";")
			value, _, _ = strings.Cut(before, "=")
			value += "=…;" + after
		}
		fmt.Fprintf(out, "  %s: %s\n", name, value)
	}
}
