package webhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"keepwatch/probe"
)

// Deadman is an outside watch over Keepwatch itself: an address of a service such
// as Healthchecks or Dead Man's Snitch that raises an alarm when it is not asked
// for a while.
type Deadman struct {
	// URL is asked with GET while the leading daemon finds nothing overdue. It is a secret: whoever knows it
	// can keep the alarm silent. Required. Example: "${DEADMAN_URL}".
	URL probe.Secret `yaml:"url"`
	// Every is how often. The service should wait for at least three times as long. Range: 30s to 1h. Default: 1m.
	Every time.Duration `yaml:"every"`
}

// SetDefaults fills in the pace.
func (d *Deadman) SetDefaults() {
	if d.Every == 0 {
		d.Every = time.Minute
	}
}

// Validate reports every mistake. It never prints the address.
func (d *Deadman) Validate(report func(path, msg string)) {
	checkURL(d.URL, report)
	if d.Every != 0 && (d.Every < 30*time.Second || d.Every > time.Hour) {
		report("every", "is out of range (30s to 1h)")
	}
}

// Ping asks the address once and returns an error, without the address in it, when
// the answer is not 2xx within 10 s.
func (d *Deadman) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL.Reveal(), nil)
	if err != nil {
		return fmt.Errorf("ask the dead-man's address: %s", reason(err))
	}
	req.Header.Set("User-Agent", "Keepwatch")
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return fmt.Errorf("ask the dead-man's address: %s", reason(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, keptBody)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("ask the dead-man's address: HTTP %d", resp.StatusCode)
	}
	return nil
}
