package fakepd

import (
	"encoding/json"
	"net/http"
	"slices"
)

// restSubscription is a subscription of webhooks; there is one.
type restSubscription struct {
	ID             string       `json:"id"`
	Type           string       `json:"type"`
	Active         bool         `json:"active"`
	DeliveryMethod restDelivery `json:"delivery_method"`
	Description    string       `json:"description"`
	Events         []string     `json:"events"`
	Filter         restFilter   `json:"filter"`
}

type restDelivery struct {
	ID                  string   `json:"id"`
	Type                string   `json:"type"`
	Secret              *string  `json:"secret"` // shown only once, when it is made
	TemporarilyDisabled bool     `json:"temporarily_disabled"`
	URL                 string   `json:"url"`
	CustomHeaders       []string `json:"custom_headers"`
}

type restFilter struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
}

// subscriptionID is the subscription's.
const subscriptionID = "PFAKEHOOK"

func (s *Server) restSubscription() restSubscription {
	return restSubscription{
		ID: subscriptionID, Type: "webhook_subscription", Active: !s.hooksOut,
		DeliveryMethod: restDelivery{ID: "PFAKEDEL", Type: "http_delivery_method", TemporarilyDisabled: s.hooksOff, URL: s.opts.WebhookURL, CustomHeaders: []string{}},
		Description:    "Keepwatch", Events: s.events(), Filter: restFilter{Type: "account_reference"},
	}
}

// webhookEvents are the types that the stand-in can send.
func webhookEvents() []string {
	return []string{
		"incident.acknowledged", "incident.annotated", "incident.escalated", "incident.reassigned",
		"incident.resolved", "incident.triggered", "incident.unacknowledged",
	}
}

func (s *Server) events() []string {
	if s.account.SubscriptionEvents == nil {
		return webhookEvents()
	}
	return s.account.SubscriptionEvents
}

// subscribed reports whether a webhook of this type is sent; the mutex is held.
func (s *Server) subscribed(kind string) bool {
	return !s.hooksOut && slices.Contains(s.events(), kind)
}

func (c *restCall) listSubscriptions() result {
	c.known("limit", "offset", "total", "filter_type", "filter_id")
	all := []restSubscription{}
	if c.s.opts.WebhookURL != "" {
		all = append(all, c.s.restSubscription())
	}
	return list(c, "webhook_subscriptions", all)
}

// subscription runs f when the path names the subscription.
func (c *restCall) subscription(f func() *result) result {
	if c.r.PathValue("id") != subscriptionID || c.s.opts.WebhookURL == "" {
		return notFound()
	}
	if bad := f(); bad != nil {
		return *bad
	}
	return one(http.StatusOK, "webhook_subscription", c.s.restSubscription())
}

func (c *restCall) getSubscription() result {
	c.known()
	return c.subscription(func() *result { return nil })
}

func (c *restCall) enableSubscription() result {
	return c.subscription(func() *result { c.s.enable(); return nil })
}

func (c *restCall) disableSubscription() result {
	return c.subscription(func() *result { c.s.hooksOut = true; return nil })
}

// enable lets webhooks flow again; the mutex is held.
func (s *Server) enable() { s.hooksOff, s.hooksOut, s.drops = false, false, 0 }

// putSubscription is PUT /webhook_subscriptions/{id}: active, events and description.
func (c *restCall) putSubscription() result {
	return c.subscription(func() *result {
		in, bad := c.field("webhook_subscription")
		if bad != nil {
			return bad
		}
		c.checker.unknown("webhook_subscription.", in, "active", "description", "events", "filter", "type", "delivery_method", "id")
		if raw, ok := in["events"]; ok {
			var events []string
			if err := json.Unmarshal(raw, &events); err != nil || len(events) == 0 {
				c.checker.err("webhook_subscription.events is not a list of texts")
			} else {
				c.s.account.SubscriptionEvents = events
			}
		}
		switch string(in["active"]) {
		case "", "null":
		case "true":
			c.s.hooksOut = false
		case "false":
			c.s.hooksOut = true
		default:
			c.checker.err("webhook_subscription.active is not true or false")
		}
		return c.wrong()
	})
}
