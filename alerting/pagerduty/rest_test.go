package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"
	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting/fakepd"
	"keepwatch/oncall"
)

// team is a client of a stand-in with Ada, Grace, Alan and a robot.
func team(t *testing.T, opts fakepd.Options) (*fakepd.Server, *Client) {
	t.Helper()
	if opts.Account == nil {
		account := fakepd.TeamAccount()
		opts.Account = &account
	}
	s := fakepd.New(opts)
	t.Cleanup(s.Close)
	return s, NewClient(Config{APIToken: "s3cret-token", From: "keepwatch@example.com"}, s)
}

func TestClientErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  func(w http.ResponseWriter)
		kind    error
		says    string
		waits   time.Duration
		sending error
	}{
		{"401", func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, ErrToken, "make a new one and put it into PAGERDUTY_TOKEN", 0, nil},
		{"403", func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, ErrForbidden, "is not allowed", 0, nil},
		{"404", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, ErrGone, "deleted", 0, nil},
		{"429 with a pause", func(w http.ResponseWriter) {
			w.Header().Set("Ratelimit-Reset", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}, ErrBusy, "rate limit", 7 * time.Second, nil},
		{"429 without", func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }, ErrBusy, "rate limit", time.Second, nil},
		{"400", func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"message":"Invalid Input Provided","errors":["no such user s3cret-token"]}}`)
		}, ErrRefusedCall, "Invalid Input Provided: no such user", 0, nil},
		{"503", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, ErrNoAnswer, "HTTP 503", 0, nil},
		{"an answer that is none", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, ErrNoAnswer, "cannot be read", 0, nil},
		{"a redirection", func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(http.StatusFound) }, ErrNoAnswer, "HTTP 302", 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) }))
			defer s.Close()
			_, err := NewClient(Config{APIToken: "s3cret-token", APIURL: s.URL}, nil).user(t.Context(), "PADA001")
			var call *CallError
			if !errors.Is(err, tt.kind) || !errors.As(err, &call) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %q, want %q in it and no token", err, tt.says)
			}
			if call.RetryAfter != tt.waits {
				t.Errorf("wait %s, want %s", call.RetryAfter, tt.waits)
			}
		})
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if _, err := NewClient(Config{APIToken: "x", APIURL: closed.URL}, nil).user(t.Context(), "P"); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("nobody listens: got %v", err)
	}
	if NewClient(Config{}, nil) != nil {
		t.Error("a client without a token was made")
	}
}

// TestClientReadsAllPages: a list of more than one page comes whole.
func TestClientReadsAllPages(t *testing.T) {
	t.Parallel()
	s, c := team(t, fakepd.Options{})
	const n = 2*pageSize + 17
	for i := range n {
		body := fmt.Sprintf(`{"routing_key":%q,"event_action":"trigger","dedup_key":"kw-%d","payload":{"summary":"s","source":"s","severity":"critical"}}`, testKey, i)
		r := httptest.NewRequest(http.MethodPost, "/v2/enqueue", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if s.Handler().ServeHTTP(w, r); w.Code != http.StatusAccepted {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	got, err := c.incidentsOf(t.Context(), "kw-3")
	if err != nil || len(got) != 1 {
		t.Errorf("one key: %d incidents, %v", len(got), err)
	}
	all, err := c.incidents(t.Context(), "list", listAll())
	if err != nil || len(all) != n {
		t.Errorf("all: %d incidents (%v), want %d", len(all), err, n)
	}
}

func TestPagePerson(t *testing.T) {
	t.Parallel()
	_, c := team(t, fakepd.Options{})
	other := func(from, service string) *Client {
		copied := *c
		copied.from, copied.on = from, service
		return &copied
	}
	mute := fakepd.TeamAccount()
	mute.Users[0].NoContact = true
	for _, tt := range []struct {
		name string
		c    *Client
		m    Manual
		want error
		who  []string
	}{
		{"a person", c, Manual{User: "PADA001", Policy: "PESC001", Title: "please look"}, nil, []string{"Ada"}},
		{"a policy", c, Manual{Policy: "PESC001", Title: "please look", Body: "text"}, nil, []string{"Ada"}},
		{"on a service", other("keepwatch@example.com", "PFAKE01"), Manual{User: "PGRACE1", Title: "please look", Key: "kw-manual-1"}, nil, []string{"Grace"}},
		{"the sender itself", other("ADA@example.com", "PFAKE01"), Manual{User: "PADA001", Title: "x"}, ErrSelf, nil},
		{"no sender", other("", "PFAKE01"), Manual{User: "PADA001", Title: "x"}, ErrNoFrom, nil},
		{"no service", c, Manual{User: "PADA001", Title: "x"}, ErrNoService, nil},
		{"nobody", c, Manual{Title: "x"}, ErrNobody, nil},
		{"an unknown person", c, Manual{User: "PNOBODY", Policy: "PESC001", Title: "x"}, ErrGone, nil},
		{"an unknown sender", other("who@example.com", "PFAKE01"), Manual{User: "PADA001", Title: "x"}, ErrRefusedCall, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.c.PagePerson(t.Context(), tt.m)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !slices.Equal(got.Who, tt.who) {
				t.Errorf("rings %v, want %v", got.Who, tt.who)
			}
			if tt.want == nil && (got.ID == "" || got.Status != statusTriggered) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestExamine compares files with PagerDuty; each finding says what to do.
func TestExamine(t *testing.T) {
	t.Parallel()
	policy := oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "ada"}, {Page: "grace", After: 10 * time.Minute}}}
	roster := oncall.Roster{People: map[string]oncall.Person{"ada": {}, "grace": {}}}
	good := func() Examined {
		return Examined{
			Users:    map[string]string{"ada": "PADA001", "grace": "PGRACE1"},
			Followed: []Followed{{ID: "PESC001", Policy: policy}}, Roster: roster, From: "keepwatch@example.com",
		}
	}
	for _, tt := range []struct {
		name   string
		change func(x *Examined, a *fakepd.Account, o *fakepd.Options)
		want   []string
	}{
		{"all well", func(*Examined, *fakepd.Account, *fakepd.Options) {}, nil},
		{"an unknown user", func(x *Examined, _ *fakepd.Account, _ *fakepd.Options) { x.Users["grace"] = "PNOBODY" }, []string{"unknown_user", "policy_differs", "policy_differs"}},
		{"nobody can reach Ada", func(_ *Examined, a *fakepd.Account, _ *fakepd.Options) { a.Users[0].NoContact = true }, []string{"no_contact"}},
		{"the sender is on call", func(x *Examined, _ *fakepd.Account, _ *fakepd.Options) { x.From = "ada@example.com" }, []string{"self"}},
		{"an unknown policy", func(x *Examined, _ *fakepd.Account, _ *fakepd.Options) { x.Followed[0].ID = "PNONE" }, []string{"unknown_policy"}},
		{"other people at PagerDuty", func(_ *Examined, a *fakepd.Account, _ *fakepd.Options) { a.Policies[0].Rules[0].Users[0] = "PALAN01" }, []string{"policy_differs"}},
		{"a refused token is told once", func(_ *Examined, _ *fakepd.Account, o *fakepd.Options) { o.Tokens = []string{"other"} }, []string{"unread"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account, opts, x := fakepd.TeamAccount(), fakepd.Options{}, good()
			tt.change(&x, &account, &opts)
			opts.Account = &account
			_, c := team(t, opts)
			var kinds []string
			for _, f := range c.Examine(t.Context(), x, time.Now()) {
				kinds = append(kinds, f.Kind)
				if f.Text == "" {
					t.Errorf("%+v says nothing", f)
				}
			}
			if diff := cmp.Diff(kinds, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMendSubscription: what PagerDuty switched off is switched on again.
func TestMendSubscription(t *testing.T) {
	t.Parallel()
	const at = "https://keepwatch.example.com/v1/webhooks/pagerduty"
	s, c := team(t, fakepd.Options{WebhookURL: at, WebhookSecret: "s"})
	ctx := t.Context()
	mend := func(what string, wantNote string, wantMended bool) {
		t.Helper()
		note, mended, err := c.mendSubscription(ctx, at)
		if err != nil || mended != wantMended || (wantNote == "") != (note == "") || !strings.Contains(note, wantNote) {
			t.Errorf("%s: note %q, mended %v, %v; want %q, %v", what, note, mended, err, wantNote, wantMended)
		}
	}
	mend("all well", "", false)
	if err := c.raw(ctx, "switch off", http.MethodPost, "/webhook_subscriptions/PFAKEHOOK/disable", struct{}{}, nil); err != nil {
		t.Fatal(err)
	}
	mend("switched off", "", true)
	mend("and on again", "", false)
	if err := s.Change(func(a *fakepd.Account) { a.SubscriptionEvents = []string{"incident.acknowledged"} }); err != nil {
		t.Fatal(err)
	}
	mend("too few events", "lacks the events incident.unacknowledged", false)
	if note, _, err := c.mendSubscription(context.WithoutCancel(ctx), "https://elsewhere.example.com/"); err != nil || !strings.Contains(note, "no webhook subscription") {
		t.Errorf("another address: %q, %v", note, err)
	}
}

func listAll() pd.ListIncidentsOptions { return pd.ListIncidentsOptions{DateRange: "all"} }
