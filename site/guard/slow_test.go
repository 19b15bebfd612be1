package guard

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestServerTimeouts(t *testing.T) {
	t.Parallel()
	s := Server(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 30*time.Second || s.WriteTimeout != time.Minute || s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("%+v", s)
	}
}

// line is a body that comes at some speed, and a ResponseWriter with its deadline.
type line struct {
	http.ResponseWriter
	rate, left int
	chunk      int
	deadline   time.Time
	writeUntil time.Time
}

func (l *line) SetReadDeadline(t time.Time) error  { l.deadline = t; return nil }
func (l *line) SetWriteDeadline(t time.Time) error { l.writeUntil = t; return nil }
func (l *line) Close() error                       { return nil }

func (l *line) Read(p []byte) (int, error) {
	n := min(len(p), l.left, l.chunk)
	if n == 0 {
		return 0, io.EOF
	}
	arrives := time.Now().Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	if !l.deadline.IsZero() && arrives.After(l.deadline) {
		time.Sleep(time.Until(l.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(time.Until(arrives))
	l.left -= n
	return n, nil
}

func TestMinRate(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	tests := map[string]struct {
		rate int // bytes a second that come
		want error
		took time.Duration // at most
	}{
		"fast":                     {1 << 20, nil, 5 * time.Second},
		"slow, but fast enough":    {20 << 10, nil, 4 * time.Minute},
		"just at the rate":         {16 << 10, nil, 5 * time.Minute},
		"too slow":                 {8 << 10, ErrSlow, 25 * time.Second},
		"a drop a second":          {1, ErrSlow, 11 * time.Second},
		"nothing in the beginning": {0, ErrSlow, 11 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &line{ResponseWriter: httptest.NewRecorder(), rate: max(tt.rate, 1), left: size, chunk: 1 << 10}
				if tt.rate == 0 {
					l.chunk = 1 << 20
				}
				r := httptest.NewRequest(http.MethodPost, "/", l)
				MinRate(l, r, 16<<10)
				start := time.Now()
				n, err := io.Copy(io.Discard, r.Body)
				took := time.Since(start)
				if !errors.Is(err, tt.want) || (tt.want == nil && n != size) || took > tt.took {
					t.Errorf("read %d in %v: %v", n, took, err)
				}
				if tt.want == nil && (!l.deadline.IsZero() || time.Until(l.writeUntil) != writeFor) {
					t.Errorf("after the end: read until %v, answer for %v", l.deadline, time.Until(l.writeUntil))
				}
			})
		})
	}
}

func TestMinRateWithoutDeadlines(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body"))
	MinRate(httptest.NewRecorder(), r, 1)
	if b, err := io.ReadAll(r.Body); string(b) != "body" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestWriteRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{ResponseWriter: httptest.NewRecorder()}
		WriteRate(l, 64<<20, 1<<20)
		if got := time.Until(l.writeUntil); got != writeFor+64*time.Second {
			t.Errorf("%v", got)
		}
	})
}

// On a real connection: a body that stops is refused, and after a whole one the
// request's context lives on beyond the server's read timeout.
func TestMinRateOnASocket(t *testing.T) {
	t.Parallel()
	g := newGuard(t, nil)
	body := bytes.Repeat([]byte("x"), 3<<20)
	result := make(chan error, 2)
	addr := listen(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		MinRate(w, r, 1<<20)
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil && n != int64(len(body)) {
			err = io.ErrShortBuffer
		}
		result <- errors.Join(err, context.Cause(r.Context()))
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/upload", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := <-result; err != nil {
		t.Errorf("a whole upload: %v", err)
	}
}
