package event

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of the agent and of ours: a refused event is a lost event.
const (
	maxText  = 255 // bytes of a string attribute (go-agent v3.45.0, limits.go)
	maxAttrs = 60  // the agent refuses 65; three more are added when it is handed over
)

// space is the UUIDv5 name space of our ids. It must never change: another one
// would tell everything in the outbox twice.
const space = "0b0f54a5-6a3c-5e0c-9d3f-6b7c9f1f2f10"

// id is the UUIDv5 of what an event is about.
func id(parts ...string) string {
	return uuid.NewSHA1(uuid.MustParse(space), []byte(strings.Join(parts, "\x1f"))).String()
}

// object writes one flat JSON object. Empty texts and zero times are left out;
// numbers and flags are always written, so that an average has no holes.
type object struct {
	buf []byte
	n   int
}

func (o *object) key(k string) {
	if o.n == 0 {
		o.buf = append(make([]byte, 0, 768), '{')
	} else {
		o.buf = append(o.buf, ',')
	}
	o.n++
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, k...)
	o.buf = append(o.buf, '"', ':')
}

func (o *object) text(k, v string) {
	if v == "" {
		return
	}
	o.key(k)
	quoted, err := json.Marshal(Clip(v))
	if err != nil { // cannot happen for a string; an empty text keeps the object valid
		quoted = []byte(`""`)
	}
	o.buf = append(o.buf, quoted...)
}

func (o *object) count(k string, v int64) {
	o.key(k)
	o.buf = strconv.AppendInt(o.buf, v, 10)
}

func (o *object) number(k string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) { // the agent would refuse the whole event
		return
	}
	o.key(k)
	o.buf = strconv.AppendFloat(o.buf, v, 'f', -1, 64)
}

// ms writes a duration in milliseconds, as SyntheticCheck does.
func (o *object) ms(k string, d time.Duration) { o.number(k, Millis(d)) }

func (o *object) seconds(k string, d time.Duration) {
	o.number(k, math.Round(d.Seconds()*1000)/1000)
}

func (o *object) instant(k string, t time.Time) {
	if !t.IsZero() {
		o.count(k, t.UnixMilli())
	}
}

func (o *object) flag(k string, v bool) {
	o.key(k)
	o.buf = strconv.AppendBool(o.buf, v)
}

func (o *object) done() []byte {
	if o.n == 0 {
		return []byte("{}")
	}
	return append(o.buf, '}')
}

// Millis is a duration in milliseconds, to the microsecond.
func Millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Clip makes a text fit for an attribute: at most 255 bytes, whole valid runes,
// no NUL (Postgres refuses it in jsonb).
func Clip(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
