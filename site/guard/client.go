package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how much of X-Forwarded-For is read, from its end.
const maxHops = 32

// The widths of a client's own network and of the one around it: an IPv4 address
// and its /24, an IPv6 /64 (which one household gets) and its /48.
const (
	narrow4, narrow6 = 32, 64
	wide4, wide6     = 24, 48
)

// Clients tells who asks. The zero value trusts nobody: the peer of the
// connection is the client. Safe for concurrent use.
type Clients struct{ trusted []netip.Prefix }

// ParseClients reads the addresses and networks of trusted proxies, such as
// 10.0.0.7 and 10.0.0.0/8.
func ParseClients(trusted []string) (Clients, error) {
	var c Clients
	for _, text := range trusted {
		p, err := ParsePrefix(text)
		if err != nil {
			return Clients{}, err
		}
		c.trusted = append(c.trusted, p)
	}
	return c, nil
}

// ParsePrefix reads an address or a network.
func ParsePrefix(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read a network: %w", err)
	}
	a = bare(a)
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Addr returns who asks: the peer of the connection, or, when that is a trusted
// proxy, the rightmost address of X-Forwarded-For that is none. What stands left
// of it was written by strangers. The zero Addr means unknown.
func (c Clients) Addr(r *http.Request) netip.Addr {
	return c.addr(r.RemoteAddr, r.Header["X-Forwarded-For"])
}

func (c Clients) addr(remote string, forwarded []string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := bare(peer.Addr())
	hops := 0
	for _, line := range slices.Backward(forwarded) { // proxies may add lines instead of words
		for more := true; more; hops++ {
			if hops == maxHops || !c.Trusts(addr) {
				return addr
			}
			comma := strings.LastIndexByte(line, ',')
			next, ok := parseHop(line[comma+1:])
			if !ok {
				return addr // the last hop that can be read is the best that is known
			}
			addr, more = next, comma >= 0
			line = line[:max(comma, 0)]
		}
	}
	return addr
}

// Trusts reports whether an address is one of a trusted proxy.
func (c Clients) Trusts(a netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseHop reads one hop; some proxies write a port too.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return bare(a), true
	}
	if p, err := netip.ParseAddrPort(text); err == nil {
		return bare(p.Addr()), true
	}
	return netip.Addr{}, false
}

// bare removes what would make one client look like several.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Narrow returns the network that counts as one client. All whose address is
// unknown share the zero Prefix.
func Narrow(a netip.Addr) netip.Prefix { return network(a, narrow4, narrow6) }

// Wide returns the network around a client: its neighbours.
func Wide(a netip.Addr) netip.Prefix { return network(a, wide4, wide6) }

func network(a netip.Addr, v4, v6 int) netip.Prefix {
	bits := v6
	if a.Is4() {
		bits = v4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
