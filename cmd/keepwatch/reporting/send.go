package reporting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"keepwatch/alerting"
	"keepwatch/alerting/email"
	"keepwatch/alerting/webhook"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/reports/courier"
	"keepwatch/reports/page"
)

// Recipients are all to whom a configuration sends reports: one mail to each
// address, so that none is held back by another.
func Recipients(f *config.File) []courier.Recipient {
	var all []courier.Recipient
	base := ""
	if f.Console != nil {
		base = f.Console.PublicURL
	}
	if server := f.ReportServer(); server != nil {
		mailer := email.NewMailer(*server)
		for _, to := range f.Reports.To {
			all = append(all, byMail{mailer: mailer, to: to, base: base})
		}
	}
	for _, w := range f.Reports.Webhooks {
		all = append(all, byWebhook{sender: webhook.NewReportSender(w), name: w.Name, base: base})
	}
	return all
}

// Send sends a written report by hand to all of a configuration's
// recipients, or to the given address instead.
func Send(ctx context.Context, db *postgres.DB, f *config.File, r reports.Report, to string) ([]courier.Outcome, error) {
	all := Recipients(f)
	if to != "" {
		server := f.ReportServer()
		if server == nil {
			return nil, errors.New("there is no mail server: add reports.smtp, or an email channel under fallback")
		}
		base := ""
		if f.Console != nil {
			base = f.Console.PublicURL
		}
		all = []courier.Recipient{byMail{mailer: email.NewMailer(*server), to: to, base: base}}
	}
	if len(all) == 0 {
		return nil, errors.New("nobody is to get reports: add reports.to and a mail server, or reports.webhooks")
	}
	c := &courier.Courier{Book: postgres.Sending{Reports: postgres.Reports{DB: db}}, Log: slog.New(slog.DiscardHandler)}
	return c.SendNow(ctx, r, all), nil
}

// link is where a report is on the console.
func link(base string, r reports.Report) string {
	if base == "" || r.Week == "" {
		return ""
	}
	return fmt.Sprintf("%s/reports/%s?revision=%d&zone=%s", strings.TrimSuffix(base, "/"), r.Week, r.Revision, r.Zone)
}

// byMail sends reports to one address.
type byMail struct {
	mailer   *email.Mailer
	to, base string
}

// Name implements courier.Recipient.
func (m byMail) Name() string { return "mail:" + m.to }

// Send implements courier.Recipient.
func (m byMail) Send(ctx context.Context, r reports.Report) error {
	l, err := page.Compose(r, link(m.base, r))
	if err != nil {
		return errors.Join(courier.ErrRefused, err)
	}
	out := email.Letter{Subject: l.Subject, Text: l.Text, HTML: l.HTML, ID: l.ID}
	for _, img := range l.Images {
		out.Images = append(out.Images, email.Image{CID: img.CID, PNG: img.PNG})
	}
	return ended(m.mailer.Send(ctx, out, m.to))
}

// byWebhook sends reports to one address of the web.
type byWebhook struct {
	sender     *webhook.ReportSender
	name, base string
}

// Name implements courier.Recipient.
func (h byWebhook) Name() string { return "webhook:" + h.name }

// Send implements courier.Recipient.
func (h byWebhook) Send(ctx context.Context, r reports.Report) error {
	l, err := page.Compose(r, "")
	if err != nil {
		return errors.Join(courier.ErrRefused, err)
	}
	var raw bytes.Buffer
	if err := json.NewEncoder(&raw).Encode(r); err != nil {
		return errors.Join(courier.ErrRefused, err)
	}
	link := link(h.base, r)
	return ended(h.sender.Send(ctx, webhook.ReportBody{
		Version: 1, ID: l.ID, Week: r.Week, Revision: r.Revision, Link: link,
		Text: strings.TrimSpace(l.Subject + " " + link), Report: bytes.TrimSpace(raw.Bytes()),
	}))
}

// ended turns a channel's receipt into an error. A mistake of the configuration is
// tried again: somebody may mend it within the hour.
func ended(got alerting.Receipt) error {
	switch got.Class {
	case alerting.Taken:
		return nil
	case alerting.Refused:
		return fmt.Errorf("%w: %s", courier.ErrRefused, got.Detail)
	case alerting.Again, alerting.Doubtful, alerting.Setup:
	}
	return errors.New(got.Detail)
}
