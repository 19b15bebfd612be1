package fakepd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
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
	kindUnreached = "unreached" // a fault: an event never left its sender
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
