package probe

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	stepBars  = 40 // columns of a step's bar
	stepLabel = 20 // columns of a step's name
)

// phaseSigns draw the phases of a step, in their order.
const phaseSigns = "░▒▓█▄"

// stepLines draws the steps of a journey, each where it lies in time.
func stepLines(b *strings.Builder, look *Look) {
	whole := time.Duration(1)
	for _, s := range look.Steps {
		whole = max(whole, s.Began+s.Latency)
	}
	number, cleaning := 0, false
	for _, s := range look.Steps {
		number++
		if s.Cleanup && !cleaning {
			cleaning = true
			b.WriteString("clean-up\n")
		}
		line := fmt.Sprintf("%s %2d %s ", mark(s), number, padded(clip(s.Name, 2*stepLabel), stepLabel))
		switch {
		case s.Skipped:
			line += "  -        -  skipped"
		case s.Code == 0:
			line += fmt.Sprintf("  - %8s  %s", shortTime(s.Latency), stepBar(s, whole))
		default:
			line += fmt.Sprintf("%3d %8s  %s", s.Code, shortTime(s.Latency), stepBar(s, whole))
		}
		b.WriteString(line + "\n")
	}
	names := []string{phaseDNS, phaseConnect, phaseTLS, "first byte", phaseTransfer}
	for i, sign := range []rune(phaseSigns) {
		names[i] = string(sign) + " " + names[i]
	}
	b.WriteString("   " + strings.Join(names, "  ") + "\n")
}

// cleanupFaults says what the clean-up could not do. It is no outage, but somebody
// has to sweep.
func cleanupFaults(b *strings.Builder, look *Look) {
	for _, s := range look.Steps {
		if s.Cleanup && !s.OK && !s.Skipped {
			wrap(b, "clean-up "+s.Name+" failed, which is no outage but leaves something behind: "+s.Message)
		}
	}
}

// mark is what became of a step.
func mark(s StepLook) string {
	switch {
	case s.Skipped:
		return "-"
	case s.OK:
		return "✓"
	}
	return "✗"
}

// padded cuts or fills a text to a width in letters.
func padded(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return s + strings.Repeat(" ", width-n)
	}
	return string([]rune(s)[:width-1]) + "…"
}

// stepBar is the bar of one step: its phases, each at least where it begins.
func stepBar(s StepLook, whole time.Duration) string {
	at := func(t time.Duration) int { return int(int64(stepBars) * int64(t) / int64(whole)) }
	from := min(at(s.Began), stepBars-1)
	to := min(max(at(s.Began+s.Latency), from+1), stepBars)
	cells := make([]rune, to-from)
	p := s.Phases
	phases := []time.Duration{p.DNS, p.Connect, p.TLS, p.FirstByte, p.Transfer}
	longest := 0
	for i, d := range phases {
		if d > phases[longest] {
			longest = i
		}
	}
	signs := []rune(phaseSigns)
	for i := range cells {
		cells[i] = signs[longest] // what no phase claims is the longest one's
	}
	end := s.Began
	for i, d := range phases {
		begin := end
		end += d
		if len(cells) == 1 {
			break // the longest phase stands for all
		}
		for c := max(at(begin)-from, 0); d > 0 && c < len(cells) && c+from < at(end); c++ {
			cells[c] = signs[i]
		}
	}
	return strings.Repeat(" ", from) + string(cells)
}
