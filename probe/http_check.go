package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var (
	errTooManyHops = errors.New("too many redirects")
	errOddScheme   = errors.New("redirect to an address that is not http or https")
)

// httpChecker looks at one web address. It shares one transport between all
// its looks, but no connection: keep-alive is off.
type httpChecker struct {
	conf    HTTP // with defaults
	env     Env
	url     *url.URL
	header  http.Header
	host    string
	client  http.Client
	paths   map[string][]step // conf.Expect.JSON, parsed
	secrets []Secret          // never to be seen in evidence
	limit   int64             // bytes of body read at most
	wants   bool              // an expectation needs the body
}

// Checker makes the checker; it reads the CA file.
func (h *HTTP) Checker(env Env) (Checker, error) {
	c := &httpChecker{conf: *h, env: env, header: http.Header{}, paths: map[string][]step{}}
	c.conf.SetDefaults()
	var err error
	if c.url, err = url.Parse(c.conf.URL); err != nil {
		return nil, errors.New("the url of the check cannot be read")
	}
	c.header.Set("User-Agent", UserAgent)
	for name, value := range h.Headers {
		c.secrets = append(c.secrets, value)
		if strings.EqualFold(name, "Host") {
			c.host = value.Reveal()
			continue
		}
		c.header.Set(name, value.Reveal())
	}
	if password, ok := c.url.User.Password(); ok {
		c.secrets = append(c.secrets, Secret(password))
	}
	c.secrets = append(c.secrets, h.Body)
	e := &c.conf.Expect
	for path := range e.JSON {
		if c.paths[path], err = parsePath(path); err != nil {
			return nil, err
		}
	}
	c.limit = int64(max(c.conf.MaxBody, e.MaxSize+1))
	c.wants = len(e.BodyContains)+len(e.BodyNotContains)+len(e.BodyMatches)+len(e.JSON) > 0
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	c.client = http.Client{Transport: transport, CheckRedirect: c.checkRedirect}
	return c, nil
}

// transport makes the one transport of the checker. The look's context is the
// only clock: no time-out of the transport's own competes with it.
func (c *httpChecker) transport() (*http.Transport, error) {
	conf, err := c.conf.TLS.config()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{KeepAlive: -1}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        conf,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 256 << 10,
	}
	switch c.conf.Proxy {
	case "":
	case "environment":
		t.Proxy = http.ProxyFromEnvironment
	default:
		proxy, err := url.Parse(c.conf.Proxy)
		if err != nil {
			return nil, errors.New("the proxy of the check cannot be read")
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	return t, nil
}

// config makes the client's side of TLS; nil when nothing differs from the default.
func (c *TLSClient) config() (*tls.Config, error) {
	if *c == (TLSClient{}) {
		return nil, nil //nolint:nilnil // nil is crypto/tls's word for the default
	}
	pool, err := loadPool(c.CAFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		RootCAs:            pool,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.SkipVerify, //nolint:gosec // asked for in the check's own block
		MinVersion:         tls.VersionTLS12,
	}, nil
}

// loadPool reads a PEM file of authorities; nil, the system's, when there is no file.
func loadPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil is crypto/x509's word for the system's authorities
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the path comes from the configuration
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s has no certificate in PEM form", file)
	}
	return pool, nil
}

// checkRedirect decides about one redirect.
func (c *httpChecker) checkRedirect(next *http.Request, before []*http.Request) error {
	hops := c.conf.Redirects.Hops()
	switch {
	case hops == 0:
		return http.ErrUseLastResponse
	case len(before) > hops:
		return errTooManyHops
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return errOddScheme
	}
	// net/http drops Authorization and Cookie on the way to another host; a
	// token in any other header would travel on.
	if next.URL.Host != c.url.Host || next.URL.Scheme != c.url.Scheme {
		for name := range c.conf.Headers {
			if !strings.EqualFold(name, "User-Agent") {
				next.Header.Del(name)
			}
		}
	}
	return nil
}

// Check makes one request and judges the answer.
func (c *httpChecker) Check(ctx context.Context) Look {
	trace := newHTTPTrace()
	req := &http.Request{
		Method: c.conf.Method, URL: c.url, Host: c.host, Header: c.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if body := c.conf.Body.Reveal(); body != "" {
		req.Body = io.NopCloser(strings.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
		req.ContentLength = int64(len(body))
	}
	resp, err := c.client.Do(req.WithContext(trace.context(ctx)))
	if err != nil {
		return c.failed(ctx, trace, resp, err)
	}
	body, size, err := c.read(resp)
	_ = resp.Body.Close()
	look := trace.look()
	look.Code, look.Bytes, look.Limit = resp.StatusCode, size, c.conf.Expect.LatencyUnder
	if resp.TLS != nil {
		look.CertNotAfter = earliestEnd(resp.TLS)
	}
	if err != nil {
		look.Fault, look.Blind = netFault(ctx, err, phaseTransfer)
	} else {
		look.Fault = c.judge(resp, body, &look)
	}
	look.OK = look.Fault.Class == ""
	if !look.OK {
		look.Fault.Body = evidence(body, c.secrets...)
	}
	return look
}

// failed is the look of a request that got no answer, or one too many.
func (c *httpChecker) failed(ctx context.Context, trace *httpTrace, resp *http.Response, err error) Look {
	look := trace.look()
	look.Limit = c.conf.Expect.LatencyUnder
	if resp != nil { // the last redirect; its body is closed
		look.Code = resp.StatusCode
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // the rest of its text is the address, which may hold a token
	}
	switch {
	case errors.Is(err, errTooManyHops):
		look.Fault = unmet(ClassStatus, "the answer redirects more than %d times", c.conf.Redirects.Hops())
	case errors.Is(err, errOddScheme):
		look.Fault = unmet(ClassStatus, "the answer redirects to an address that is not http or https")
	default:
		look.Fault, look.Blind = netFault(ctx, err, trace.phase())
	}
	return look
}

// read reads the body up to the limit and returns what the judge needs of it,
// and how many bytes there were.
func (c *httpChecker) read(resp *http.Response) ([]byte, int64, error) {
	limited := io.LimitReader(resp.Body, c.limit)
	if c.wants || resp.StatusCode/100 == 2 && c.conf.Challenge != "allow" && mayBeHTML(resp.Header) {
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

// earliestEnd is the first moment at which a certificate of the chain ends. Of
// several chains that verify, the one that lasts longest counts: any will do
// for a visitor. Without verification, the chain as it was served.
func earliestEnd(state *tls.ConnectionState) time.Time {
	var best time.Time
	for _, chain := range state.VerifiedChains {
		if end := chainEnd(chain); end.After(best) {
			best = end
		}
	}
	if best.IsZero() {
		return chainEnd(state.PeerCertificates)
	}
	return best
}

func chainEnd(chain []*x509.Certificate) time.Time {
	var end time.Time
	for _, cert := range chain {
		if end.IsZero() || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end.UTC()
}
