package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	subscriptionEvery  = time.Hour
	subscriptionWithin = 30 * time.Second
)

// Subscription watches the webhook subscription: PagerDuty switches it off for a
// day after three webhooks that were not taken, and then acknowledgements would come
// late. Safe for concurrent use.
type Subscription struct {
	// Log is required.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	setup sync.Once
	wake  chan struct{}

	mu sync.Mutex
	// Guarded by mu:
	client *Client
	url    string
	note   string
	mended time.Time
}

func (s *Subscription) init() { s.setup.Do(func() { s.wake = make(chan struct{}, 1) }) }

// Reload sets the client and the address that webhooks come to; nil or "" switches it off.
func (s *Subscription) Reload(client *Client, at string) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == client && s.url == at {
		return
	}
	s.client, s.url, s.note = client, at, ""
	nudge(s.wake)
}

// Run looks once an hour until ctx ends, and returns nil.
func (s *Subscription) Run(ctx context.Context) error {
	s.init()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.wake:
		}
		s.look(ctx)
		timer.Reset(subscriptionEvery)
	}
}

func (s *Subscription) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, subscriptionWithin)
	defer cancel()
	s.mu.Lock()
	client, at := s.client, s.url
	s.mu.Unlock()
	if client == nil || at == "" {
		return
	}
	note, mended, err := client.mendSubscription(ctx, at)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if err != nil {
		note = "whether PagerDuty's webhooks are switched on cannot be read: " + err.Error()
	}
	if mended {
		s.Log.WarnContext(ctx, "pagerduty's webhook subscription was off and is switched on again")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = note
	if mended {
		s.mended = s.now()
	}
}

// Notes say what a person should know; empty when all is well.
func (s *Subscription) Notes(now time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	if s.note != "" {
		out = append(out, s.note)
	}
	if !s.mended.IsZero() && now.Sub(s.mended) < subscriptionEvery {
		out = append(out, "PagerDuty had switched the webhooks off; they were switched on again at "+s.mended.UTC().Format(time.RFC3339)+": see why they were not taken (log, proxy)")
	}
	return out
}

// wireSubscription is a webhook subscription, as far as Keepwatch reads it.
type wireSubscription struct {
	ID       string   `json:"id"`
	Active   bool     `json:"active"`
	Events   []string `json:"events"`
	Delivery struct {
		URL      string `json:"url"`
		Disabled bool   `json:"temporarily_disabled"`
	} `json:"delivery_method"`
}

// mendSubscription looks for the subscription of an address and switches it on.
// note says what a person must do; "" when nothing.
func (c *Client) mendSubscription(ctx context.Context, at string) (note string, mended bool, err error) {
	all, err := list(ctx, func(ctx context.Context, limit, offset uint) ([]wireSubscription, bool, error) {
		var got struct {
			Subscriptions []wireSubscription `json:"webhook_subscriptions"`
			More          bool               `json:"more"`
		}
		err := c.raw(ctx, "list PagerDuty's webhook subscriptions", http.MethodGet, fmt.Sprintf("/webhook_subscriptions?limit=%d&offset=%d", limit, offset), nil, &got)
		return got.Subscriptions, got.More, err
	})
	if err != nil {
		return "", false, err
	}
	i := slices.IndexFunc(all, func(s wireSubscription) bool { return s.Delivery.URL == at })
	if i < 0 {
		return "no webhook subscription of PagerDuty's points at " + at + ", so acknowledgements made there come up to 35 s late: make one (docs/pagerduty.md)", false, nil
	}
	sub := all[i]
	path := "/webhook_subscriptions/" + url.PathEscape(sub.ID)
	if !sub.Active {
		body := struct {
			Subscription struct {
				Type   string `json:"type"`
				Active bool   `json:"active"`
			} `json:"webhook_subscription"`
		}{}
		body.Subscription.Type, body.Subscription.Active = "webhook_subscription", true
		if err := c.raw(ctx, "switch PagerDuty's webhooks on", http.MethodPut, path, body, nil); err != nil {
			return "", false, err
		}
		mended = true
	}
	if sub.Delivery.Disabled {
		if err := c.raw(ctx, "enable PagerDuty's webhooks", http.MethodPost, path+"/enable", struct{}{}, nil); err != nil {
			return "", mended, err
		}
		mended = true
	}
	return missingEvents(sub), mended, nil
}

// missingEvents says which events a subscription lacks; "" when none. Reopened
// incidents are found by polling too, so those are not asked for.
func missingEvents(sub wireSubscription) string {
	var lacks []string
	for _, e := range []EventType{EventAcknowledged, EventUnacknowledged, EventResolved, EventReassigned, EventAnnotated} {
		if !slices.Contains(sub.Events, string(e)) {
			lacks = append(lacks, string(e))
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	return "PagerDuty's webhook subscription " + sub.ID + " lacks the events " + strings.Join(lacks, ", ") + ": add them there"
}
