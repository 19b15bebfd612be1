package guard

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func clients(tb testing.TB, trusted ...string) Clients {
	tb.Helper()
	c, err := ParseClients(trusted)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestClientIsTheRightmostUntrustedHop(t *testing.T) {
	t.Parallel()
	c := clients(t, "10.0.0.0/8", "::1")
	tests := map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"no proxy":                   {"203.0.113.5:99", nil, "203.0.113.5"},
		"a stranger's header":        {"203.0.113.5:99", []string{"192.0.2.1"}, "203.0.113.5"},
		"one proxy":                  {"10.1.1.1:99", []string{"192.0.2.1"}, "192.0.2.1"},
		"a chain, forged on left":    {"10.1.1.1:99", []string{"1.1.1.1, 192.0.2.1, 10.2.2.2"}, "192.0.2.1"},
		"two header lines":           {"10.1.1.1:99", []string{"1.1.1.1", "192.0.2.1"}, "192.0.2.1"},
		"two lines, the last a hop":  {"10.1.1.1:99", []string{"1.1.1.1, 192.0.2.1", "10.2.2.2"}, "192.0.2.1"},
		"all trusted":                {"10.1.1.1:99", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		"with a port":                {"10.1.1.1:99", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		"IPv6 with a port":           {"10.1.1.1:99", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		"mapped address":             {"[::ffff:10.1.1.1]:99", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"zone is dropped":            {"[::1]:99", []string{"fe80::1%eth0"}, "fe80::1"},
		"unreadable hop":             {"10.1.1.1:99", []string{"192.0.2.1, what"}, "10.1.1.1"},
		"empty line":                 {"10.1.1.1:99", []string{""}, "10.1.1.1"},
		"proxy without the header":   {"10.1.1.1:99", nil, "10.1.1.1"},
		"not an address":             {"@", nil, "invalid IP"},
		"a thousand hops, all ours":  {"10.1.1.1:99", []string{"192.0.2.1" + strings.Repeat(", 10.2.2.2", 1000)}, "10.2.2.2"},
		"thirty hops, still read":    {"10.1.1.1:99", []string{"192.0.2.1" + strings.Repeat(", 10.2.2.2", 30)}, "192.0.2.1"},
		"X-Real-IP is not looked at": {"10.1.1.1:99", nil, "10.1.1.1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.remote
			r.Header["X-Forwarded-For"] = tt.forwarded
			r.Header.Set("X-Real-Ip", "198.51.100.9")
			r.Header.Set("Forwarded", "for=198.51.100.9")
			if got := c.Addr(r).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			r.RemoteAddr = strings.Replace(tt.remote, "10.1.1.1", "203.0.113.77", 1)
			if got := (Clients{}).Addr(r).String(); strings.HasPrefix(tt.remote, "10.") && got != "203.0.113.77" {
				t.Errorf("with nothing trusted: got %s", got)
			}
		})
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ addr, narrow, wide string }{
		"IPv4":    {"192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"},
		"IPv6":    {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"},
		"unknown": {"", "invalid Prefix", "invalid Prefix"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a netip.Addr
			if tt.addr != "" {
				a = netip.MustParseAddr(tt.addr)
			}
			if got := Narrow(a).String(); got != tt.narrow {
				t.Errorf("narrow %s, want %s", got, tt.narrow)
			}
			if got := Wide(a).String(); got != tt.wide {
				t.Errorf("wide %s, want %s", got, tt.wide)
			}
		})
	}
}

func TestTrustedProxiesAreRead(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "10.0.0.0/33", "proxy.example.com", "10.0.0", "10.0.0.1:80"} {
		if _, err := ParseClients([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	c := clients(t, "10.0.0.7", "::ffff:192.0.2.1")
	for addr, want := range map[string]bool{"10.0.0.7": true, "10.0.0.8": false, "192.0.2.1": true} {
		if got := c.Trusts(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s trusted: %t", addr, got)
		}
	}
}

// FuzzForwardedFor holds that no header makes a client out of what is not an
// address, has a zone or a mapped form, and that a peer that is not trusted is
// always the client itself.
func FuzzForwardedFor(f *testing.F) {
	f.Add("10.1.1.1:99", "1.1.1.1, 192.0.2.1")
	f.Add("[::1]:1", "fe80::1%x,,")
	f.Add("10.1.1.1:99", "[::1]:99,::ffff:1.2.3.4")
	f.Add("10.1.1.1:99", ",,,,")
	c := clients(f, "10.0.0.0/8", "::1")
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		a := c.addr(remote, []string{forwarded})
		if a.Zone() != "" || a.Is4In6() {
			t.Errorf("%q %q gave %s", remote, forwarded, a)
		}
		peer, err := netip.ParseAddrPort(remote)
		if err == nil && !c.Trusts(bare(peer.Addr())) && a != bare(peer.Addr()) {
			t.Errorf("%q is not trusted, but became %s by %q", remote, a, forwarded)
		}
		if b := c.addr(remote, []string{"198.51.100.1", forwarded}); a.IsValid() && !c.Trusts(a) && a != b {
			t.Errorf("%q: what stands on the left changed %s to %s", forwarded, a, b)
		}
	})
}
