package traffic

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Request is what one line of a log tells.
type Request struct {
	At     time.Time // when it was answered, UTC
	Status int
	Took   time.Duration // negative where the log does not say
	Host   string        // in lower case, without port; "" where the log does not say
	Agent  string
}

const unknownTime = -1 * time.Nanosecond

// Parse reads a line; false when it is none of this format.
func (f Format) Parse(line []byte) (Request, bool) {
	var r Request
	var ok bool
	switch f {
	case NginxJSON:
		r, ok = parseJSON(line)
	case ALB:
		r, ok = parseALB(string(line))
	case Combined:
		r, ok = parseCombined(string(line))
	}
	if !ok || r.Status < 100 || r.Status > 999 || r.At.Year() < 2000 || r.At.Year() > 9999 {
		return Request{}, false
	}
	r.At = r.At.UTC()
	return r, true
}

// nginxTime is $time_local.
const nginxTime = "02/Jan/2006:15:04:05 -0700"

// parseCombined reads
//
//	127.0.0.1 - ada [22/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozilla" 0.123
//
// in which the last number, $request_time, may be missing.
func parseCombined(line string) (Request, bool) {
	r := Request{Took: unknownTime}
	quote := strings.IndexByte(line, '"')
	if quote < 0 {
		return r, false
	}
	var ok bool
	if r.At, ok = bracketed(line[:quote]); !ok {
		return r, false
	}
	_, rest, ok := quotedField(line[quote:])
	if !ok {
		return r, false
	}
	words := strings.Fields(cutAt(rest, '"'))
	if len(words) != 2 {
		return r, false
	}
	var err error
	if r.Status, err = strconv.Atoi(words[0]); err != nil {
		return r, false
	}
	quote = strings.IndexByte(rest, '"')
	if quote < 0 {
		return r, true // the common format has neither referer nor agent
	}
	if _, rest, ok = quotedField(rest[quote:]); !ok {
		return r, false
	}
	if r.Agent, rest, ok = quotedField(strings.TrimLeft(rest, " ")); !ok {
		return r, false
	}
	if words := strings.Fields(rest); len(words) > 0 {
		r.Took = seconds(words[0])
	}
	return r, true
}

// bracketed finds the time in brackets; a visitor's name may have brackets too.
func bracketed(head string) (time.Time, bool) {
	for {
		_, rest, found := strings.Cut(head, "[")
		if !found {
			return time.Time{}, false
		}
		if text, _, closed := strings.Cut(rest, "]"); closed {
			if at, err := time.Parse(nginxTime, text); err == nil {
				return at, true
			}
		}
		head = rest
	}
}

// cutAt is what stands before the first sep, or all.
func cutAt(s string, sep byte) string {
	before, _, _ := strings.Cut(s, string(sep))
	return before
}

// quotedField takes a text in quotes off the front; a backslash keeps the sign after it.
func quotedField(s string) (field, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

// seconds reads "0.123"; anything else is unknown. Of several upstreams' times
// nothing is made: they belong to another variable.
func seconds(s string) time.Duration {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x < 0 || x > 1e9 || math.IsNaN(x) {
		return unknownTime
	}
	return time.Duration(math.Round(x*1e6)) * time.Microsecond
}

// jsonLine has the names of nginx's variables and those that people choose.
type jsonLine struct {
	Msec      loose `json:"msec"`
	ISO       loose `json:"time_iso8601"`
	Time      loose `json:"time"`
	Local     loose `json:"time_local"`
	Stamp     loose `json:"timestamp"`
	AtStamp   loose `json:"@timestamp"`
	Status    loose `json:"status"`
	Took      loose `json:"request_time"`
	Host      loose `json:"host"`
	HTTPHost  loose `json:"http_host"`
	Agent     loose `json:"http_user_agent"`
	UserAgent loose `json:"user_agent"`
}

// loose is a text or a number.
type loose string

// UnmarshalJSON takes texts and numbers; of anything else nothing.
func (l *loose) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(l))
	}
	*l = loose(b)
	return nil
}

func parseJSON(line []byte) (Request, bool) {
	var j jsonLine
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &j) != nil {
		return Request{}, false
	}
	r := Request{Took: seconds(string(j.Took)), Host: hostOf(first(j.Host, j.HTTPHost)), Agent: first(j.Agent, j.UserAgent)}
	var err error
	if r.Status, err = strconv.Atoi(string(j.Status)); err != nil {
		return r, false
	}
	for _, text := range []loose{j.Msec, j.ISO, j.Time, j.Local, j.Stamp, j.AtStamp} {
		if at, ok := instant(string(text)); ok {
			r.At = at
			return r, true
		}
	}
	return r, false
}

func first(all ...loose) string {
	for _, l := range all {
		if l != "" {
			return string(l)
		}
	}
	return ""
}

// instant reads $msec, $time_iso8601 or $time_local.
func instant(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, nginxTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x < 1e8 || x > 1e12 || math.IsNaN(x) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(x * 1000))), true
}

// hostOf is a host name without port, in lower case.
func hostOf(s string) string {
	if name, _, err := net.SplitHostPort(s); err == nil {
		s = name
	}
	return strings.ToLower(strings.Trim(s, "[]"))
}

// The fields of a load balancer's line (AWS: access logs for your Application Load Balancer).
const (
	albTime = iota + 1
	_
	_
	_
	albRequestTime
	albTargetTime
	albResponseTime
	albStatus
	_
	_
	_
	albRequest
	albAgent
	albFields
)

func parseALB(line string) (Request, bool) {
	r := Request{}
	fields := make([]string, 0, albFields)
	for line = strings.TrimLeft(line, " "); line != "" && len(fields) < albFields; line = strings.TrimLeft(line, " ") {
		if line[0] == '"' {
			field, rest, ok := quotedField(line)
			if !ok {
				return r, false
			}
			fields, line = append(fields, field), rest
			continue
		}
		field := cutAt(line, ' ')
		fields, line = append(fields, field), line[len(field):]
	}
	if len(fields) < albFields {
		return r, false
	}
	at, err := time.Parse(time.RFC3339, fields[albTime])
	if err != nil {
		return r, false
	}
	if r.Status, err = strconv.Atoi(fields[albStatus]); err != nil {
		return r, false
	}
	r.At, r.Agent = at, fields[albAgent]
	for _, i := range []int{albRequestTime, albTargetTime, albResponseTime} {
		took := seconds(fields[i]) // -1: that part did not happen
		if took < 0 {
			r.Took = unknownTime
			break
		}
		r.Took += took
	}
	if words := strings.Fields(fields[albRequest]); len(words) == 3 {
		if _, rest, ok := strings.Cut(words[1], "://"); ok {
			r.Host = hostOf(cutAt(rest, '/'))
		}
	}
	return r, true
}
