package fakepd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// errClosed is what a client sees when the stand-in closes the connection.
var errClosed = errors.New("fakepd: connection reset by peer")

var errHandshake = errors.New("tls: handshake failure")

// RoundTrip lets a Server be the Transport of an http.Client: no socket is
// involved, so it works inside a testing/synctest bubble. It reports
// WroteRequest to a client trace as a real transport does.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		if cerr := req.Body.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
	}
	if err := s.unreached(req, body); err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	in := req.Clone(req.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	answer := make(chan *recorder, 1)
	s.work.Go(func() { answer <- s.serve(in) }) // ends with the request's context or with Close
	select {
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	case rec := <-answer:
		if rec == nil {
			return nil, errClosed
		}
		return rec.response(req), nil
	}
}

// unreached is the error of a request that never leaves.
func (s *Server) unreached(req *http.Request, body []byte) error {
	s.mu.Lock()
	why := s.faults.pickUnreached(req.URL.Path != eventsPath)
	if why != "" {
		e, _ := decode(body)
		s.journal.add(Line{At: time.Now().UTC(), Kind: kindUnreached, Action: e.Action, RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, Note: why})
	}
	s.mu.Unlock()
	switch why {
	case "dns":
		return &net.DNSError{Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true}
	case "tls":
		return &net.OpError{Op: "remote error", Err: errHandshake}
	}
	return nil
}

// serve runs the handler; nil means that it closed the connection before an answer.
func (s *Server) serve(r *http.Request) (rec *recorder) {
	defer func() {
		if v := recover(); v != nil {
			err, ok := v.(error)
			if !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			if rec.status == 0 {
				rec = nil
				return
			}
			rec.torn = true
		}
	}()
	rec = &recorder{header: http.Header{}}
	s.Handler().ServeHTTP(rec, r)
	return rec
}

// recorder is the smallest http.ResponseWriter.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	torn   bool // the connection was closed within the body
}

// Header implements [http.ResponseWriter].
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) response(req *http.Request) *http.Response {
	r.WriteHeader(http.StatusOK)
	if r.torn {
		return &http.Response{
			Status: http.StatusText(r.status), StatusCode: r.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: r.header, Body: io.NopCloser(io.MultiReader(&r.body, brokenOff{})), ContentLength: -1, Request: req,
		}
	}
	return &http.Response{
		Status: http.StatusText(r.status), StatusCode: r.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Body: io.NopCloser(&r.body), ContentLength: int64(r.body.Len()), Request: req,
	}
}

// brokenOff is the rest of a body whose connection was closed.
type brokenOff struct{}

// Read implements [io.Reader].
func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
