package ledger

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"keepwatch/reports"
)

// Differences says in one sentence each how a stored day differs from what its results
// say; nothing when they agree to the millisecond. Both must be folded up to the same
// moment.
func Differences(stored, want Day) []string {
	var out []string
	differ := func(what string, got, want any) {
		out = append(out, fmt.Sprintf("%s: stored %v, the results say %v", what, got, want))
	}
	if !stored.Until.Equal(want.Until) {
		differ("folded up to", stored.Until, want.Until)
	}
	for _, n := range []struct {
		what      string
		got, want int64
	}{
		{"good ms", stored.GoodMs, want.GoodMs},
		{"bad ms", stored.BadMs, want.BadMs},
		{"unknown ms", stored.UnknownMs, want.UnknownMs},
		{"probes", int64(stored.Probes), int64(want.Probes)},
		{"good probes", int64(stored.GoodProbes), int64(want.GoodProbes)},
		{"soft failures", int64(len(stored.Soft)), int64(len(want.Soft))},
	} {
		if n.got != n.want {
			differ(n.what, n.got, n.want)
		}
	}
	if len(stored.Soft) == len(want.Soft) {
		for i := range want.Soft {
			if !stored.Soft[i].Equal(want.Soft[i]) {
				differ("soft failure", stored.Soft[i], want.Soft[i])
			}
		}
	}
	for _, scope := range keys(stored.Tracks, want.Tracks) {
		if d := spansDiffer(stored.Tracks[scope], want.Tracks[scope]); d != "" {
			out = append(out, scopeName(scope)+": "+d)
		}
	}
	for _, loc := range keys(stored.Hists, want.Hists) {
		if !equalHists(stored.Hists[loc], want.Hists[loc]) {
			differ(fmt.Sprintf("latencies at location %d", loc), stored.Hists[loc], want.Hists[loc])
		}
	}
	return out
}

func keys[V any](a, b map[int16]V) []int16 {
	all := map[int16]struct{}{}
	for k := range a {
		all[k] = struct{}{}
	}
	for k := range b {
		all[k] = struct{}{}
	}
	return slices.Sorted(maps.Keys(all))
}

func scopeName(scope int16) string {
	if scope == Verdict {
		return "verdicts"
	}
	return fmt.Sprintf("spans of location %d", scope)
}

func equalHists(a, b *reports.Histogram) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, _ := a.MarshalBinary()
	y, _ := b.MarshalBinary()
	return bytes.Equal(x, y)
}

// spansDiffer names the first difference of two tracks; a span that was stored in
// pieces is one span.
func spansDiffer(stored, want []reports.Span) string {
	stored, want = joined(stored), joined(want)
	for i := range min(len(stored), len(want)) {
		if a, b := spanText(stored[i]), spanText(want[i]); a != b {
			return fmt.Sprintf("stored %s, the results say %s", a, b)
		}
	}
	if len(stored) != len(want) {
		return fmt.Sprintf("%d spans are stored, the results say %d", len(stored), len(want))
	}
	return ""
}

func joined(spans []reports.Span) []reports.Span {
	var out []reports.Span
	for _, s := range spans {
		out = reports.AppendSpan(out, s)
	}
	return out
}

func spanText(s reports.Span) string {
	const stamp = "2006-01-02T15:04:05.999Z07:00"
	return fmt.Sprintf("%s from %s to %s (%q, %q)", verdictName(s.Verdict), s.From.UTC().Format(stamp), s.To.UTC().Format(stamp), s.Cause, s.Locations)
}

func verdictName(v reports.Verdict) string {
	switch v {
	case reports.Good:
		return "good"
	case reports.Bad:
		return "bad"
	case reports.Excluded:
		return "excluded"
	case reports.Unknown:
	}
	return "unknown"
}
