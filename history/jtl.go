package history

import (
	"strconv"
	"strings"
)

// The columns of JMeter that are understood, in the order of jtl's list.
const (
	jtlTime = iota
	jtlElapsed
	jtlSuccess
	jtlLabel
	jtlCode
	jtlMessage
	jtlFailure
)

// otherLabel marks a sample that was not asked for.
const otherLabel = "\x00label"

// jtl is JMeter's results. Files without a header have one of the orders of
// columns that JMeter had as defaults, or the short one of our manual.
func jtl() format {
	words := strings.Fields
	return format{
		name:    "JMeter's own orders have 12, 14, 16 or 17 columns; timeStamp, elapsed, label, responseCode, success, failureMessage, Latency, Connect is read too",
		mark:    "timeStamp",
		columns: words("timeStamp elapsed success label responseCode responseMessage failureMessage"),
		needed:  3,
		plain: [][]string{
			words("timeStamp elapsed label responseCode success failureMessage Latency Connect"),
			words("timeStamp elapsed label responseCode responseMessage threadName dataType success bytes grpThreads allThreads Latency"),
			words("timeStamp elapsed label responseCode responseMessage threadName dataType success failureMessage bytes grpThreads allThreads Latency IdleTime"),
			words("timeStamp elapsed label responseCode responseMessage threadName dataType success failureMessage bytes sentBytes grpThreads allThreads Latency IdleTime Connect"),
			words("timeStamp elapsed label responseCode responseMessage threadName dataType success failureMessage bytes sentBytes grpThreads allThreads URL Latency IdleTime Connect"),
		},
		entry: jtlEntry,
	}
}

// jtlEntry fills e; it says why it cannot.
func jtlEntry(r *Reader, f func(int) string, e *Entry) string {
	label := f(jtlLabel)
	if r.o.Label != "" && label != r.o.Label {
		return otherLabel
	}
	if _, known := r.counts.Labels[label]; !known && len(r.counts.Labels) < maxLabels {
		r.counts.Labels[strings.Clone(label)] = struct{}{}
	}
	var why string
	if e.Time, why = r.clock.read(f(jtlTime)); why != "" {
		return why
	}
	var ok bool
	if e.Latency, ok = millis(f(jtlElapsed)); !ok || strings.TrimSpace(f(jtlElapsed)) == "" {
		return "has elapsed " + strconv.Quote(cut(f(jtlElapsed))) + ", which is no number of milliseconds"
	}
	code := strings.TrimSpace(f(jtlCode))
	e.Code = status(code)
	switch success := strings.TrimSpace(f(jtlSuccess)); {
	case strings.EqualFold(success, "true"):
		e.Outcome = Good
	case strings.EqualFold(success, "false"):
		e.Outcome = Bad
		e.Class, e.Message = jtlFault(code, e.Code, f(jtlMessage), f(jtlFailure))
	default:
		return "has success " + strconv.Quote(cut(success)) + ", which is neither true nor false"
	}
	return ""
}

// status reads a status of three digits; 0 for anything else.
func status(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 100 || n > 999 {
		return 0
	}
	return n
}

// jtlFault says why a sample failed, in one of probe's classes and one sentence.
func jtlFault(code string, status int, message, failure string) (class, why string) {
	message, failure = strings.TrimSpace(message), strings.TrimSpace(failure)
	if status == 0 && code != "" { // Non HTTP response code: java.net.SocketTimeoutException
		class = exceptionClass(code)
	}
	switch {
	case failure != "":
		why = failure
		if class == "" && status < 400 {
			class = "body" // an assertion refused an answer that was no error
		}
	case status != 0:
		why = strings.TrimSpace("got " + code + " " + message)
	case message != "":
		why = message
	case code != "":
		why = code
	default:
		why = "the log does not say why"
	}
	if class == "" && status >= 400 {
		class = "status"
	}
	return class, why
}

// exceptionClass finds probe's class for the name of one of Java's exceptions.
func exceptionClass(code string) string {
	for _, c := range []struct{ part, class string }{
		{"UnknownHost", "dns"},
		{"Timeout", "timeout"},
		{"SSL", "tls"},
		{"Certificate", "tls"},
		{"Connect", "connect"},
		{"NoRoute", "connect"},
		{"Socket", "connect"},
		{"NoHttpResponse", "connect"},
	} {
		if strings.Contains(code, c.part) {
			return c.class
		}
	}
	return ""
}
