package fakepd

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	maxLogBytes = 32 << 20
	maxRaw      = 16 << 10 // bytes of an event's body that a line keeps
	maxLine     = 1 << 20
)

// The kinds of a line.
const (
	kindEvent     = "event"     // received at /v2/enqueue
	kindProcessed = "processed" // an event that was put off took effect
	kindHuman     = "human"     // a person acknowledged or resolved
	kindWebhook   = "webhook"   // one attempt to deliver a webhook
	kindFault     = "fault"     // faults were switched
	kindNotify    = "notify"    // a person was rung
	kindREST      = "rest"      // a call of the REST API
)

// Line is one line of the log, as JSON.
type Line struct {
	Seq        int64           `json:"seq"` // from 1, without gaps
	At         time.Time       `json:"at"`
	Kind       string          `json:"kind"`
	Action     string          `json:"action,omitempty"`
	RoutingKey string          `json:"routing_key,omitempty"`
	DedupKey   string          `json:"dedup_key,omitempty"`
	Summary    string          `json:"summary,omitempty"`
	By         string          `json:"by,omitempty"`
	Did        string          `json:"did,omitempty"`
	Incident   string          `json:"incident,omitempty"`
	Status     int             `json:"status,omitempty"` // answered; 0 when the connection was closed instead
	Errors     []string        `json:"errors,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
	Fault      *Fault          `json:"fault,omitempty"`
	Note       string          `json:"note,omitempty"`
	Hash       string          `json:"body_sha256,omitempty"`
	Body       json.RawMessage `json:"body,omitempty"` // the event; a long one, or one that is no JSON, is left out
}

// journal keeps the newest lines. The Server's mutex guards it.
type journal struct {
	max   int
	seq   int64
	bytes int
	lines [][]byte
	out   io.Writer
	lost  int // lines that out did not take
}

// add writes a line; its Seq is set here.
func (j *journal) add(l Line) {
	j.seq++
	l.Seq = j.seq
	raw, err := json.Marshal(l)
	if err != nil { // only a body that is no JSON could do that, and those are left out
		l.Body, l.Note = nil, err.Error()
		raw, _ = json.Marshal(l)
	}
	raw = append(raw, '\n')
	j.lines = append(j.lines, raw)
	j.bytes += len(raw)
	for len(j.lines) > j.max || j.bytes > maxLogBytes {
		j.bytes -= len(j.lines[0])
		j.lines[0] = nil
		j.lines = j.lines[1:]
	}
	if j.out != nil {
		if _, err := j.out.Write(raw); err != nil {
			j.lost++
		}
	}
}

// bodyOf returns what a line keeps of a body.
func bodyOf(body []byte) json.RawMessage {
	if len(body) > maxRaw || !json.Valid(body) {
		return nil
	}
	return bytes.Clone(body)
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

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

// verifier replays a log.
type verifier struct {
	sum      Summary
	episodes map[alertKey]*episode
	refused  map[string]bool   // hashes of bodies that were answered 400
	tried    map[alertKey]bool // a trigger was sent, whatever it was answered
	problems []error
	last     int64
}

type episode struct {
	triggers, opened int
	open             bool
}

const maxProblems = 50

// Verify reads a log (GET /_log, or the file) and returns an error that names
// every broken promise: an episode, which is one dedup key of a routing key, has
// at least one trigger, exactly one open period, and is closed at the end; no
// event that was refused with 400 is sent again as it was; no event has fields
// that PagerDuty does not know; the log has no gap. The effects are computed
// anew, so that the model is checked too.
func Verify(log io.Reader) (Summary, error) {
	v := &verifier{episodes: map[alertKey]*episode{}, refused: map[string]bool{}, tried: map[alertKey]bool{}}
	in := bufio.NewScanner(log)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return v.sum, fmt.Errorf("line after %d cannot be read: %w", v.last, err)
		}
		v.line(l)
	}
	if err := in.Err(); err != nil {
		return v.sum, fmt.Errorf("read the log: %w", err)
	}
	v.end()
	return v.sum, errors.Join(v.problems...)
}

func (v *verifier) problem(format string, args ...any) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, fmt.Errorf(format, args...))
	}
}

func (v *verifier) line(l Line) {
	if l.Seq != v.last+1 {
		v.problem("the log has a gap: line %d follows line %d", l.Seq, v.last)
	}
	v.last = l.Seq
	if l.Kind == kindEvent {
		v.sum.Events++
		v.event(l)
	}
	if slices.Contains([]string{didOpen, didRepeat, didAck, didResolve, didNothing}, l.Did) {
		v.effect(l)
	}
}

func (v *verifier) event(l Line) {
	if len(l.Warnings) > 0 {
		v.sum.Warnings++
		v.problem("line %d: %s %q: %v", l.Seq, l.Action, l.DedupKey, l.Warnings)
	}
	if l.Action == trigger {
		v.tried[alertKey{l.RoutingKey, l.DedupKey}] = true
	}
	if l.Status != 400 && l.Status != 413 {
		return
	}
	v.sum.Refused++
	if v.refused[l.Hash] {
		v.problem("line %d: %s %q was refused with %d before and sent again as it was", l.Seq, l.Action, l.DedupKey, l.Status)
	}
	v.refused[l.Hash] = true
}

// effect replays one processed event.
func (v *verifier) effect(l Line) {
	key := alertKey{l.RoutingKey, l.DedupKey}
	e := v.episodes[key]
	if e == nil {
		e = &episode{}
		v.episodes[key] = e
	}
	want := []string{didNothing}
	switch {
	case l.Action == trigger && e.open:
		want = []string{didRepeat}
	case l.Action == trigger:
		want = []string{didOpen}
	case e.open && l.Action == resolve:
		want = []string{didResolve}
	case e.open:
		want = []string{didAck, didRepeat}
	}
	if !slices.Contains(want, l.Did) {
		v.problem("line %d: %s %q was %s, but should be %v", l.Seq, l.Action, l.DedupKey, l.Did, want)
	}
	switch l.Action {
	case trigger:
		v.sum.Triggers++
		e.triggers++
		if !e.open {
			e.opened++
			v.sum.Incidents++
		}
		e.open = true
	case resolve:
		e.open = false
	}
	if l.Did == didNothing {
		v.sum.Dropped++
	}
}

func (v *verifier) end() {
	v.sum.Episodes = len(v.episodes)
	keys := make([]alertKey, 0, len(v.episodes))
	for key := range v.episodes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b alertKey) int {
		return bytes.Compare([]byte(a.dedup+"\x00"+a.routing), []byte(b.dedup+"\x00"+b.routing))
	})
	for _, key := range keys {
		e := v.episodes[key]
		switch {
		case e.triggers == 0 && !v.tried[key]: // a resolve after failed attempts is right: one may have been processed
			v.problem("episode %q: acknowledged or resolved, but never triggered", key.dedup)
		case e.opened > 1:
			v.problem("episode %q: %d incidents were opened, want one", key.dedup, e.opened)
		}
		if e.open {
			v.problem("episode %q: still open at the end", key.dedup)
		}
	}
}
