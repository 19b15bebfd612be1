package webhook

import (
	"encoding/json"
	"strings"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Slack is a channel for chat services that take Slack's incoming webhooks: Slack,
// Mattermost, Rocket.Chat, Discord (with /slack at the end of the address).
type Slack struct {
	// URL is the incoming webhook's address. It is a secret. Required. Example: "${SLACK_WEBHOOK}".
	URL probe.Secret `yaml:"url"`
	// Channel asks for another channel than the webhook's own, where the service allows it. Example: "#on-call".
	Channel string `yaml:"channel"`
	// Mention is put before a page that wakes somebody, as the service writes it. Example: "<!here>".
	Mention string `yaml:"mention"`
}

// Validate reports every mistake. It never prints the address.
func (s *Slack) Validate(report func(path, msg string)) { checkURL(s.URL, report) }

// slackBody is the part of Slack's message that its imitators take too
// (https://api.slack.com/messaging/webhooks, attachments).
type slackBody struct {
	Text        string            `json:"text"`
	Channel     string            `json:"channel,omitempty"`
	Username    string            `json:"username"`
	Attachments []slackAttachment `json:"attachments,omitempty"`
}

type slackAttachment struct {
	Fallback string       `json:"fallback"`
	Color    string       `json:"color"`
	Fields   []slackField `json:"fields,omitempty"`
}

type slackField struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// NewSlack makes a notifier.
func NewSlack(cfg Slack) *Notifier {
	base := Config{URL: cfg.URL}
	base.SetDefaults()
	return newNotifier(base, func(p alerting.Page) ([]byte, error) { return json.Marshal(cfg.body(body(p))) })
}

func (s Slack) body(b Body) slackBody {
	text := escapeSlack(b.Summary)
	if b.Link != "" {
		text = "<" + b.Link + "|" + text + ">"
	}
	a := slackAttachment{Fallback: b.Summary, Color: "good"}
	switch b.Action {
	case string(alerting.Trigger):
		a.Color = "danger"
		text = strings.TrimSpace(s.Mention + " " + text)
		if b.Person != "" {
			a.Fields = append(a.Fields, slackField{"On call", escapeSlack(b.Person), true})
		}
		a.Fields = append(a.Fields, slackField{"Failing since", b.Since.Format("2006-01-02 15:04:05 UTC"), true})
		if b.AckLink != "" {
			text += " – <" + b.AckLink + "|acknowledge>"
		}
	case string(alerting.Acknowledge):
		a.Color = "warning"
	}
	return slackBody{Text: text, Channel: s.Channel, Username: "Keepwatch", Attachments: []slackAttachment{a}}
}

// escapeSlack hides the three characters that have a meaning there, so that the
// text of an answer cannot mention people or make links.
func escapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
