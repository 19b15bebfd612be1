package probe

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// TCP opens a connection, may send something, and may look at what comes back.
type TCP struct {
	// Address is the host and port to connect to. Required. Example: db.example.com:5432
	Address string `yaml:"address"`
	// Send is sent after connecting, as it stands; it is never printed. Default nothing. Example: "PING\r\n"
	Send Secret `yaml:"send,omitempty"`
	// Expect is what must come back. Default: connecting is enough.
	Expect TCPExpect `yaml:"expect,omitempty"`
	// ReadLimit is how many bytes are read at most before an expectation counts as not met.
	// Default 4KiB, range 1 to 1MiB.
	ReadLimit Size `yaml:"read_limit,omitempty"`
	// AllowLinkLocal lets the look reach link-local addresses and the metadata services of clouds, which no visitor can.
	// Default false.
	AllowLinkLocal bool `yaml:"allow_link_local,omitempty"`
}

// TCPExpect is what a server must say; every expectation given must be met
// within the read limit and the check's timeout.
type TCPExpect struct {
	// Prefix is what the answer must begin with. Example: "220 "
	Prefix string `yaml:"prefix,omitempty"`
	// Contains is a text that the answer must contain. Example: ESMTP
	Contains string `yaml:"contains,omitempty"`
	// Matches is a regular expression that the answer must match. Example: '^\+PONG'
	Matches Regexp `yaml:"matches,omitempty"`
	// LatencyUnder is how long connecting and answering may take together. Default: only the check's timeout counts.
	LatencyUnder time.Duration `yaml:"latency_under,omitempty"`
}

// Target returns the address.
func (t *TCP) Target() string { return t.Address }

// SetDefaults fills what was left out.
func (t *TCP) SetDefaults() {
	if t.ReadLimit == 0 {
		t.ReadLimit = defaultReadLimit
	}
}

// Validate reports every mistake.
func (t *TCP) Validate(report func(path, msg string)) {
	validateAddress("address", t.Address, report)
	validateHostPort("address", t.Address, t.AllowLinkLocal, report)
	if t.ReadLimit < 0 || t.ReadLimit > 1<<20 {
		report("read_limit", fmt.Sprintf("%s is out of range: write 1B to 1MiB", t.ReadLimit))
	}
	validateLatency(t.Expect.LatencyUnder, report)
}

const defaultReadLimit Size = 4 << 10

// validateAddress reports whether address is host:port with a port from 1 to 65535.
func validateAddress(path, address string, report func(path, msg string)) {
	host, port, err := net.SplitHostPort(address)
	n, convErr := strconv.Atoi(port)
	switch {
	case address == "":
		report(path, "an address is missing: write host:port, such as db.example.com:5432")
	case err != nil || host == "":
		report(path, fmt.Sprintf("%q is not host:port: write one such as db.example.com:5432 or [::1]:5432", address))
	case convErr != nil || n < 1 || n > 65535:
		report(path, fmt.Sprintf("port %q is not a number from 1 to 65535", port))
	}
}
