package probe

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// DNS asks a name server for a record: over UDP, and over TCP when the answer
// does not fit.
type DNS struct {
	// Name is the name to ask for. Required. Example: photos.example.com
	Name string `yaml:"name"`
	// Type is the type of record: A, AAAA, CNAME, MX, TXT, NS, SOA or SRV. Default A.
	Type string `yaml:"type,omitempty"`
	// Server is the name server to ask, as host:port (or an address alone, for port 53). Default: the system's, from
	// resolv.conf. Example: 192.0.2.53:53
	Server string `yaml:"server,omitempty"`
	// Expect is what the answer must be. Default: NOERROR with at least one record of the type.
	Expect DNSExpect `yaml:"expect,omitempty"`
}

// DNSExpect is what a DNS answer must be; every expectation given must be met.
// Values are compared without regard to case (but for TXT) and final dots.
type DNSExpect struct {
	// Values are exactly the records that must come back, in any order. An MX is written "10 mail.example.com", an SRV
	// "0 5 5060 sip.example.com". Example: [192.0.2.1, 192.0.2.2]
	Values []string `yaml:"values,omitempty"`
	// Contains are records that must be among those that come back. Example: "10 mail.example.com"
	Contains []string `yaml:"contains,omitempty"`
	// Rcode is the response code that must come back. Default NOERROR. Example: NXDOMAIN
	Rcode string `yaml:"rcode,omitempty"`
	// LatencyUnder is how long the answer may take. Default: only the check's timeout counts.
	LatencyUnder time.Duration `yaml:"latency_under,omitempty"`
}

// dnsTypes are the types of record that a check may ask for.
const dnsTypes = "A, AAAA, CNAME, MX, TXT, NS, SOA, SRV"

// Target returns the type and the name.
func (d *DNS) Target() string {
	kind := d.Type
	if kind == "" {
		kind = "A"
	}
	if d.Server == "" {
		return kind + " " + d.Name
	}
	return kind + " " + d.Name + " @" + d.Server
}

// SetDefaults fills what was left out.
func (d *DNS) SetDefaults() {
	if d.Type == "" {
		d.Type = "A"
	}
	if d.Expect.Rcode == "" {
		d.Expect.Rcode = "NOERROR"
	}
}

// Validate reports every mistake.
func (d *DNS) Validate(report func(path, msg string)) {
	if d.Name == "" {
		report("name", "a name is missing: write one such as photos.example.com")
	} else if _, ok := dns.IsDomainName(d.Name); !ok {
		report("name", fmt.Sprintf("%q is not a domain name: write one such as photos.example.com", d.Name))
	}
	if d.Type != "" && !slices.Contains(strings.Split(dnsTypes, ", "), d.Type) {
		report("type", fmt.Sprintf("%q is not a type of record: write one of %s", d.Type, dnsTypes))
	}
	if d.Server != "" && net.ParseIP(d.Server) == nil {
		validateAddress("server", d.Server, report)
	}
	if d.Expect.Rcode != "" {
		if _, ok := dns.StringToRcode[d.Expect.Rcode]; !ok {
			report("expect.rcode", fmt.Sprintf("%q is not a response code: write NOERROR, NXDOMAIN, REFUSED or SERVFAIL", d.Expect.Rcode))
		}
	}
	validateLatency(d.Expect.LatencyUnder, report)
}
