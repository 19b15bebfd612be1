package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Report is an address that gets each written report as JSON.
type Report struct {
	// Name is how people call it, unique among reports.webhooks; what was sent is remembered under it: letters, digits, hyphens, dots and underscores. Required. Example: wiki.
	Name string `yaml:"name"`
	// URL is where each report is sent, by POST. It is treated as a secret, because chat services put one into it.
	// Required. Example: "${REPORT_WEBHOOK}".
	URL probe.Secret `yaml:"url"`
	// Headers are sent with each report. Default: none. Example: {Authorization: "Bearer ${WIKI_TOKEN}"}.
	Headers map[string]probe.Secret `yaml:"headers"`
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Validate reports every mistake. It never prints the address.
func (r *Report) Validate(report func(path, msg string)) {
	if !plainName.MatchString(r.Name) {
		report("name", "is not a name (write letters, digits, hyphens, dots and underscores, like wiki)")
	}
	c := r.config()
	c.Validate(report)
}

func (r *Report) config() Config {
	return Config{URL: r.URL, Headers: r.Headers, Method: http.MethodPost, ContentType: jsonType}
}

// ReportBody is what is sent of a report: stable, like [Body].
type ReportBody struct {
	Version  int    `json:"version"` // 1
	ID       string `json:"id"`      // the same when it is sent again
	Week     string `json:"week"`
	Revision int    `json:"revision"`
	Text     string `json:"text"` // verdicts and link in one line, which chat services show
	Link     string `json:"link,omitempty"`
	// Report is the report as docs/report.schema.json describes it.
	Report json.RawMessage `json:"report"`
}

// ReportSender sends reports to one address. Safe for concurrent use.
type ReportSender struct{ n *Notifier }

// NewReportSender makes a sender. The configuration must be valid.
func NewReportSender(r Report) *ReportSender {
	return &ReportSender{n: newNotifier(r.config(), func(alerting.Page) ([]byte, error) {
		return nil, errors.New("this address takes reports, not pages")
	})}
}

// Send sends one report and says how it ended, as [Notifier.Send] does.
func (s *ReportSender) Send(ctx context.Context, b ReportBody) alerting.Receipt {
	raw, err := json.Marshal(b)
	if err != nil {
		return alerting.Receipt{Class: alerting.Refused, Detail: fmt.Sprintf("the report cannot be sent: %v", err)}
	}
	return s.n.send(ctx, raw, b.ID)
}
