package probe

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignedAsAgreed reads the examples that the site's side reads too
// (docs/decisions/0008-signed-probes.md); they were made with openssl.
func TestSignedAsAgreed(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "site", "guard", "testdata", "signed.json"))
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Key, Nonce, Method, Path, Header string
		Unix                             int64
	}
	if err := json.Unmarshal(data, &examples); err != nil || len(examples) < 4 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, e := range examples {
		if got := (signer{Secret(e.Key)}).value(time.Unix(e.Unix, 0), e.Nonce, e.Method, e.Path); got != e.Header {
			t.Errorf("%s %q: got %s, want %s", e.Method, e.Path, got, e.Header)
		}
	}
}

func TestSigned(t *testing.T) {
	t.Parallel()
	const own, shared = "an own key of 24 bytes..", "the site's key, 25 bytes."
	var headers []string
	mux := http.NewServeMux()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header.Get(probeHeader)+" "+r.Method+" "+r.URL.EscapedPath())
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get(probeHeader))
	}))
	t.Cleanup(other.Close)
	mux.HandleFunc("/a%20b", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/next", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	mux.HandleFunc("/next", func(http.ResponseWriter, *http.Request) {})

	ask := func(conf HTTP, env Env) Look {
		checker, err := conf.Checker(env)
		if err != nil {
			t.Fatal(err)
		}
		return checker.Check(t.Context())
	}
	holds := func(line string, key Secret) bool {
		parts := strings.SplitN(line, " ", 3)
		fields := strings.Split(parts[0], ".")
		if len(fields) != 3 || len(fields[1]) != 22 {
			return false
		}
		at, err := time.ParseDuration(fields[0] + "s")
		return err == nil && time.Since(time.Unix(0, int64(at))).Abs() < time.Minute &&
			(signer{key}).value(time.Unix(0, int64(at)), fields[1], parts[1], parts[2]) == parts[0]
	}
	ask(HTTP{URL: site.URL + "/a%20b", Signed: true}, Env{ProbeKey: shared})
	ask(HTTP{URL: site.URL + "/next", Signed: true, ProbeKey: own}, Env{ProbeKey: shared})
	ask(HTTP{URL: site.URL + "/away", Signed: true}, Env{ProbeKey: shared})
	ask(HTTP{URL: site.URL + "/next"}, Env{ProbeKey: shared})
	if len(headers) != 5 {
		t.Fatalf("got %d requests, want 5: %q", len(headers), headers)
	}
	for i, key := range []Secret{shared, shared, own, shared} {
		if !holds(headers[i], key) {
			t.Errorf("request %d: %q does not hold", i, headers[i])
		}
	}
	if a, b := strings.Split(headers[0], ".")[1], strings.Split(headers[1], ".")[1]; a == b {
		t.Error("a redirect used the nonce again")
	}
	if !strings.HasPrefix(headers[4], " ") {
		t.Errorf("an unsigned check signed: %q", headers[4])
	}
	if len(elsewhere) != 1 || elsewhere[0] != "" {
		t.Errorf("another host got %q, want nothing", elsewhere)
	}
	if look := ask(HTTP{URL: site.URL + "/next", Signed: true}, Env{}); !look.Blind || len(headers) != 5 {
		t.Errorf("without a key: got %+v, want a blind look and no request", look)
	}
}

func TestJourneySigns(t *testing.T) {
	t.Parallel()
	site := newStandIn(t)
	j := photoJourney(t, site.URL)
	j.Signed = true
	if look := travel(t, j, Env{Variables: withCode, ProbeKey: "0123456789abcdef"}); !look.OK {
		t.Fatal(look.Fault.Message)
	}
	site.mu.Lock()
	defer site.mu.Unlock()
	seen := map[string]bool{}
	for _, header := range site.signed {
		if header == "" || seen[header] {
			t.Errorf("the header %q, want a new one in each request", header)
		}
		seen[header] = true
	}
	if len(seen) != 10 {
		t.Errorf("got %d signed requests, want 10", len(seen))
	}
}
