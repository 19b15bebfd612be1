package site

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"keepwatch/probe"
	"keepwatch/site/access"
	"keepwatch/site/guard"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

// Config is the block `site`. Without the block there is no image site.
type Config struct {
	// Listen is the address the site answers on. Default: 127.0.0.1:8080. Example: 0.0.0.0:8080.
	Listen string `yaml:"listen"`
	// Originals is where the untouched pictures are kept: a directory, local or a mounted NFS or EFS
	// path that all site processes share, or s3://bucket/prefix?region=eu-west-1 (add &endpoint=https://host for
	// servers other than AWS). Credentials of S3 come from where the AWS tools look for them: AWS_ACCESS_KEY_ID and
	// AWS_SECRET_ACCESS_KEY, shared files, or the role of the machine. Default: ./data/originals.
	// Example: /mnt/photos/originals.
	Originals string `yaml:"originals"`
	// Cache is where rendered pictures are kept.
	Cache render.Config `yaml:"cache"`
	// Uploads is where pictures wait while they are read, and how much may come at once.
	Uploads intake.Config `yaml:"uploads"`
	// Views is the log of who looked at which picture.
	Views ViewsConfig `yaml:"views"`
	// KeepDeleted is how long a deleted picture can be taken back before it is removed for good.
	// Default: 30 days. Range: 1 day to 3650 days. Example: 90 days.
	KeepDeleted *time.Duration `yaml:"keep_deleted"`
	// PublicURL is the address people type. With https:// the login cookie is Secure and named
	// __Host-token. Default: empty, which means plain HTTP. Example: https://photos.example.com.
	PublicURL string `yaml:"public_url"`
	// TrustedProxies are the addresses or networks of the load balancers in front, whose
	// X-Forwarded-For is believed. Default: none. Example: [10.0.0.0/8, "::1"].
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Drain is how long a stopping site says "not ready" and still answers, so that a load balancer
	// can leave it. Default: 1s. Range: 0s to 8s. Example: 5s.
	Drain *time.Duration `yaml:"drain"`
	// Limits is what one client may ask for.
	Limits guard.Limits `yaml:"limits"`
	// Challenge says when strangers must solve a small task, a proof of work that a browser does by
	// itself, before the front page and before a code is tried: auto is under load and when many codes
	// turn out wrong, always is once an hour, off is never. Default: auto.
	Challenge guard.Challenge `yaml:"challenge"`
	// AdminListen is where health and metrics of this process are answered, beside the visitors' way: a
	// flood does not reach it. Leave it on loopback or a private network. off opens none.
	// Default: loopback, at the port of listen plus 1000. Example: 10.0.0.5:9080.
	AdminListen string `yaml:"admin_listen"`
	// ProbeKey is the secret with which our own probes sign their requests, so that limits and
	// challenges let them pass, and which signs solved tasks; all processes of one site share it. At
	// least 16 characters. Default: a key that is made once in data_dir. Example: ${PROBE_KEY}.
	ProbeKey probe.Secret `yaml:"probe_key"`
	// StaleFor is how long visitors who are known are still shown pictures while the database is away;
	// a permission that is taken away meanwhile ends that late. Default: 5m. Range: 0s to 1h.
	StaleFor *time.Duration `yaml:"stale_for"`
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
	maxStale     = time.Hour
	minKey       = 16
	adminAway    = 1000 // ports between listen and admin_listen
	off          = "off"
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
	c.Limits.SetDefaults()
	if c.Challenge == "" {
		c.Challenge = guard.Auto
	}
	if c.KeepDeleted == nil {
		trash := defaultTrash
		c.KeepDeleted = &trash
	}
	if c.StaleFor == nil {
		stale := access.StaleFor
		c.StaleFor = &stale
	}
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
		if _, err := guard.ParsePrefix(p); err != nil {
			report("trusted_proxies["+strconv.Itoa(i)+"]", "is no address or network; write it like 10.0.0.7 or 10.0.0.0/8")
		}
	}
	if c.Drain != nil && (*c.Drain < 0 || *c.Drain > maxDrain) {
		report("drain", "is "+c.Drain.String()+"; give 0s to 8s, because the program must stop within 10 s")
	}
	c.Cache.Validate(func(path, msg string) { report("cache."+path, msg) })
	c.Uploads.Validate(func(path, msg string) { report("uploads."+path, msg) })
	c.Views.Validate(func(path, msg string) { report("views."+path, msg) })
	c.validateGuard(report)
}

func (c *Config) validateGuard(report func(path, msg string)) {
	c.Limits.Validate(func(path, msg string) { report("limits."+path, msg) })
	if !c.Challenge.Valid() {
		report("challenge", "is "+strconv.Quote(string(c.Challenge))+"; give auto, off or always")
	}
	if c.AdminListen != "" && c.AdminListen != off {
		if msg := badListen(c.AdminListen); msg != "" {
			report("admin_listen", msg+", or off")
		} else if c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
			report("admin_listen", "is the address of listen; give another port, or off")
		}
	}
	if c.ProbeKey != "" && len(c.ProbeKey.Reveal()) < minKey {
		report("probe_key", "is shorter than 16 characters; give a longer one, or leave it out to have one made")
	}
	if k := c.KeepDeleted; k != nil && (*k < day || *k > 3650*day) {
		report("keep_deleted", "is "+k.String()+"; give 1 day to 3650 days")
	}
	if c.StaleFor != nil && (*c.StaleFor < 0 || *c.StaleFor > maxStale) {
		report("stale_for", "is "+c.StaleFor.String()+"; give 0s to 1h")
	}
}

// admin is the address of the admin listener, "" for none; given says that it was
// chosen and must be free.
func (c *Config) admin(site net.Addr) (addr string, given bool) {
	switch c.AdminListen {
	case "":
		tcp, ok := site.(*net.TCPAddr)
		if !ok {
			return "", false
		}
		port := tcp.Port + adminAway
		if port > math.MaxUint16 {
			port = tcp.Port - adminAway
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), false
	case off:
		return "", false
	}
	return c.AdminListen, true
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
