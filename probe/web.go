package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

var (
	errTooManyHops = errors.New("too many redirects")
	errOddScheme   = errors.New("redirect to an address that is not http or https")
)

// webRequest is one request of a web check or of a step, ready to be sent.
type webRequest struct {
	method  string
	url     *url.URL
	host    string      // of the header Host; "" for the URL's
	header  http.Header // not changed; safe to share
	private []string    // headers that must not travel to another host
	body    []byte
	hops    int   // redirects that are followed
	limit   int64 // bytes of the answer that are read at most
	jar     http.CookieJar
	signer  signer
	open    bool // link-local addresses are allowed
}

// webAnswer is what the judge and the captures need of an answer.
type webAnswer struct {
	*http.Response        // its body is read and closed
	body           []byte // as much as was wanted
}

// ask makes a request and judges the answer, which is nil when there was none.
func (r *webRequest) ask(ctx context.Context, transport *http.Transport, judge *webJudge) (Look, *webAnswer) {
	trace := newHTTPTrace()
	header := r.header.Clone()
	r.signer.sign(header, r.method, r.url)
	req := &http.Request{
		Method: r.method, URL: r.url, Host: r.host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(r.body) > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.body)), nil }
		req.Body, _ = req.GetBody() // it never fails
		req.ContentLength = int64(len(r.body))
	}
	client := http.Client{Transport: transport, CheckRedirect: r.checkRedirect, Jar: r.jar}
	resp, err := client.Do(req.WithContext(trace.context(ctx)))
	if err != nil {
		return r.failed(ctx, trace, resp, err, judge.expect.LatencyUnder), nil
	}
	body, size, err := r.read(resp, judge)
	_ = resp.Body.Close()
	look := trace.look()
	look.Code, look.Bytes, look.Limit = resp.StatusCode, size, judge.expect.LatencyUnder
	if resp.TLS != nil {
		look.CertNotAfter = earliestEnd(resp.TLS)
	}
	answer := &webAnswer{resp, body}
	if err != nil {
		look.Fault, look.Blind = netFault(ctx, err, phaseTransfer)
	} else {
		look.Fault = judge.judge(answer, &look, r.limit)
	}
	look.OK = look.Fault.Class == ""
	return look, answer
}

// checkRedirect decides about one redirect.
func (r *webRequest) checkRedirect(next *http.Request, before []*http.Request) error {
	switch {
	case r.hops == 0:
		return http.ErrUseLastResponse
	case len(before) > r.hops:
		return errTooManyHops
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return errOddScheme
	}
	if addr, err := netip.ParseAddr(next.URL.Hostname()); err == nil && !r.open && offLimits(addr) {
		return errUnreachable // said here too: behind a proxy the dialer does not see it
	}
	// net/http drops Authorization and Cookie on the way to another host; a
	// token in any other header would travel on.
	if next.URL.Host != r.url.Host || next.URL.Scheme != r.url.Scheme {
		for _, name := range r.private {
			next.Header.Del(name)
		}
		next.Header.Del(probeHeader)
		return nil
	}
	r.signer.sign(next.Header, next.Method, next.URL)
	return nil
}

// failed is the look of a request that got no answer, or one too many.
func (r *webRequest) failed(ctx context.Context, trace *httpTrace, resp *http.Response, err error, limit time.Duration) Look {
	phase := trace.phase()
	look := trace.look()
	look.Limit = limit
	if resp != nil { // the last redirect; its body is closed
		look.Code = resp.StatusCode
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // the rest of its text is the address, which may hold a token
	}
	switch {
	case errors.Is(err, errTooManyHops):
		look.Fault = unmet(ClassStatus, "the answer redirects more than %d times", r.hops)
	case errors.Is(err, errOddScheme):
		look.Fault = unmet(ClassStatus, "the answer redirects to an address that is not http or https")
	default:
		look.Fault, look.Blind = netFault(ctx, err, phase)
	}
	return look
}

// read reads the body up to the limit and returns what the judge needs of it,
// and how many bytes there were.
func (r *webRequest) read(resp *http.Response, judge *webJudge) ([]byte, int64, error) {
	limited := io.LimitReader(resp.Body, r.limit)
	if judge.wants || resp.StatusCode/100 == 2 && !judge.anyPage && mayBeHTML(resp.Header) {
		var buf bytes.Buffer
		buf.Grow(int(min(max(resp.ContentLength, 0), 64<<10)) + bytes.MinRead)
		n, err := buf.ReadFrom(limited)
		return buf.Bytes(), n, err
	}
	// Nothing wants the whole: keep the evidence and count the rest.
	head := make([]byte, maxEvidence)
	n, err := 0, error(nil)
	for n < len(head) && err == nil {
		var k int
		k, err = limited.Read(head[n:])
		n += k
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return head[:n], int64(n), err
	}
	rest, err := io.Copy(io.Discard, limited)
	return head, int64(n) + rest, err
}

// mayBeHTML reports whether the header leaves it open that this is a page.
func mayBeHTML(header http.Header) bool {
	kind := header.Get("Content-Type")
	return kind == "" || looksLikeHTML(kind, nil)
}

// newTransport makes the one transport of a checker. It keeps no connection: name,
// connection and handshake are looked at each time. The look's context is the only
// clock: no time-out of the transport's own competes with it.
func newTransport(proxy string, tlsConf *TLSClient, allowLinkLocal bool) (*http.Transport, error) {
	conf, err := tlsConf.config()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:            newDialer(allowLinkLocal).DialContext,
		TLSClientConfig:        conf,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 256 << 10,
	}
	switch proxy {
	case "":
	case "environment":
		t.Proxy = http.ProxyFromEnvironment
	default:
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, errors.New("the proxy of the check cannot be read")
		}
		t.Proxy = http.ProxyURL(u)
	}
	return t, nil
}

// headers makes the headers of a request of those in the file, and says which of
// them are private and what Host they give.
func headers(given map[string]string) (header http.Header, private []string, host string) {
	header = http.Header{}
	header.Set("User-Agent", UserAgent)
	for name, value := range given {
		switch http.CanonicalHeaderKey(name) {
		case "Host":
			host = value
			continue
		case "User-Agent":
		default:
			private = append(private, name)
		}
		header.Set(name, value)
	}
	slices.Sort(private)
	return header, private, host
}
