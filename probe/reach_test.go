package probe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The tests of this file are row 8 of the security checklist: SSRF.

func TestSSRFAddresses(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "169.254.170.2": true, "fe80::1": true, "febf::1": true, "fd00:ec2::254": true,
		"fd20:ce::254": true, "100.100.100.200": true, "168.63.129.16": true, "192.0.0.192": true, "::ffff:169.254.169.254": true,
		"64:ff9b::a9fe:a9fe": true, "2002:a9fe:a9fe::1": true, "fe80::1%eth0": true, "224.0.0.1": true, "ff02::1": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "100.64.0.1": false,
		"fd00::1": false, "192.0.2.1": false, "169.253.255.255": false, "169.255.0.0": false, "fec0::1": false, "64:ff9b::7f00:1": false, "0.0.0.0": false,
	} {
		if got := offLimits(netip.MustParseAddr(addr)); got != want {
			t.Errorf("offLimits(%s) = %v, want %v", addr, got, want)
		}
		_, port := "", ":80"
		refused := refuseOffLimits("tcp", net.JoinHostPort(addr, port[1:]), nil) != nil
		if refused != want {
			t.Errorf("the dialer refuses %s: %v, want %v", addr, refused, want)
		}
	}
	if refuseOffLimits("tcp", "not an address", nil) == nil {
		t.Error("the dialer goes to what is no address")
	}
	if newDialer(true).Control != nil || newDialer(false).Control == nil {
		t.Error("allow_link_local is not what decides")
	}
}

// rebinding is a resolver whose answers are given one after the other; the last
// one stays.
func rebinding(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			answer := answers[min(int(asked.Add(1))-1, len(answers)-1)]
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(answer),
			})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = srv.ActivateAndServe() }()
	t.Cleanup(func() { _ = srv.Shutdown() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// resolveWith makes a checker of any of the four kinds ask another resolver.
func resolveWith(c Checker, r *net.Resolver) {
	d := newDialer(false)
	d.Resolver = r
	switch c := c.(type) {
	case *httpChecker:
		c.transport.DialContext = d.DialContext
	case *journeyChecker:
		c.transport.DialContext = d.DialContext
	case *tcpChecker:
		c.dialer = d
	case *tlsChecker:
		c.dialer = d
	}
}

func port(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// TestSSRFNames: whatever a name or an odd number resolves to in the end decides,
// each time anew.
func TestSSRFNames(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(site.Close)
	p := port(t, site.URL)
	step := func(name string) JourneyStep {
		return JourneyStep{Name: name, Request: JourneyRequest{URL: "/" + name}}
	}
	tests := []struct {
		name    string
		kind    Kind
		answers []string
	}{
		{"a name that leads to the metadata", &HTTP{URL: "http://rebind.test:" + p}, []string{"169.254.169.254"}},
		{"a hexadecimal number for an address", &HTTP{URL: "http://0xa9fea9fe:" + p}, []string{"169.254.169.254"}},
		{"tcp", &TCP{Address: "rebind.test:" + p}, []string{"169.254.1.1"}},
		{"tls", &TLS{Address: "rebind.test:" + p}, []string{"100.100.100.200"}},
		{"a journey", &Journey{Base: "http://rebind.test:" + p, Steps: []JourneyStep{step("one")}}, []string{"169.254.169.254"}},
		{"the second step's name leads elsewhere", &Journey{Base: "http://rebind.test:" + p, Steps: []JourneyStep{step("one"), step("two")}}, []string{"127.0.0.1", "169.254.169.254"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.kind.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
			checker, err := tc.kind.Checker(Env{})
			if err != nil {
				t.Fatal(err)
			}
			resolveWith(checker, rebinding(t, tc.answers...))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			look := checker.Check(ctx)
			if look.OK || look.Fault.Class != ClassConnect || !strings.HasSuffix(look.Fault.Message, errUnreachable.Error()) {
				t.Errorf("got %s %q, want it refused", look.Fault.Class, look.Fault.Message)
			}
			if n := len(look.Steps); n == 2 && (!look.Steps[0].OK || look.Fault.Step != "two") {
				t.Errorf("got %+v, want the second step refused", look.Steps)
			}
		})
	}
	t.Run("loopback behind a name stays allowed", func(t *testing.T) {
		t.Parallel()
		checker, err := (&HTTP{URL: "http://rebind.test:" + p}).Checker(Env{})
		if err != nil {
			t.Fatal(err)
		}
		resolveWith(checker, rebinding(t, "127.0.0.1"))
		if look := checker.Check(t.Context()); !look.OK {
			t.Error(look.Fault.Message)
		}
	})
}

// TestSSRFDecimal: the C library takes 2852039166 for 169.254.169.254, Go's own
// resolver for no name at all. Neither gets through.
func TestSSRFDecimal(t *testing.T) {
	t.Parallel()
	for _, prefersGo := range []bool{true, false} {
		checker, err := (&HTTP{URL: "http://2852039166/latest/"}).Checker(Env{})
		if err != nil {
			t.Fatal(err)
		}
		resolveWith(checker, &net.Resolver{PreferGo: prefersGo})
		look := checker.Check(t.Context())
		noName := look.Fault.Class == ClassDNS && strings.Contains(look.Fault.Message, "does not resolve")
		if look.OK || !noName && look.Fault.Message != errUnreachable.Error() {
			t.Errorf("got %s %q, want it refused", look.Fault.Class, look.Fault.Message)
		}
		t.Logf("prefers Go's resolver %v: %s", prefersGo, look.Fault.Message)
	}
}

func TestSSRFRedirects(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"http://169.254.169.254/latest/", "http://[fe80::1]/", "http://[::ffff:a9fe:a9fe]/", "http://100.100.100.200/"} {
		site := httptest.NewServer(http.RedirectHandler(target, http.StatusFound))
		t.Cleanup(site.Close)
		if look := lookAt(t, &HTTP{URL: site.URL}); look.OK || look.Fault.Message != errUnreachable.Error() {
			t.Errorf("%s: got %q, want it refused", target, look.Fault.Message)
		}
		j := &Journey{Base: site.URL, Steps: []JourneyStep{{Name: "go", Request: JourneyRequest{URL: "/"}}}}
		if look := travel(t, j, Env{}); look.OK || look.Fault.Message != "step 1 go: "+errUnreachable.Error() {
			t.Errorf("%s: got %q, want it refused", target, look.Fault.Message)
		}
	}
}

// TestSSRFRedirectsBehindAProxy: the dialer sees the proxy only, so an address in
// a redirect is looked at before.
func TestSSRFRedirectsBehindAProxy(t *testing.T) {
	t.Parallel()
	var asked atomic.Pointer[string]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		url := r.URL.String()
		asked.Store(&url)
		http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
	}))
	t.Cleanup(proxy.Close)
	look := lookAt(t, &HTTP{URL: "http://shop.example.com/", Proxy: proxy.URL})
	if look.OK || look.Fault.Message != errUnreachable.Error() {
		t.Errorf("got %q, want it refused", look.Fault.Message)
	}
	if got := asked.Load(); got == nil || *got != "http://shop.example.com/" {
		t.Errorf("the proxy was asked for %v last, want the shop only", got)
	}
}

// TestSSRFCaptured: a value of the site that makes a whole address leads no
// further than a name would.
func TestSSRFCaptured(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Next", "http://169.254.169.254/latest/")
	}))
	t.Cleanup(site.Close)
	j := &Journey{Base: site.URL, Steps: []JourneyStep{
		{Name: "ask", Request: JourneyRequest{URL: "/"}, Capture: map[string]JourneyCapture{"next": {Header: "Next"}}},
		{Name: "go", Request: JourneyRequest{URL: "{{next}}"}},
	}}
	if look := travel(t, j, Env{}); look.OK || look.Fault.Message != "step 2 go: "+errUnreachable.Error() {
		t.Errorf("got %q, want it refused", look.Fault.Message)
	}
}
