package history

import (
	"strconv"
	"strings"
)

// The columns of our own format, in the order of plainCSV's list.
const (
	csvTime = iota
	csvOutcome
	csvCheck
	csvLocation
	csvLatency
	csvCode
	csvMessage
)

func plainCSV() format {
	return format{
		name:    "without a header they are time, check, location, outcome, latency_ms, code, message",
		mark:    "time",
		columns: strings.Fields("time outcome check location latency_ms code message"),
		needed:  2,
		plain:   [][]string{strings.Fields("time check location outcome latency_ms code message")},
		entry:   csvEntry,
	}
}

// csvEntry fills e; it says why it cannot.
func csvEntry(r *Reader, f func(int) string, e *Entry) string {
	if name := strings.TrimSpace(f(csvCheck)); name != "" {
		e.Check = name
	}
	if name := strings.TrimSpace(f(csvLocation)); name != "" {
		e.Location = name
	}
	switch {
	case e.Check == "":
		return "names no check (add the column, or give --check)"
	case e.Location == "":
		return "names no location (add the column, or give --location)"
	}
	var why string
	if e.Time, why = r.clock.read(f(csvTime)); why != "" {
		return why
	}
	var ok bool
	if e.Latency, ok = millis(f(csvLatency)); !ok {
		return "has latency_ms " + strconv.Quote(cut(f(csvLatency))) + ", which is no number of milliseconds"
	}
	if code := strings.TrimSpace(f(csvCode)); code != "" && code != "0" {
		if e.Code = status(code); e.Code == 0 {
			return "has code " + strconv.Quote(cut(code)) + ", which is no status of three digits"
		}
	}
	switch outcome := strings.TrimSpace(f(csvOutcome)); {
	case strings.EqualFold(outcome, "good"):
		e.Outcome = Good
		return ""
	case strings.EqualFold(outcome, "bad"):
		e.Outcome = Bad
		if e.Code >= 400 {
			e.Class = "status"
		}
	case strings.EqualFold(outcome, "unknown"):
		e.Outcome = Unknown
	default:
		return "has outcome " + strconv.Quote(cut(outcome)) + ", which is none of good, bad and unknown"
	}
	e.Message = strings.TrimSpace(f(csvMessage))
	if e.Message == "" && e.Outcome == Bad {
		e.Message = "the log does not say why"
		if e.Code != 0 {
			e.Message = "got " + strconv.Itoa(e.Code)
		}
	}
	return ""
}
