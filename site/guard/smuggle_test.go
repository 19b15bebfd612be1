package guard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/site/nginxtest"
)

// TestSmugglingRow16 sends what two readers may read in two ways, direct and
// through a real nginx: both refuse it and close, and the second request that it
// hides is never run. nginx writes anew what it passes on, so what only it takes
// cannot be read in two ways behind it.
func TestSmugglingRow16(t *testing.T) {
	t.Parallel()
	const second = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	tests := map[string]struct {
		raw           string
		direct, front verdict
	}{
		"plain":                     {"GET /one HTTP/1.1\r\nHost: x\r\n\r\n", taken, taken},
		"CL.TE":                     {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 41\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"TE.CL":                     {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n24\r\n" + second + "\r\n0\r\n\r\n", refused, refused},
		"TE.TE":                     {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"TE unknown":                {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + second, refused, refused},
		"TE chunked with a tab":     {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\tchunked, identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"TE space before colon":     {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"double CL, different":      {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n" + second, refused, refused},
		"CL list":                   {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 36\r\n\r\n" + second, refused, refused},
		"CL with a sign":            {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + second, refused, refused},
		"CL negative":               {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + second, refused, refused},
		"CL huge":                   {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n" + second, refused, refused},
		"obs-fold of CL":            {"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 0\r\n\r\n" + second, refused, refused},
		"obs-fold of TE":            {"POST /one HTTP/1.1\r\nHost: x\r\nX: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"obs-fold in the first":     {"POST /one HTTP/1.1\r\n Host: x\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + second, refused, refused},
		"bare LF in the header":     {"POST /one HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 0\r\n\r\n" + second, pipelined, pipelined},
		"bare LF hides a header":    {"POST /one HTTP/1.1\r\nHost: x\r\nX: a\nTransfer-Encoding: chunked\r\nContent-Length: 41\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"bare LF ends a chunk":      {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nX\r\n0\r\n\r\n" + second, refused, pipelined},
		"bare CR in a header":       {"POST /one HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 36\r\n\r\n" + second, refused, refused},
		"chunk size with 0x":        {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + second, refused, refused},
		"chunk size with a sign":    {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + second, refused, refused},
		"chunk size too long":       {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000000000000000\r\n\r\n" + second, refused, refused},
		"chunk longer than it says": {"POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nXY\r\n0\r\n\r\n" + second, refused, refused},
		"NUL in a header":           {"POST /one HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n" + second, refused, refused},
		"two hosts":                 {"POST /one HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n" + second, refused, refused},
		"no host":                   {"POST /one HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + second, refused, refused},
		"HTTP/0.9":                  {"GET /one\r\n\r\n" + second, refused, refused},
		"HTTP/1.0 with TE":          {"POST /one HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, refused, refused},
		"space in the target":       {"GET /one HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n" + second, refused, refused},
	}
	var mu sync.Mutex
	seen := map[string]int{} // guarded by mu; paths that the handler got
	g := newGuard(t, func(o *Options) { o.Classify = func(*http.Request) Class { return Free } })
	site := listen(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path]++
		mu.Unlock()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	nginx := nginxtest.Start(t, nginxtest.Front{Upstreams: []string{site}})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, front := range []struct {
				name, addr string
				want       verdict
			}{{"direct", site, tt.direct}, {"nginx", nginx, tt.front}} {
				// As long as what it replaces, so that lengths stay true.
				second := fmt.Sprintf("/%08x", crc32.ChecksumIEEE([]byte(front.name+name)))
				raw := strings.ReplaceAll(tt.raw, "/smuggled", second)
				got := send(t, front.addr, raw)
				mu.Lock()
				ran := seen[second]
				mu.Unlock()
				if got != front.want || (ran > 0) != (front.want == pipelined) {
					t.Errorf("%s: %s, the second request ran %d times; want %s", front.name, got, ran, front.want)
				}
			}
		})
	}
}

// verdict is what becomes of bytes that hold one request, and one more if they
// are read in the wrong way.
type verdict string

const (
	taken     verdict = "taken: one request, the connection stays"
	pipelined verdict = "two plain requests, the connection stays" // there is nothing to read in two ways
	refused   verdict = "refused: an error at most, the connection is closed"
)

func send(t *testing.T, addr, raw string) verdict {
	t.Helper()
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second)) // only connections that stay open wait for it
	in := bufio.NewReader(c)
	var statuses []int
	said := false // that it closes
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			timeout, ok := errors.AsType[net.Error](err)
			return judge(statuses, said || !ok || !timeout.Timeout())
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
		said = resp.Close
	}
}

func judge(statuses []int, closed bool) verdict {
	switch {
	case closed && (len(statuses) == 0 || (len(statuses) == 1 && statuses[0] >= 400)):
		return refused
	case !closed && slices.Equal(statuses, []int{200}):
		return taken
	case !closed && slices.Equal(statuses, []int{200, 200}):
		return pipelined
	}
	return verdict(fmt.Sprintf("%v, closed: %t", statuses, closed))
}

func TestStrictLeavesBodiesAlone(t *testing.T) {
	t.Parallel()
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
	tests := map[string]struct{ in, want string }{
		"plain":             {head + "a\r\n b\r\n ", ""},
		"a fold":            {"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "GET / HTTP/1.1\r\nX: a\r\n\x00b\r\n\r\n"},
		"both":              {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTRANSFER-encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: 1\r\nTRANSFER-encoding: chunked\x00\n\r\n"},
		"old":               {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\x00\n\r\n"},
		"names alike":       {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding-X: chunked\r\n\r\n", ""},
		"no request line":   {"a body\r\n with folds\r\n\r\n", ""},
		"half request line": {"ET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "ET / HTTP/1.1\r\nX: a\r\n\x00b\r\n\r\n"},
		"bare LF":           {"GET / HTTP/1.1\nX: a\n\n b\n c", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			if want == "" {
				want = tt.in
			}
			for _, size := range []int{1, 2, 3, 7, 1000} {
				var s strict
				var got []byte
				for rest := []byte(tt.in); len(rest) > 0; {
					n := min(size, len(rest))
					s.check(rest[:n])
					got = append(got, rest[:n]...)
					rest = rest[n:]
				}
				// Where the line's end comes alone, the LF is what is left to spoil.
				same := string(got) == want || (size < 10 && strings.ReplaceAll(string(got), "\r\x00", "\x00\n") == want)
				if !same {
					t.Errorf("by %d bytes: %q, want %q", size, got, want)
				}
			}
		})
	}
}

// FuzzStrict holds that only NULs are written, never behind a header, and that a
// header is at its end after the same bytes however they come.
func FuzzStrict(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nContent-Length: 1\r\n b\r\nTransfer-Encoding: x\r\n\r\n body\n body"), 3)
	f.Add([]byte("x\n\n\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var whole, parts strict
		one := bytes.Clone(in)
		whole.check(one)
		two := bytes.Clone(in)
		for rest := two; len(rest) > 0; {
			n := min(max(size, 1), len(rest))
			parts.check(rest[:n])
			rest = rest[n:]
		}
		end := len(in)
		for _, mark := range []string{"\n\r\n", "\n\n"} {
			if i := bytes.Index(in, []byte(mark)); i >= 0 {
				end = min(end, i+len(mark))
			}
		}
		for _, out := range [][]byte{one, two} {
			for i := range out {
				if out[i] != in[i] && (out[i] != 0 || i >= end) {
					t.Fatalf("byte %d became %q in %q", i, out[i], in)
				}
			}
		}
	})
}
