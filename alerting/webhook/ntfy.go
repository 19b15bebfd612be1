package webhook

import (
	"encoding/json"
	"strings"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Ntfy is a channel for ntfy (https://ntfy.sh or a server of one's own), which rings
// phones.
type Ntfy struct {
	// URL is the server. Default: https://ntfy.sh.
	URL probe.Secret `yaml:"url"`
	// Topic is where pages go. Whoever knows it can read them, so it is a secret. Required. Example: "${NTFY_TOPIC}".
	Topic probe.Secret `yaml:"topic"`
	// Token is an access token for servers that ask for one. Default: none.
	Token probe.Secret `yaml:"token"`
}

// SetDefaults fills in the server.
func (n *Ntfy) SetDefaults() {
	if n.URL == "" {
		n.URL = "https://ntfy.sh"
	}
}

// Validate reports every mistake; it never prints the topic.
func (n *Ntfy) Validate(report func(path, msg string)) {
	c := *n
	c.SetDefaults()
	checkURL(c.URL, report)
	if n.Topic == "" || strings.ContainsAny(n.Topic.Reveal(), "/ \r\n?#") {
		report("topic", "is missing or is no topic (letters, digits, - and _)")
	}
}

// ntfyBody is a message published as JSON (https://docs.ntfy.sh/publish/#publish-as-json).
type ntfyBody struct {
	Topic    string       `json:"topic"`
	Title    string       `json:"title"`
	Message  string       `json:"message"`
	Priority int          `json:"priority"` // 5 rings through, 3 is ordinary
	Tags     []string     `json:"tags"`
	Click    string       `json:"click,omitempty"`
	Actions  []ntfyAction `json:"actions,omitempty"`
}

type ntfyAction struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// NewNtfy makes a notifier.
func NewNtfy(cfg Ntfy) *Notifier {
	cfg.SetDefaults()
	base := Config{URL: cfg.URL, Headers: map[string]probe.Secret{}}
	if cfg.Token != "" {
		base.Headers["Authorization"] = "Bearer " + cfg.Token
	}
	base.SetDefaults()
	encode := func(p alerting.Page) ([]byte, error) { return json.Marshal(cfg.body(body(p))) }
	return newNotifier(base, encode, cfg.Topic, cfg.Token)
}

func (n Ntfy) body(b Body) ntfyBody {
	out := ntfyBody{
		Topic: n.Topic.Reveal(), Title: b.Service, Message: b.Summary, Priority: 3, Tags: []string{"white_check_mark"}, Click: b.Link,
	}
	if b.Action == string(alerting.Trigger) {
		out.Priority, out.Tags = 5, []string{"rotating_light"}
		if b.Person != "" {
			out.Message += "\non call: " + b.Person
		}
		if b.AckLink != "" {
			out.Actions = []ntfyAction{{"view", "Acknowledge", b.AckLink}}
		}
	}
	return out
}
