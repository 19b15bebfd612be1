package nrfake

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Limits of custom events (docs.newrelic.com, "Data requirements and limits for custom event data").
const (
	maxAttributes = 64
	maxText       = 4_096
	maxName       = 255
)

// eventType is what a type may be called.
var eventType = regexp.MustCompile(`^[a-zA-Z0-9:_ ]+$`)

// takeEvents keeps custom events; a bad one spoils the whole post, so that a test
// cannot overlook it. The caller holds mu.
func (c *Collector) takeEvents(body []byte) error {
	rows, err := split(body)
	if err != nil {
		return err
	}
	es := make([]Event, 0, len(rows))
	for _, row := range rows {
		var intrinsics struct {
			Type      string `json:"type"`
			Timestamp int64  `json:"timestamp"`
		}
		e := Event{At: time.Now()}
		if err := json.Unmarshal(row[0], &intrinsics); err != nil {
			return refuse(http.StatusBadRequest, "intrinsics: %v", err)
		}
		if err := json.Unmarshal(row[1], &e.Attrs); err != nil {
			return refuse(http.StatusBadRequest, "attributes: %v", err)
		}
		e.Type = intrinsics.Type
		if err := checkEvent(e); err != nil {
			return err
		}
		if raw, ok := e.Attrs["eventId"]; ok {
			if err := json.Unmarshal(raw, &e.ID); err != nil {
				return refuse(http.StatusBadRequest, "eventId: %v", err)
			}
		}
		es = append(es, e)
	}
	for _, e := range es {
		c.unique[e.ID]++
	}
	if len(c.events) < keptEvents {
		c.events = append(c.events, es...)
	}
	return nil
}

func checkEvent(e Event) error {
	if !eventType.MatchString(e.Type) || len(e.Type) > maxName {
		return refuse(http.StatusBadRequest, "event type %q", e.Type)
	}
	if len(e.Attrs) > maxAttributes {
		return refuse(http.StatusBadRequest, "%s has %d attributes, at most %d are taken", e.Type, len(e.Attrs), maxAttributes)
	}
	for k, v := range e.Attrs {
		if k == "" || len(k) > maxName {
			return refuse(http.StatusBadRequest, "attribute name %q", k)
		}
		switch v[0] {
		case '{', '[', 'n':
			return refuse(http.StatusBadRequest, "attribute %s of %s is %s", k, e.Type, v)
		case '"':
			if len(v) > maxText {
				return refuse(http.StatusBadRequest, "attribute %s of %s is too long", k, e.Type)
			}
		}
	}
	return nil
}

// takeTransactions keeps the names of web transactions; the caller holds mu.
func (c *Collector) takeTransactions(body []byte) error {
	rows, err := split(body)
	if err != nil {
		return err
	}
	for _, row := range rows {
		var intrinsics struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(row[0], &intrinsics); err != nil {
			return refuse(http.StatusBadRequest, "transaction: %v", err)
		}
		if name, ok := strings.CutPrefix(intrinsics.Name, "WebTransaction/Go/"); ok && len(c.transactions) < keptEvents {
			c.transactions = append(c.transactions, name)
		}
	}
	return nil
}

// split takes a payload [run, {reservoir}, [[intrinsics, user, agent], …]] apart.
func split(body []byte) ([][3]json.RawMessage, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil || len(parts) != 3 {
		return nil, refuse(http.StatusBadRequest, "the payload is not [run, reservoir, events]")
	}
	var reservoir struct {
		Seen *int `json:"events_seen"`
	}
	if err := json.Unmarshal(parts[1], &reservoir); err != nil || reservoir.Seen == nil {
		return nil, refuse(http.StatusBadRequest, "the payload has no events_seen")
	}
	var rows [][3]json.RawMessage
	if err := json.Unmarshal(parts[2], &rows); err != nil {
		return nil, refuse(http.StatusBadRequest, "events: %v", err)
	}
	for _, row := range rows {
		if len(row[0]) == 0 || len(row[1]) == 0 {
			return nil, refuse(http.StatusBadRequest, "an event without its parts")
		}
	}
	return rows, nil
}
