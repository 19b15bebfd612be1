package fakepd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Summary counts what a log held.
type Summary struct {
	Events    int // calls of /v2/enqueue
	Triggers  int // trigger events that took effect, repeats included
	Episodes  int // different (routing key, dedup key)
	Incidents int // open periods; as many times somebody was notified
	Refused   int // answered 400 or 413
	Dropped   int // acknowledge or resolve without an open incident
	Warnings  int // events with fields that PagerDuty would swallow
}

// Want is what the reader of a log knows beside it. The zero value knows nothing.
type Want struct {
	// Keys are the dedup keys that must have rung: one that opened no incident is lost.
	Keys []string
	// Cancelled are dedup keys whose incident recovered before anything was delivered: a sender
	// that was killed cannot know whether its trigger went out, and resolves to be sure.
	Cancelled []string
	// StillOpen allows episodes that are open at the end of the log: the night goes on.
	StillOpen bool
}

// Report is the judgement of a log.
type Report struct {
	Summary  Summary
	Episodes []Episode // by dedup key, then routing key
	// Lost counts the episodes that never rang, Doubled the open periods beyond the first
	// of an episode, LeftOpen the episodes that are open at the end.
	Lost, Doubled, LeftOpen int
	// Late counts the events that took effect later than they were answered.
	Late int
	// Problems says each broken promise in one sentence; empty when all is well.
	Problems []string
}

// Episode is one dedup key of a routing key.
type Episode struct {
	RoutingKey, DedupKey string
	Triggers             int // that took effect, repeats included
	Opened               int // open periods
	Open                 bool
	First, Last          time.Time // first and last event
	Problem              string    // "" when it is as it should be
}

// maxProblems is how many problems a report names; its counts are of all.
const maxProblems = 50

// checkRun replays a log.
type checkRun struct {
	rep      Report
	episodes map[alertKey]*Episode
	refused  map[string]bool // hashes of bodies that were answered 400
	tried    map[string]bool // by dedup key: a trigger was sent, whatever it was answered, or could not be
	dropped  map[alertKey]string
	last     int64
}

// Verify is [Check] by one who knows nothing beside the log; the error names every problem.
func Verify(log io.Reader) (Summary, error) {
	rep, err := Check(log, Want{})
	if err != nil {
		return rep.Summary, err
	}
	errs := make([]error, 0, len(rep.Problems))
	for _, p := range rep.Problems {
		errs = append(errs, errors.New(p))
	}
	return rep.Summary, errors.Join(errs...)
}

// Check reads a log (GET /_log, or the file) and names every broken promise: an
// episode, which is one dedup key of a routing key, has at least one trigger, exactly
// one open period, and is closed at the end; no event that was refused with 400 is sent
// again as it was; no call has fields that PagerDuty does not know; the log has no gap.
// The effects are computed anew, so that the model is checked too. This is the one
// checker: unit tests, the fault suite and game days use it. The error is about reading.
func Check(log io.Reader, want Want) (Report, error) {
	v := &checkRun{episodes: map[alertKey]*Episode{}, refused: map[string]bool{}, tried: map[string]bool{}, dropped: map[alertKey]string{}}
	in := bufio.NewScanner(log)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return v.rep, fmt.Errorf("line after %d cannot be read: %w", v.last, err)
		}
		v.line(l)
	}
	if err := in.Err(); err != nil {
		return v.rep, fmt.Errorf("read the log: %w", err)
	}
	v.end(want)
	return v.rep, nil
}

func (v *checkRun) problem(format string, args ...any) {
	if len(v.rep.Problems) < maxProblems {
		v.rep.Problems = append(v.rep.Problems, fmt.Sprintf(format, args...))
	}
}

func (v *checkRun) line(l Line) {
	if l.Seq != v.last+1 {
		v.problem("the log has a gap: line %d follows line %d", l.Seq, v.last)
	}
	v.last = l.Seq
	switch l.Kind {
	case kindEvent:
		v.rep.Summary.Events++
		v.event(l)
	case kindUnreached:
		v.tried[l.DedupKey] = true
	case kindREST:
		v.warnings(l, l.Note)
	case kindProcessed:
		v.rep.Late++
	}
	switch l.Did {
	case didOpen, didRepeat, didAck, didResolve, didNothing:
		v.effect(l)
	case didSuppress:
		if l.Action == trigger {
			v.dropped[alertKey{l.RoutingKey, l.DedupKey}] = l.Note
		}
	}
}

func (v *checkRun) warnings(l Line, what string) {
	if len(l.Warnings) > 0 {
		v.rep.Summary.Warnings++
		v.problem("line %d: %s: %v", l.Seq, what, l.Warnings)
	}
}

func (v *checkRun) event(l Line) {
	v.warnings(l, fmt.Sprintf("%s %q", l.Action, l.DedupKey))
	if l.Action == trigger {
		v.tried[l.DedupKey] = true
	}
	if l.Status != 400 && l.Status != 413 {
		return
	}
	v.rep.Summary.Refused++
	if v.refused[l.Hash] {
		v.problem("line %d: %s %q was refused with %d before and sent again as it was", l.Seq, l.Action, l.DedupKey, l.Status)
	}
	v.refused[l.Hash] = true
}

func (v *checkRun) episode(l Line) *Episode {
	key := alertKey{l.RoutingKey, l.DedupKey}
	e := v.episodes[key]
	if e == nil {
		e = &Episode{RoutingKey: l.RoutingKey, DedupKey: l.DedupKey, First: l.At}
		v.episodes[key] = e
	}
	e.Last = l.At
	return e
}

// effect replays one processed event.
func (v *checkRun) effect(l Line) {
	e := v.episode(l)
	want := []string{didNothing}
	switch {
	case l.Action == trigger && e.Open:
		want = []string{didRepeat}
	case l.Action == trigger:
		want = []string{didOpen}
	case e.Open && l.Action == resolve:
		want = []string{didResolve}
	case e.Open:
		want = []string{didAck, didRepeat}
	}
	if !slices.Contains(want, l.Did) {
		v.problem("line %d: %s %q was %s, but should be %v", l.Seq, l.Action, l.DedupKey, l.Did, want)
	}
	switch l.Action {
	case trigger:
		v.rep.Summary.Triggers++
		e.Triggers++
		if !e.Open {
			e.Opened++
			v.rep.Summary.Incidents++
		}
		e.Open = true
	case resolve:
		e.Open = false
	}
	if l.Did == didNothing {
		v.rep.Summary.Dropped++
	}
}

func (v *checkRun) end(want Want) {
	v.rep.Summary.Episodes = len(v.episodes)
	for key, why := range v.dropped {
		if v.episodes[key] == nil {
			v.episodes[key] = &Episode{RoutingKey: key.routing, DedupKey: key.dedup}
		}
		if e := v.episodes[key]; e.Opened == 0 {
			e.Problem = "accepted and dropped silently (" + why + "): nobody was notified"
			v.rep.Lost++
		}
	}
	rang := map[string]bool{}
	for key, e := range v.episodes {
		rang[key.dedup] = rang[key.dedup] || e.Opened > 0
		v.judge(key, e, want)
		v.rep.Episodes = append(v.rep.Episodes, *e)
	}
	for _, key := range want.Keys {
		if _, known := rang[key]; !known {
			v.rep.Episodes = append(v.rep.Episodes, Episode{DedupKey: key, Problem: "LOST: nothing was ever received"})
			v.rep.Lost++
		} else if !rang[key] {
			v.rep.Lost++
			v.problem("episode %q: LOST: it should have rung, and no incident was opened", key)
		}
	}
	slices.SortFunc(v.rep.Episodes, func(a, b Episode) int {
		return strings.Compare(a.DedupKey+"\x00"+a.RoutingKey, b.DedupKey+"\x00"+b.RoutingKey)
	})
	for _, e := range v.rep.Episodes {
		if e.Problem != "" {
			v.problem("episode %q: %s", e.DedupKey, e.Problem)
		}
	}
}

// judge says what is wrong with an episode.
func (v *checkRun) judge(key alertKey, e *Episode, want Want) {
	var wrong []string
	if e.Problem != "" {
		wrong = append(wrong, e.Problem)
	}
	// A resolve after failed attempts is right: one may have been processed. So is one through
	// a second routing key, when the first was changed meanwhile: what the first opened is an
	// episode of its own, which is open at the end unless that key closed it.
	if e.Triggers == 0 && !v.tried[key.dedup] && !slices.Contains(want.Cancelled, key.dedup) {
		wrong = append(wrong, "acknowledged or resolved, but never triggered")
		v.rep.Lost++
	}
	if e.Opened > 1 {
		wrong = append(wrong, fmt.Sprintf("%d incidents were opened, want one", e.Opened))
		v.rep.Doubled += e.Opened - 1
	}
	if e.Open && !want.StillOpen {
		wrong = append(wrong, "still open at the end")
		v.rep.LeftOpen++
	}
	e.Problem = strings.Join(wrong, "; ")
}
