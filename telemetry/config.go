package telemetry

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"keepwatch/probe"
)

// keyLength is the only thing the agent checks of a licence key (go-agent v3.45.0, config.go).
const keyLength = 40

// Raw says which single results are told beside the minute summaries.
type Raw string

// The choices.
const (
	RawFailed Raw = "failed" // bad, suspect and changed results
	RawAll    Raw = "all"    // every result
	RawNone   Raw = "none"   // summaries only
)

// Config is the `newrelic:` block. The zero value tells New Relic nothing, unless
// NEW_RELIC_LICENSE_KEY is in the environment. NEW_RELIC_* variables are read as
// New Relic's agent reads them and win over this block.
type Config struct {
	// LicenseKey is New Relic's ingest licence key, 40 characters. Empty (the
	// default): nothing is sent. Example: ${NEW_RELIC_LICENSE_KEY}.
	LicenseKey probe.Secret `yaml:"license_key"`
	// AppName is the name under which the application appears. Default keepwatch.
	AppName string `yaml:"app_name"`
	// Host is the collector, as host or host:port, always spoken to over https. Default: derived from the key by
	// the agent. Example: 127.0.0.1:8443 for a stand-in.
	Host string `yaml:"host"`
	// CAFile is a PEM file of the certificate authorities to trust for Host instead of the
	// system's. Default: the system's. Example: ./nrfake-ca.pem.
	CAFile string `yaml:"ca_file"`
	// Events tells New Relic of checks, incidents, heartbeats and reports. Default true;
	// false leaves only APM.
	Events *bool `yaml:"events"`
	// Raw is which single results are told beside the minute summaries: all, failed (bad, suspect and
	// changed ones; the default) or none. At most 60 a check and minute are told; the rest is counted in the summary.
	Raw Raw `yaml:"raw"`
	// APM is about timing the requests that Keepwatch itself serves.
	APM APMConfig `yaml:"apm"`
}

// APMConfig says which requests are timed.
type APMConfig struct {
	// Exclude lists path prefixes that are not timed, because timing costs more than serving a cached
	// picture. Default ["/img/"]; an empty list times everything.
	Exclude []string `yaml:"exclude"`
}

// SetDefaults fills what is not set.
func (c *Config) SetDefaults() {
	if c.AppName == "" {
		c.AppName = "keepwatch"
	}
	if c.Raw == "" {
		c.Raw = RawFailed
	}
	if c.APM.Exclude == nil {
		c.APM.Exclude = []string{"/img/"}
	}
}

// Validate reports every mistake; it never repeats the key.
func (c *Config) Validate(report func(path, msg string)) {
	if n := len(c.LicenseKey.Reveal()); n != 0 && n != keyLength {
		report("license_key", fmt.Sprintf("has %d characters, but New Relic's licence keys have %d (leave it out to send nothing)", n, keyLength))
	}
	if n := len(c.AppName); n > 255 || strings.Contains(c.AppName, ";") && strings.Count(c.AppName, ";") > 2 {
		report("app_name", "must be at most 255 characters with at most three names separated by ;")
	}
	if strings.Contains(c.Host, "://") || strings.ContainsAny(c.Host, "/ ") {
		report("host", fmt.Sprintf("%q must be host or host:port without a scheme or path (try collector.eu01.nr-data.net)", c.Host))
	}
	if c.CAFile != "" {
		if _, err := loadPool(c.CAFile); err != nil {
			report("ca_file", err.Error())
		}
	}
	switch c.Raw {
	case "", RawAll, RawFailed, RawNone:
	default:
		report("raw", fmt.Sprintf("%q is unknown (try all, failed or none)", string(c.Raw)))
	}
	for i, p := range c.APM.Exclude {
		if !strings.HasPrefix(p, "/") {
			report(fmt.Sprintf("apm.exclude[%d]", i), fmt.Sprintf("%q must begin with / (try %q)", p, "/"+p))
		}
	}
}

// loadPool reads certificate authorities from a PEM file.
func loadPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}
