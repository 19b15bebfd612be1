package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"keepwatch/oncall"
)

const (
	syncEvery   = time.Minute
	syncWithin  = 45 * time.Second
	usersEvery  = time.Hour        // how long it is believed that a user exists
	editsTold   = 10 * time.Minute // how long health speaks of an edit that was put back
	syncPatient = 5 * time.Minute  // after a refusal that only a person can mend
)

// Followed is an escalation that a PagerDuty policy follows.
type Followed struct {
	ID     string        // of the PagerDuty escalation policy
	Policy oncall.Policy // as the file has it now
}

// PolicySync keeps PagerDuty's escalation policies equal to the escalations of
// the file and to who is on call, at each hand-off and once a minute, so that
// PagerDuty rings the right person and escalates even while Keepwatch is dead. It
// writes only what differs. Only the leading daemon may run it. Safe for concurrent use.
type PolicySync struct {
	// Log is required.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	setup sync.Once
	wake  chan struct{}

	mu sync.Mutex
	// Guarded by mu:
	client   *Client
	followed []Followed
	roster   oncall.Roster
	user     func(person string) string
	states   map[string]*followState // by PagerDuty's policy
	users    map[string]userState    // by PagerDuty's user ID
}

// followState is what is known of one policy. Run's goroutine changes it, with mu held.
type followState struct {
	written Ladder    // what was last written or found right
	known   bool      // written says something
	good    time.Time // when it was last found right
	asked   time.Time // when who is on call there was last compared
	edited  time.Time // when somebody else's edit was last put back
	problem string
	notes   []string
	wait    time.Time // not to be tried before
}

type userState struct {
	exists bool
	at     time.Time
}

func (s *PolicySync) init() {
	s.setup.Do(func() {
		s.wake = make(chan struct{}, 1)
		s.states, s.users = map[string]*followState{}, map[string]userState{}
	})
}

// Reload sets what is followed; client nil or no policy switches it off. user
// gives a person's PagerDuty user ID, "" when there is none.
func (s *PolicySync) Reload(client *Client, followed []Followed, roster oncall.Roster, user func(person string) string) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != client {
		s.users = map[string]userState{}
	}
	s.client, s.followed, s.roster, s.user = client, slices.Clone(followed), roster, user
	for id, st := range s.states {
		st.wait = time.Time{}
		if !slices.ContainsFunc(followed, func(f Followed) bool { return f.ID == id }) {
			delete(s.states, id)
		}
	}
	nudge(s.wake)
}

// SetRoster exchanges who is on call, and looks at once.
func (s *PolicySync) SetRoster(roster oncall.Roster) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roster = roster
	nudge(s.wake)
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run follows until ctx ends, and returns nil.
func (s *PolicySync) Run(ctx context.Context) error {
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
		s.all(ctx)
		// Not later than the next hand-off, whose page would wake the former person.
		timer.Reset(min(syncEvery-rand.N(syncEvery/20), s.untilHandoff(s.now())))
	}
}

// untilHandoff is how long it takes until somebody else is on call in what is followed.
func (s *PolicySync) untilHandoff(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := syncEvery
	for _, f := range s.followed {
		for _, l := range f.Policy.Levels {
			if shift := s.roster.OnCall(l.Page, now); shift.To.After(now) {
				wait = min(wait, shift.To.Sub(now))
			}
		}
	}
	return max(wait, time.Millisecond)
}

func (s *PolicySync) all(ctx context.Context) {
	s.mu.Lock()
	client, followed := s.client, s.followed
	s.mu.Unlock()
	if client == nil {
		return
	}
	for _, f := range followed {
		s.one(ctx, client, f)
	}
}

// one brings one policy up to date.
func (s *PolicySync) one(ctx context.Context, client *Client, f Followed) {
	ctx, cancel := context.WithTimeout(ctx, syncWithin)
	defer cancel()
	s.mu.Lock()
	st := s.states[f.ID]
	if st == nil {
		st = &followState{}
		s.states[f.ID] = st
	}
	wait := st.wait
	s.mu.Unlock()
	now := s.now()
	if now.Before(wait) {
		return
	}
	want, err := s.want(ctx, client, f, now)
	if err == nil {
		err = s.bring(ctx, client, f, st, want)
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := st.problem
	st.problem, st.notes, st.wait = "", want.Notes, time.Time{}
	if err == nil {
		st.good = s.now()
		if before != "" {
			s.Log.InfoContext(ctx, "pagerduty's escalation policy follows the file again", "policy", f.ID)
		}
		return
	}
	st.problem = err.Error()
	st.wait = now.Add(patience(err))
	if before != st.problem {
		s.Log.ErrorContext(ctx, "pagerduty's escalation policy does not follow the file", "policy", f.ID, "err", err)
	}
}

// patience is how long to leave PagerDuty alone after an error.
func patience(err error) time.Duration {
	var e *CallError
	if !errors.As(err, &e) {
		return 0
	}
	switch {
	case e.RetryAfter > 0:
		return e.RetryAfter
	case errors.Is(err, ErrToken), errors.Is(err, ErrForbidden):
		return syncPatient
	}
	return 0
}

// want is the ladder of a policy now, with only those users whom PagerDuty has.
func (s *PolicySync) want(ctx context.Context, client *Client, f Followed, now time.Time) (Ladder, error) {
	s.mu.Lock()
	roster, user := s.roster, s.user
	s.mu.Unlock()
	onCall := func(name string) string { return roster.OnCall(name, now).Person }
	exists := map[string]bool{}
	for _, l := range f.Policy.Levels {
		id := ""
		if person := onCall(l.Page); person != "" {
			id = user(person)
		}
		if id == "" {
			continue
		}
		ok, err := s.exists(ctx, client, id, now)
		if err != nil {
			return Ladder{}, err
		}
		exists[id] = ok
	}
	return Climb(f.Policy, onCall, func(person string) string {
		if id := user(person); exists[id] {
			return id
		}
		return ""
	}), nil
}

// exists reports whether PagerDuty has a user.
func (s *PolicySync) exists(ctx context.Context, client *Client, id string, now time.Time) (bool, error) {
	s.mu.Lock()
	have, known := s.users[id]
	s.mu.Unlock()
	if known && now.Sub(have.at) < usersEvery && (have.exists || now.Sub(have.at) < syncPatient) {
		return have.exists, nil
	}
	_, err := client.user(ctx, id)
	if err != nil && !errors.Is(err, ErrGone) {
		if known {
			return have.exists, nil
		}
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[id] = userState{exists: err == nil, at: now}
	return err == nil, nil
}

var errEmptyLadder = errors.New("nobody whom PagerDuty knows is on call at any level: PagerDuty's policy is left as it is; give somebody in this escalation a pagerduty.user")

// bring makes PagerDuty's policy the wanted one, and looks whether it worked.
func (s *PolicySync) bring(ctx context.Context, client *Client, f Followed, st *followState, want Ladder) error {
	if len(want.Rungs) == 0 {
		return errEmptyLadder
	}
	have, err := client.policy(ctx, f.ID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	known, written, asked := st.known, st.written, st.asked
	s.mu.Unlock()
	is := ladderOf(have)
	if !is.same(want) {
		if known && written.same(want) {
			s.Log.WarnContext(ctx, "somebody changed pagerduty's escalation policy; it is put back", "policy", f.ID, "was", is.String(), "wanted", want.String())
			s.mu.Lock()
			st.edited = s.now()
			s.mu.Unlock()
		}
		if err := client.putPolicy(ctx, f.ID, have, want); err != nil {
			return err
		}
		s.Log.InfoContext(ctx, "pagerduty's escalation policy written", "policy", f.ID, "was", is.String(), "now", want.String())
		asked = time.Time{}
	}
	s.mu.Lock()
	st.written, st.known = want, true
	s.mu.Unlock()
	if s.now().Sub(asked) < 10*syncEvery { // GET /oncalls has a low limit of its own
		return nil
	}
	err = client.confirm(ctx, f.ID, want)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.asked = time.Time{}
	if err == nil {
		st.asked = s.now()
	}
	return err
}

// confirm asks PagerDuty who is on call by a policy, and whether it took what was written.
func (c *Client) confirm(ctx context.Context, id string, want Ladder) error {
	now, err := c.onCalls(ctx, id)
	if err != nil {
		return err
	}
	if diff := want.onCallDiffers(now); diff != "" {
		return fmt.Errorf("PagerDuty's escalation policy %s was written, but who is on call there differs: %s: look at it in PagerDuty", id, diff)
	}
	return nil
}

// policyBody is what PUT /escalation_policies/{id} takes. The library's own type
// leaves num_loops out when it is 0, so it could never be lowered to that (v1.8.0).
type policyBody struct {
	Type     string              `json:"type"`
	Name     string              `json:"name"`
	About    string              `json:"description,omitempty"`
	Rules    []pd.EscalationRule `json:"escalation_rules"`
	NumLoops uint                `json:"num_loops"`
	Handoff  string              `json:"on_call_handoff_notifications,omitempty"`
	Teams    json.RawMessage     `json:"teams,omitempty"`
}

func (c *Client) putPolicy(ctx context.Context, id string, have wirePolicy, want Ladder) error {
	body := struct {
		Policy policyBody `json:"escalation_policy"`
	}{policyBody{
		Type: "escalation_policy", Name: have.Name, About: have.About, Rules: want.rules(have.Rules),
		NumLoops: want.Loops, Handoff: have.Handoff, Teams: have.Teams,
	}}
	return c.raw(ctx, "write PagerDuty escalation policy "+id, http.MethodPut, "/escalation_policies/"+url.PathEscape(id), body, nil)
}

// Follows reports whether PagerDuty rings, by this escalation, whom the file
// names: its policy was found right a short while ago.
func (s *PolicySync) Follows(policy string, now time.Time) bool {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.followed {
		if f.Policy.Name == policy {
			st := s.states[f.ID]
			return st != nil && st.problem == "" && now.Sub(st.good) < 5*syncEvery
		}
	}
	return false
}

// Knows reports whether PagerDuty has a user, as far as is known.
func (s *PolicySync) Knows(id string) bool {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	have, asked := s.users[id]
	return id != "" && (!asked || have.exists)
}

// Problems says in one sentence each what a person must mend; empty when all is well.
func (s *PolicySync) Problems() []string {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(s.states)) {
		if st := s.states[id]; st.problem != "" {
			out = append(out, fmt.Sprintf("PagerDuty's escalation policy %s does not follow the file, so the wrong person may be rung: %s", id, st.problem))
		}
	}
	return out
}

// Notes say what a person should know though nothing is broken: people whom
// PagerDuty does not know, and edits that were put back.
func (s *PolicySync) Notes(now time.Time) []string {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(s.states)) {
		st := s.states[id]
		out = append(out, st.notes...)
		if !st.edited.IsZero() && now.Sub(st.edited) < editsTold {
			out = append(out, fmt.Sprintf("somebody changed PagerDuty's escalation policy %s; it was put back at %s: change the file instead, or make an override", id, st.edited.UTC().Format(time.RFC3339)))
		}
	}
	return out
}
