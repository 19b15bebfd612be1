package probe

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// errUnreachable stops a look on its way to an address that no visitor reaches.
var errUnreachable = errors.New("the address is link-local or a cloud's metadata service, which no visitor reaches: set allow_link_local if that is meant")

// metadata are the services of clouds that hand out credentials to whoever asks
// and whose addresses are not link-local: AWS over IPv6, Google over IPv6, Alibaba,
// Azure's wire server and Oracle's old one. From the vendors' manuals.
func metadata() [5]netip.Addr {
	return [...]netip.Addr{
		netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2, 14: 0x02, 15: 0x54}),
		netip.AddrFrom16([16]byte{0xfd, 0x20, 0x00, 0xce, 14: 0x02, 15: 0x54}),
		netip.AddrFrom4([4]byte{100, 100, 100, 200}),
		netip.AddrFrom4([4]byte{168, 63, 129, 16}),
		netip.AddrFrom4([4]byte{192, 0, 0, 192}),
	}
}

// offLimits reports whether an address is one that a look must not reach.
// Loopback and private networks are not among them: people watch those.
func offLimits(addr netip.Addr) bool {
	addr = inner(addr.WithZone(""))
	if addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() {
		return true
	}
	for _, known := range metadata() {
		if addr == known {
			return true
		}
	}
	return false
}

// inner returns the IPv4 address that an IPv6 address stands for: mapped
// (::ffff:0:0/96), behind NAT64 (64:ff9b::/96, RFC 6052) or 6to4 (2002::/16, RFC
// 3056); else the address itself.
func inner(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() {
		return addr
	}
	b := addr.As16()
	switch {
	case b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b && [8]byte(b[4:12]) == [8]byte{}:
		return netip.AddrFrom4([4]byte(b[12:16]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

// newDialer makes the dialer of a check. It is asked for each address after the
// name was resolved, so that neither a name, nor an odd way to write a number, nor
// a name server that answers differently the second time gets around it.
func newDialer(allowLinkLocal bool) *net.Dialer {
	d := &net.Dialer{KeepAlive: -1}
	if !allowLinkLocal {
		d.Control = refuseOffLimits
	}
	return d
}

func refuseOffLimits(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return errUnreachable // whatever it is, it is no address that was resolved
	}
	if offLimits(target.Addr()) {
		return errUnreachable
	}
	return nil
}

// validateHostPort is validateReach for host:port.
func validateHostPort(path, address string, allowed bool, report func(path, msg string)) {
	if host, _, err := net.SplitHostPort(address); err == nil {
		validateReach(path, host, allowed, report)
	}
}

// validateReach reports an address in the file that the dialer would refuse.
func validateReach(path, host string, allowed bool, report func(path, msg string)) {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err == nil && !allowed && offLimits(addr) {
		report(path, host+" is link-local or a cloud's metadata service, which no visitor reaches: write allow_link_local: true if that is meant")
	}
}
