package probe

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// RunOnce looks once, now, without retries and outside every schedule; for the
// command line. The result is marked Extra, so that nobody stores it as a slot's.
func RunOnce(ctx context.Context, c Check, location string) Result {
	start := time.Now()
	res := Result{
		Check: c.Name, Location: location, Extra: true, Round: start.UnixNano(), Started: start.UTC(), Attempts: 1,
		Slot: time.Unix(0, floorTo(start.UnixNano(), max(c.Every, 1))).UTC(),
	}
	attempt, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	res.Look, _ = lookOnce(attempt, &c) // the message names the panic; a person is looking
	switch {
	case res.Look.OK:
		res.Outcome, res.Look.Fault = Good, Fault{}
	case ctx.Err() != nil:
		res.Cause = causeShutdown
	case res.Look.Blind:
		res.Cause = causeBlind
	default:
		res.Outcome = Bad
	}
	return res
}

// picture is the width of a waterfall's bars; with name and time beside them a
// line has at most 80 columns.
const picture = 56

// Waterfall prints a result as text of at most 80 columns: a line that says what
// it was, a bar for each phase (of a journey: for each step) where it lies in time,
// and why it failed.
func Waterfall(w io.Writer, res Result) error {
	var b strings.Builder
	look := &res.Look
	headline := fmt.Sprintf("%s from %s: %s", res.Check, res.Location, res.Outcome)
	if res.Cause != "" {
		headline += " (" + res.Cause + ")"
	}
	if look.Code != 0 {
		headline += fmt.Sprintf(", code %d", look.Code)
	}
	headline += fmt.Sprintf(", %s, %s", shortTime(look.Latency), Size(look.Bytes))
	if look.RemoteAddr != "" {
		headline += ", " + look.RemoteAddr
	}
	b.WriteString(clip(headline, 80) + "\n")
	if len(look.Steps) > 0 {
		stepLines(&b, look)
	} else {
		bars(&b, look)
	}
	if !look.CertNotAfter.IsZero() {
		b.WriteString("certificate chain valid to " + look.CertNotAfter.UTC().Format(time.RFC3339) + "\n")
	}
	if look.Fault.Class != "" {
		wrap(&b, fmt.Sprintf("%s (%s): %s", look.Fault.Class, look.Fault.Phase, look.Fault.Message))
	}
	cleanupFaults(&b, look)
	_, err := io.WriteString(w, b.String())
	return err
}

// bars draws the phases that took time, and the one that failed.
func bars(b *strings.Builder, look *Look) {
	p := &look.Phases
	phases := []struct {
		name string
		took time.Duration
	}{{phaseDNS, p.DNS}, {phaseConnect, p.Connect}, {phaseTLS, p.TLS}, {phaseFirstByte, p.FirstByte}, {phaseTransfer, p.Transfer}}
	var whole, at time.Duration
	for _, phase := range phases {
		whole += phase.took
	}
	for _, phase := range phases {
		failed := look.Fault.Phase == phase.name
		if phase.took == 0 && !failed {
			continue
		}
		from, to := column(at, whole), column(at+phase.took, whole)
		to = min(max(to, from+1), picture) // a phase that took any time is seen
		from = min(from, to-1)
		sign := "█"
		if failed {
			sign = "✗"
		}
		line := fmt.Sprintf("%-10s %8s  %s%s", phase.name, shortTime(phase.took), strings.Repeat(" ", from), strings.Repeat(sign, to-from))
		b.WriteString(line + "\n")
		at += phase.took
	}
}

func column(at, whole time.Duration) int {
	if whole <= 0 {
		return 0
	}
	return int(int64(picture) * int64(at) / int64(whole))
}

// shortTime writes a duration in at most eight columns.
func shortTime(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// wrap writes text in lines of at most 80 columns.
func wrap(b *strings.Builder, text string) {
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > 80:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteByte('\n')
}
