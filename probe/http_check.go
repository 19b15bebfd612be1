package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// httpChecker looks at one web address. It shares one transport between all
// its looks, but no connection.
type httpChecker struct {
	request   webRequest
	judge     webJudge
	transport *http.Transport
	secrets   []Secret // never to be seen in evidence
	unable    bool     // it should sign and has no key
}

// Checker makes the checker; it reads the CA file.
func (h *HTTP) Checker(env Env) (Checker, error) {
	conf := *h
	conf.SetDefaults()
	given := make(map[string]string, len(conf.Headers))
	for name, value := range conf.Headers {
		given[name] = value.Reveal()
	}
	c := &httpChecker{}
	var err error
	if c.judge, err = newWebJudge(&conf.Expect, conf.Challenge == "allow"); err != nil {
		return nil, err
	}
	r := &c.request
	r.method, r.body, r.hops, r.open = conf.Method, []byte(conf.Body.Reveal()), conf.Redirects.Hops(), conf.AllowLinkLocal
	r.limit = bodyLimit(conf.MaxBody, conf.Expect.MaxSize)
	if r.url, err = url.Parse(conf.URL); err != nil {
		return nil, errors.New("the url of the check cannot be read")
	}
	r.header, r.private, r.host = headers(given)
	for _, value := range conf.Headers {
		c.secrets = append(c.secrets, value)
	}
	if password, ok := r.url.User.Password(); ok {
		c.secrets = append(c.secrets, Secret(password))
	}
	c.secrets = append(c.secrets, conf.Body)
	r.signer, c.unable = signing(conf.Signed, conf.ProbeKey, env.ProbeKey)
	if c.transport, err = newTransport(conf.Proxy, &conf.TLS, conf.AllowLinkLocal); err != nil {
		return nil, err
	}
	return c, nil
}

// Check makes one request and judges the answer.
func (c *httpChecker) Check(ctx context.Context) Look {
	if c.unable {
		return noKey()
	}
	look, answer := c.request.ask(ctx, c.transport, &c.judge)
	if !look.OK && answer != nil {
		look.Fault.Body = evidence(answer.body, c.secrets...)
	}
	return look
}

// bodyLimit is how many bytes of an answer are read: enough to see that it is too large.
func bodyLimit(maxBody, maxSize Size) int64 { return int64(max(maxBody, maxSize+1)) }

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
