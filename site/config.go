package site

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"keepwatch/site/intake"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

// Config is the block `site`. Without the block there is no image site.
type Config struct {
	// Listen is the address the site answers on. Default: 127.0.0.1:8080. Example: 0.0.0.0:8080.
	Listen string `yaml:"listen"`
	// Originals is where the untouched pictures are kept: a directory, local or a mounted NFS or EFS
	// path that all site processes share. Default: ./data/originals. Example: /mnt/photos/originals.
	Originals string `yaml:"originals"`
	// Cache is where rendered pictures are kept.
	Cache render.Config `yaml:"cache"`
	// Uploads is where pictures wait while they are read, and how much may come at once.
	Uploads intake.Config `yaml:"uploads"`
	// Views is the log of who looked at which picture.
	Views ViewsConfig `yaml:"views"`
	// PublicURL is the address people type. With https:// the login cookie is Secure and named
	// __Host-token. Default: empty, which means plain HTTP. Example: https://photos.example.com.
	PublicURL string `yaml:"public_url"`
	// TrustedProxies are the addresses or networks of the load balancers in front, whose
	// X-Forwarded-For is believed. Default: none. Example: [10.0.0.0/8, "::1"].
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Drain is how long a stopping site says "not ready" and still answers, so that a load balancer
	// can leave it. Default: 1s. Range: 0s to 8s. Example: 5s.
	Drain *time.Duration `yaml:"drain"`
}

// ViewsConfig is the block `views` of the site: one row for each look at a large picture, with the
// time and a salted hash of the address it came from.
type ViewsConfig struct {
	// Keep is how long a view is kept; 0s keeps no log at all. Default: 90 days. Range: 0s, or 1 day to 3650 days. Example: 30 days.
	Keep *time.Duration `yaml:"keep"`
}

// SetDefaults fills in what is not set.
func (c *ViewsConfig) SetDefaults() {
	if c.Keep == nil {
		keep := defaultKeep
		c.Keep = &keep
	}
}

// Validate reports every mistake; it expects defaults to be set.
func (c *ViewsConfig) Validate(report func(path, msg string)) {
	if k := *c.Keep; k != 0 && (k < day || k > 3650*day) {
		report("keep", "is "+k.String()+"; give 0s, which keeps no log, or 1 day to 3650 days")
	}
}

const (
	day          = 24 * time.Hour
	defaultKeep  = 90 * day
	defaultDrain = time.Second
	maxDrain     = 8 * time.Second // the whole program must stop within 10 s
)

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	if c.Originals == "" {
		c.Originals = "./data/originals"
	}
	if c.Drain == nil {
		drain := defaultDrain
		c.Drain = &drain
	}
	c.Cache.SetDefaults()
	c.Uploads.SetDefaults()
	c.Views.SetDefaults()
}

// Validate reports every mistake; it expects defaults to be set.
func (c *Config) Validate(report func(path, msg string)) {
	if msg := badListen(c.Listen); msg != "" {
		report("listen", msg)
	}
	if err := originals.Validate(c.Originals); err != nil {
		report("originals", err.Error())
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil || (u.Path != "" && u.Path != "/") {
			report("public_url", "is no address of a site; give scheme and host only, such as https://photos.example.com")
		}
	}
	for i, p := range c.TrustedProxies {
		if _, err := parsePrefix(p); err != nil {
			report("trusted_proxies["+strconv.Itoa(i)+"]", "is no address or network; write it like 10.0.0.7 or 10.0.0.0/8")
		}
	}
	if c.Drain != nil && (*c.Drain < 0 || *c.Drain > maxDrain) {
		report("drain", "is "+c.Drain.String()+"; give 0s to 8s, because the program must stop within 10 s")
	}
	c.Cache.Validate(func(path, msg string) { report("cache."+path, msg) })
	c.Uploads.Validate(func(path, msg string) { report("uploads."+path, msg) })
	c.Views.Validate(func(path, msg string) { report("views."+path, msg) })
}

// Take takes the address, so that a taken one can be refused before anything runs.
func (c *Config) Take(ctx context.Context) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on site.listen %s: %w (choose another site.listen)", c.Listen, err)
	}
	return ln, nil
}

func badListen(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "is no address to listen on; write host:port, such as 127.0.0.1:8080"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "has a port that is no number from 0 to 65535; write host:port, such as 127.0.0.1:8080"
	}
	return ""
}

// parsePrefix reads an address or a network.
func parsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
