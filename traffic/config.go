package traffic

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Format is how the lines of a log are written.
type Format string

// The formats.
const (
	Combined  Format = "combined"   // nginx's and Apache's default
	NginxJSON Format = "nginx_json" // one JSON object a line; deploy/nginx has the log_format
	ALB       Format = "alb"        // of an AWS application load balancer
)

// Config is one access log that shows what real visitors of a service get.
type Config struct {
	// Name tells access logs apart: letters, digits, hyphens, dots and underscores. Counts hang on it. Example: front.
	Name string `yaml:"name"`
	// Service is the name of the service whose visitors the log shows. Example: image-site.
	Service string `yaml:"service"`
	// File is the log to follow, through rotation and truncation. Left out, it is only imported (keepwatch import alb). Example: /var/log/nginx/access.json.
	File string `yaml:"file"`
	// Format is combined, nginx_json or alb. Only the last two say how long requests took, unless the combined lines end with $request_time. Default: combined.
	Format Format `yaml:"format"`
	// Hosts are the host names that count; requests for others say nothing about the service. Combined lines name no host. Default: all. Example: [photos.example.com].
	Hosts []string `yaml:"hosts"`
	// ProbeAgents are parts of User-Agents that are no visitors, in any case of letters. Default: [keepwatch, ELB-HealthChecker, kube-probe, GoogleHC]. Example: [keepwatch, uptime].
	ProbeAgents []string `yaml:"probe_agents"`
	// SlowOver is how long an answer may take before it is as bad as none; a visitor who left (499) after that long counts as badly served. From 1ms to 24h. Default: 2s.
	SlowOver time.Duration `yaml:"slow_over"`
}

const (
	defaultSlow = 2 * time.Second
	maxSlow     = 24 * time.Hour
)

// SetDefaults fills what was left out.
func (c *Config) SetDefaults() {
	if c.Format == "" {
		c.Format = Combined
	}
	if c.SlowOver == 0 {
		c.SlowOver = defaultSlow
	}
	if c.ProbeAgents == nil {
		c.ProbeAgents = []string{"keepwatch", "ELB-HealthChecker", "kube-probe", "GoogleHC"}
	}
}

// Validate reports every mistake with its path inside the block; names are checked
// where all of them are known.
func (c Config) Validate(report func(path, msg string)) {
	switch c.Format {
	case Combined, NginxJSON, ALB:
	default:
		report("format", fmt.Sprintf("format %q is not known (combined, nginx_json or alb)", string(c.Format)))
	}
	switch {
	case c.File != "" && strings.HasSuffix(c.File, ".gz"):
		report("file", "a compressed file does not grow (import it: keepwatch import alb FILE)")
	case c.File == "" && c.Format != ALB:
		report("file", "file is missing: which log is to be followed? (write file: /var/log/nginx/access.json)")
	case c.File != "" && filepath.Clean(c.File) == ".":
		report("file", "file is a directory (name the log itself)")
	}
	if c.SlowOver < time.Millisecond || c.SlowOver > maxSlow {
		report("slow_over", fmt.Sprintf("slow_over %s is out of range (1ms to 24h)", c.SlowOver))
	}
	for i, agent := range c.ProbeAgents {
		if strings.TrimSpace(agent) == "" {
			report(fmt.Sprintf("probe_agents[%d]", i), "an empty text is part of every User-Agent (remove it)")
		}
	}
}
