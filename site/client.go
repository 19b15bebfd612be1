package site

import (
	"net/netip"
	"strings"
)

// clientAddr returns who asks: the peer of the connection, or, when that is a
// trusted proxy, the rightmost address of X-Forwarded-For that is none. What
// stands left of it was written by strangers. The zero Addr means unknown.
func clientAddr(remote string, forwarded []string, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := bare(peer.Addr())
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(addr, trusted); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // the last hop that can be read is the best that is known
		}
		addr = bare(next)
	}
	return addr
}

// bare removes what would make one client look like several.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
