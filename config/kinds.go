package config

import (
	"reflect"

	"keepwatch/alerting"
	"keepwatch/alerting/email"
	"keepwatch/alerting/pagerduty"
	"keepwatch/alerting/webhook"
	"keepwatch/probe"
	"keepwatch/reports"
	"keepwatch/reports/page"
	"keepwatch/reports/pdf"
	"keepwatch/reports/plain"
)

// Kinds is the menu of check kinds: all that Keepwatch can look at. A check has
// exactly one of them. A new kind is one file in probe and one line here; every
// field is a pointer to a [probe.Kind].
type Kinds struct {
	// HTTP asks a web address and looks at the answer.
	HTTP *probe.HTTP `yaml:"http"`
	// TCP connects to a port and may look at the banner.
	TCP *probe.TCP `yaml:"tcp"`
	// TLS makes a handshake and verifies certificate, host name, version and the days left.
	TLS *probe.TLS `yaml:"tls"`
	// DNS asks a name server for a record.
	DNS *probe.DNS `yaml:"dns"`
	// ICMP sends echo requests (ping).
	ICMP *probe.ICMP `yaml:"icmp"`
	// Heartbeat waits for a job to call the console.
	Heartbeat *probe.Heartbeat `yaml:"heartbeat"`
	// Journey does several things in a row, as a visitor does.
	Journey *probe.Journey `yaml:"journey"`
}

// Channels is the menu of fallback channels. A fallback channel has exactly one
// of them. A new one is one package under alerting and one line here.
type Channels struct {
	// Webhook sends each page as JSON, or in a form of your own, to an address.
	Webhook *webhook.Config `yaml:"webhook"`
	// Slack sends each page to a chat that takes Slack's incoming webhooks.
	Slack *webhook.Slack `yaml:"slack"`
	// Ntfy sends each page to ntfy, which rings phones.
	Ntfy *webhook.Ntfy `yaml:"ntfy"`
	// PagerDuty sends each page to a second service or region of PagerDuty.
	PagerDuty *pagerduty.Second `yaml:"pagerduty"`
	// Email sends each page as mail to the person, or to a fixed address.
	Email *email.Config `yaml:"email"`
}

// Kind is the check's kind and its name; nil and "" when the check has none.
func (k Kinds) Kind() (probe.Kind, string) {
	v := reflect.ValueOf(k)
	for _, key := range present(v) {
		for _, f := range fieldsOf(v.Type()) {
			if kind, ok := reflect.TypeAssert[probe.Kind](v.FieldByIndex(f.index)); ok && f.key == key {
				return kind, key
			}
		}
	}
	return nil, ""
}

// present lists the keys of a menu that are filled in.
func present(menu reflect.Value) []string {
	var keys []string
	for _, f := range fieldsOf(menu.Type()) {
		if !menu.FieldByIndex(f.index).IsNil() {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// Notifier makes the channel; nil when none is filled in. address gives a
// person's mail address, "" when there is none.
func (c Channels) Notifier(address func(person string) string) alerting.Notifier {
	switch {
	case c.Webhook != nil:
		return webhook.New(*c.Webhook)
	case c.Slack != nil:
		return webhook.NewSlack(*c.Slack)
	case c.Ntfy != nil:
		return webhook.NewNtfy(*c.Ntfy)
	case c.PagerDuty != nil:
		return pagerduty.NewSecond(*c.PagerDuty)
	case c.Email != nil:
		return email.New(*c.Email, address)
	}
	return nil
}

// Formats is the menu of report formats, in the order in which they are offered.
// A new one is one file and one line here.
func Formats() []reports.Format {
	return []reports.Format{
		plain.Text{},
		plain.Markdown{},
		page.HTML{},
		page.Mail{},
		pdf.PDF{},
		plain.CSV{},
		reports.JSON{},
	}
}

// Format is the report format of a name; false when there is none.
func Format(name string) (reports.Format, bool) {
	for _, f := range Formats() {
		if f.Name() == name {
			return f, true
		}
	}
	return nil, false
}
