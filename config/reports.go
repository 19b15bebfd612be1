package config

import (
	"fmt"
	"strings"

	"keepwatch/alerting/email"
	"keepwatch/alerting/webhook"
	"keepwatch/reports"
)

// Reports says how weeks are counted, and where the report of a week goes.
type Reports struct {
	reports.Config `yaml:",inline"`
	// SMTP is the mail server that reports go through. Left out, that of the first email channel of fallback.
	SMTP *email.Server `yaml:"smtp"`
	// Webhooks are addresses that get each written report as JSON. Default: none.
	Webhooks []webhook.Report `yaml:"webhooks"`
}

// Validate reports every mistake.
func (r *Reports) Validate(report func(path, msg string)) {
	r.Config.Validate(report)
	below := func(path string) func(string, string) {
		return func(rel, msg string) { report(join(path, rel), msg) }
	}
	if r.SMTP != nil {
		r.SMTP.Validate(below("smtp"))
	}
	seen, addressed := map[string]int{}, map[string]int{}
	for i := range r.Webhooks {
		path := element("webhooks", i)
		r.Webhooks[i].Validate(below(path))
		if first, ok := seen[r.Webhooks[i].Name]; ok && r.Webhooks[i].Name != "" {
			report(join(path, "name"), fmt.Sprintf("%q is the name of webhooks[%d] too (give each its own: what was sent is remembered under it)", r.Webhooks[i].Name, first))
			continue
		}
		seen[r.Webhooks[i].Name] = i
	}
	for i, to := range r.To {
		if first, ok := addressed[strings.ToLower(to)]; ok {
			report(element("to", i), fmt.Sprintf("is to[%d] too (one mail is enough)", first))
			continue
		}
		addressed[strings.ToLower(to)] = i
	}
}

// ReportServer is the mail server that reports go through; nil when there is none.
func (f *File) ReportServer() *email.Server {
	if f.Reports.SMTP != nil {
		return f.Reports.SMTP
	}
	for _, ch := range f.Fallback.Channels {
		if ch.Email != nil {
			s := ch.Email.Server()
			return &s
		}
	}
	return nil
}
