package probe

import (
	"crypto/tls"
	"fmt"
	"os"
	"time"
)

// TLS makes a handshake and verifies the chain, the host name, the version and
// the days that every certificate of the chain still has.
type TLS struct {
	// Address is the host and port to connect to. Required. Example: mail.example.com:993
	Address string `yaml:"address"`
	// ServerName is the name that the certificate must carry. Default: the host of the address.
	ServerName string `yaml:"server_name,omitempty"`
	// DaysLeft is how many days every certificate of the chain must still be valid. Default 14, range 1 to 3650.
	DaysLeft int `yaml:"days_left,omitempty"`
	// MinVersion is the lowest version of TLS that the server must speak: 1.0, 1.1, 1.2 or 1.3. Default 1.2.
	MinVersion TLSVersion `yaml:"min_version,omitempty"`
	// CAFile is a PEM file of authorities to trust instead of the system's. Default: the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// LatencyUnder is how long connecting and shaking hands may take together. Default: only the check's timeout counts.
	LatencyUnder time.Duration `yaml:"latency_under,omitempty"`
	// AllowLinkLocal lets the look reach link-local addresses and the metadata services of clouds, which no visitor can.
	// Default false.
	AllowLinkLocal bool `yaml:"allow_link_local,omitempty"`
}

// Target returns the address.
func (t *TLS) Target() string { return t.Address }

// defaultDaysLeft leaves two weekends to renew a certificate.
const defaultDaysLeft = 14

// SetDefaults fills what was left out.
func (t *TLS) SetDefaults() {
	if t.DaysLeft == 0 {
		t.DaysLeft = defaultDaysLeft
	}
	if t.MinVersion == 0 {
		t.MinVersion = tls.VersionTLS12
	}
}

// Validate reports every mistake.
func (t *TLS) Validate(report func(path, msg string)) {
	validateAddress("address", t.Address, report)
	validateHostPort("address", t.Address, t.AllowLinkLocal, report)
	if t.DaysLeft < 0 || t.DaysLeft > 3650 {
		report("days_left", fmt.Sprintf("%d is out of range: write 1 to 3650 days", t.DaysLeft))
	}
	if t.CAFile != "" {
		if _, err := os.Stat(t.CAFile); err != nil {
			report("ca_file", fmt.Sprintf("%q cannot be read: give the path of a PEM file", t.CAFile))
		}
	}
	if t.LatencyUnder < 0 {
		report("latency_under", fmt.Sprintf("%s is negative: write a duration such as 2s", t.LatencyUnder))
	}
}

// TLSVersion is a version of TLS as crypto/tls numbers it, written "1.2". The
// zero value is not set.
type TLSVersion uint16

// UnmarshalText reads "1.0", "1.1", "1.2" or "1.3".
func (v *TLSVersion) UnmarshalText(text []byte) error {
	for _, known := range []TLSVersion{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if known.String() == string(text) {
			*v = known
			return nil
		}
	}
	return fmt.Errorf("%q is not a version of TLS: write 1.2 or 1.3 (or 1.0, 1.1)", text)
}

// String returns the form that UnmarshalText reads; "" for the zero value.
func (v TLSVersion) String() string {
	switch v {
	case tls.VersionTLS10:
		return "1.0"
	case tls.VersionTLS11:
		return "1.1"
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return ""
}

// MarshalText returns the form that UnmarshalText reads.
func (v TLSVersion) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
