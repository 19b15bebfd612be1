package originals_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/originals"
	"keepwatch/site/originals/storetest"
)

// seen records requests as "METHOD range".
type seen struct {
	mu  sync.Mutex
	all []string
}

func (s *seen) add(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.TrimSpace(r.Method+" "+r.Header.Get("Range")))
	return len(s.all)
}

func (s *seen) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.all...)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>no: secret-of-the-test</Message></Error>`, code)
}

// What a server in trouble answers, and what becomes of it.
func TestS3Faults(t *testing.T) {
	t.Parallel()
	data, content := storetest.Make(1, 1000)
	put := func(s originals.Store) error { return s.Put(t.Context(), content, bytes.NewReader(data)) }
	open := func(s originals.Store) error { _, err := s.Open(t.Context(), content); return err }
	for name, tt := range map[string]struct {
		status int
		code   string
		times  int // then the fake answers
		call   func(originals.Store) error
		want   error // nil: success; errOther: any but the sentinels
		asked  int
	}{
		"busy twice":             {status: 503, code: "SlowDown", times: 2, call: put, asked: 3},
		"broken for ever":        {status: 500, code: "InternalError", times: 99, call: put, want: errOther, asked: 3},
		"a put at the same time": {status: 409, code: "ConditionalRequestConflict", times: 2, call: put, asked: 3},
		"wrong secret":           {status: 403, code: "SignatureDoesNotMatch", times: 99, call: put, want: errOther, asked: 1},
		"no room":                {status: 507, code: "InsufficientStorage", times: 99, call: put, want: originals.ErrFull, asked: 1},
		"quota":                  {status: 400, code: "QuotaExceeded", times: 99, call: put, want: originals.ErrFull, asked: 1},
		"no such object":         {status: 404, code: "NoSuchKey", times: 99, call: open, want: originals.ErrNotFound, asked: 1},
		"no such bucket":         {status: 404, code: "NoSuchBucket", times: 99, call: open, want: errOther, asked: 1},
		"no such bucket, put":    {status: 404, code: "NoSuchBucket", times: 99, call: put, want: errOther, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests seen
			s := mustNew(t, fakeS3(t, func(fake http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if requests.add(r) <= tt.times {
						refuse(w, tt.status, tt.code)
						return
					}
					fake.ServeHTTP(w, r)
				})
			}))
			checkFault(t, tt.call(s), tt.want)
			if got := requests.list(); len(got) != tt.asked {
				t.Errorf("the server was asked %v, want %d times", got, tt.asked)
			}
		})
	}
}

var errOther = errors.New("any other error")

func checkFault(t *testing.T, err, want error) {
	t.Helper()
	sentinels := []error{originals.ErrNotFound, originals.ErrContent, originals.ErrFull, originals.ErrSlow}
	if errors.Is(want, errOther) {
		if err == nil {
			t.Error("no error")
		}
		for _, s := range sentinels {
			if errors.Is(err, s) {
				t.Errorf("got %v", err)
			}
		}
	} else if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if err != nil && (strings.Contains(err.Error(), "secret-of-the-test") || strings.Contains(err.Error(), "Signature=") || strings.Contains(err.Error(), "access")) {
		t.Errorf("the message tells too much: %v", err)
	}
}

// The conditional put and its checksum are really sent; an object that is there
// with another size is not taken for this one.
func TestS3PutIsConditional(t *testing.T) {
	t.Parallel()
	var header http.Header
	place := fakeS3(t, func(fake http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				header = r.Header.Clone()
			}
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", "999")
				return
			}
			fake.ServeHTTP(w, r)
		})
	})
	s := mustNew(t, place)
	if err := s.Put(t.Context(), "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9", strings.NewReader("hello world")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"If-None-Match": "*", "Content-Length": "11", "Content-Type": "application/octet-stream",
		"X-Amz-Checksum-Sha256": "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
	}
	for name, value := range want {
		if got := header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	err := s.Put(t.Context(), "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9", strings.NewReader("hello world"))
	if !errors.Is(err, originals.ErrContent) {
		t.Errorf("over an object of another size: %v, want ErrContent", err)
	}
}

// cutter ends the connection after so many bytes of each answer.
type cutter struct {
	http.ResponseWriter

	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// A connection that breaks is opened anew where it broke; one that breaks always is
// an error, never a short picture.
func TestS3ReadGoesOn(t *testing.T) {
	t.Parallel()
	data, content := storetest.Make(1, 600_000)
	for _, keep := range []int{250_000, 0} {
		t.Run(strconv.Itoa(keep), func(t *testing.T) {
			t.Parallel()
			var requests seen
			s := mustNew(t, fakeS3(t, func(fake http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet {
						requests.add(r)
						w = &cutter{w, keep}
					}
					fake.ServeHTTP(w, r)
				})
			}))
			if err := s.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			o, err := s.Open(t.Context(), content)
			if err != nil {
				if keep == 0 {
					return // not even the head came
				}
				t.Fatal(err)
			}
			defer o.Close()
			got, err := io.ReadAll(o)
			if keep == 0 {
				if err == nil {
					t.Errorf("read %d bytes without an error", len(got))
				}
				return
			}
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v; requests %v", len(got), err, requests.list())
			}
			if n := len(requests.list()); n < 3 {
				t.Errorf("requests %v: the connection was not cut", requests.list())
			}
		})
	}
}

// A jump costs one request from there; a read that goes on costs none.
func TestS3AsksForRanges(t *testing.T) {
	t.Parallel()
	const size = 2_000_000
	data, content := storetest.Make(1, size)
	var requests seen
	place := fakeS3(t, func(fake http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				requests.add(r)
			}
			fake.ServeHTTP(w, r)
		})
	})
	s, err := originals.NewS3(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	p := make([]byte, 1000)
	for _, at := range []int64{0, 1000, 50_000 /* near: read over */, 1_500_000, 10} {
		if _, err := o.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(o, p); err != nil || !bytes.Equal(p, data[at:at+1000]) {
			t.Errorf("at %d: wrong bytes, %v", at, err)
		}
	}
	if diff := cmp.Diff(requests.list(), []string{"GET", "GET bytes=1500000-", "GET bytes=10-"}); diff != "" {
		t.Errorf("requests (-got +want):\n%s", diff)
	}
}

// A server that does not know ranges is not taken for one that does.
func TestS3WithoutRanges(t *testing.T) {
	t.Parallel()
	data, content := storetest.Make(1, 600_000)
	s := mustNew(t, fakeS3(t, func(fake http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			fake.ServeHTTP(w, r)
		})
	}))
	if err := s.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := o.Seek(400_000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if n, err := o.Read(make([]byte, 10)); err == nil {
		t.Errorf("read %d bytes from the wrong place", n)
	}
}

// A server may answer with less than was asked for; the object does not end there.
func TestS3ShortRanges(t *testing.T) {
	t.Parallel()
	data, content := storetest.Make(1, 900_000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err != nil {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			return
		}
		to := min(from+50_000, len(data))
		if from < 500_000 { // and nothing more, whatever is asked
			to = min(to, 150_000)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[from:to])
	}))
	t.Cleanup(srv.Close)
	s, err := originals.NewS3(t.Context(), "s3://pictures?endpoint="+url.QueryEscape(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := o.Seek(700_000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, data[700_000:]) {
		t.Errorf("read %d bytes of 200000, %v", len(got), err)
	}
	if _, err := o.Seek(100_000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(o); len(got) != 50_000 || err == nil {
		t.Errorf("an object that ends too early: %d bytes, %v; want 50000 and an error", len(got), err)
	}
}

//nolint:paralleltest // it counts what the process allocates
func TestS3ReadsWithoutHoldingTheObject(t *testing.T) {
	const size = 128 << 20
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		block := make([]byte, 64<<10)
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	s := mustNew(t, "s3://pictures?endpoint="+url.QueryEscape(srv.URL))
	_, content := storetest.Make(1, 0)
	o, err := s.Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := io.Copy(io.Discard, o)
	runtime.ReadMemStats(&after)
	if n != size || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > size/8 {
		t.Errorf("reading %d MB allocated %d MB", size>>20, got>>20)
	}
}

// A server that takes connections and says nothing holds nobody longer than they
// want to wait.
func TestS3Silence(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	defer srv.Close()
	defer close(silent)
	s := mustNew(t, "s3://pictures?region=eu-west-1&endpoint="+url.QueryEscape(srv.URL))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

// Without credentials anywhere nothing is sent.
func TestS3WithoutCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	var requests seen
	s := mustNew(t, fakeS3(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests.add(r) })
	}))
	if err := s.Check(t.Context()); err == nil {
		t.Error("no error")
	}
	if got := requests.list(); len(got) != 0 {
		t.Errorf("requests %v", got)
	}
}
