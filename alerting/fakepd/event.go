package fakepd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of the Events API v2 (developer.pagerduty.com, "Send an Event").
const (
	maxBody     = 512 << 10 // bytes
	keyLength   = 32        // characters of a routing key
	maxDedupKey = 255       // characters
	maxSummary  = 1024      // characters
)

// The actions of an event.
const (
	trigger     = "trigger"
	acknowledge = "acknowledge"
	resolve     = "resolve"
)

// event is one call of POST /v2/enqueue.
type event struct {
	RoutingKey string
	Action     string
	DedupKey   string
	Summary    string
	Source     string
	Severity   string
	Component  string
	Client     string
	ClientURL  string
}

// checker collects what is wrong with an event: errors make the real one answer
// 400, warnings are what it would swallow and a careful sender would not send.
type checker struct{ errors, warnings []string }

func (c *checker) err(format string, args ...any) {
	c.errors = append(c.errors, fmt.Sprintf(format, args...))
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// decode reads and checks the body of an event. It never panics.
func decode(body []byte) (event, *checker) {
	c := &checker{}
	top, err := object(body)
	if err != nil {
		c.err("JSON cannot be read: %v", err)
		return event{}, c
	}
	c.unknown("", top, "routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url")
	e := event{
		RoutingKey: c.text(top, "", "routing_key"),
		Action:     c.text(top, "", "event_action"),
		DedupKey:   c.text(top, "", "dedup_key"),
		Client:     c.text(top, "", "client"),
		ClientURL:  c.text(top, "", "client_url"),
	}
	c.routingKey(e.RoutingKey)
	switch e.Action {
	case "":
		c.err("'event_action' is missing or blank")
	case trigger, acknowledge, resolve:
	default:
		c.err("'event_action' is not one of trigger, acknowledge, resolve")
	}
	if n := utf8.RuneCountInString(e.DedupKey); n > maxDedupKey {
		c.err("'dedup_key' is too long (%d characters, at most %d)", n, maxDedupKey)
	}
	if e.DedupKey == "" && (e.Action == acknowledge || e.Action == resolve) {
		c.err("'dedup_key' is missing or blank")
	}
	c.payload(top, &e)
	c.list(top, "links", "href", "href", "text")
	c.list(top, "images", "src", "src", "href", "alt")
	return e, c
}

func (c *checker) routingKey(key string) {
	if key == "" {
		c.err("'routing_key' is missing or blank")
		return
	}
	if utf8.RuneCountInString(key) != keyLength {
		c.err("Length of 'routing_key' is incorrect (should be %d characters)", keyLength)
		return
	}
	for _, r := range key {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			c.err("'routing_key' holds something else than letters and digits")
			return
		}
	}
}

// payload checks what a trigger must say and the others need not.
func (c *checker) payload(top map[string]json.RawMessage, e *event) {
	raw, ok := top["payload"]
	if !ok || string(raw) == "null" {
		if e.Action == trigger {
			c.err("'payload' is missing or blank")
		}
		return
	}
	p, err := object(raw)
	if err != nil {
		c.err("'payload' is not an object")
		return
	}
	c.unknown("payload.", p, "summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details")
	e.Summary = c.text(p, "payload.", "summary")
	e.Source = c.text(p, "payload.", "source")
	e.Severity = c.text(p, "payload.", "severity")
	e.Component = c.text(p, "payload.", "component")
	c.text(p, "payload.", "group")
	c.text(p, "payload.", "class")
	if at := c.text(p, "payload.", "timestamp"); at != "" && !isTime(at) {
		c.err("'payload.timestamp' is not an ISO 8601 time")
	}
	if n := utf8.RuneCountInString(e.Summary); n > maxSummary {
		c.err("'payload.summary' is too long (%d characters, at most %d)", n, maxSummary)
	}
	if e.Action != trigger {
		return
	}
	for name, value := range map[string]string{"summary": e.Summary, "source": e.Source, "severity": e.Severity} {
		if strings.TrimSpace(value) == "" {
			c.err("'payload.%s' is missing or blank", name)
		}
	}
	if e.Severity != "" && !slices.Contains([]string{"critical", "error", "warning", "info"}, e.Severity) {
		c.err("'payload.severity' is not one of critical, error, warning, info")
	}
	slices.Sort(c.errors)
}

// isTime accepts what PagerDuty documents: "2015-07-17T08:42:58.315+0000".
func isTime(s string) bool {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// list checks an array of objects of texts.
func (c *checker) list(top map[string]json.RawMessage, name, required string, known ...string) {
	raw, ok := top[name]
	if !ok || string(raw) == "null" {
		return
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		c.err("'%s' is not a list", name)
		return
	}
	for i, item := range items {
		at := fmt.Sprintf("%s[%d].", name, i)
		o, err := object(item)
		if err != nil {
			c.err("'%s' is not an object", strings.TrimSuffix(at, "."))
			continue
		}
		c.unknown(at, o, known...)
		for _, field := range known {
			if v := c.text(o, at, field); v == "" && field == required {
				c.warn("'%s%s' is missing or blank", at, field)
			}
		}
	}
}

// text returns a field that must be a text when it is there.
func (c *checker) text(o map[string]json.RawMessage, at, name string) string {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return ""
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		c.err("'%s%s' is not a text", at, name)
	}
	return s
}

func (c *checker) unknown(at string, o map[string]json.RawMessage, known ...string) {
	for name := range o {
		if !slices.Contains(known, name) {
			c.warn("'%s%s' is no field of an event", at, name)
		}
	}
	slices.Sort(c.warnings)
}

var (
	errNoObject  = errors.New("not an object")
	errTrailing  = errors.New("something follows the object")
	errDuplicate = errors.New("a field is given twice")
)

// object reads exactly one JSON object whose fields are unique. Names keep their
// case: to encoding/json's structs "Summary" would be "summary".
func object(raw []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, errNoObject
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, ok := out[name]; ok {
			return nil, errDuplicate
		}
		out[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return out, nil
}
