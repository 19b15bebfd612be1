package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Changes says what differs between two files, by name, for the log line of a
// reload. The zero value means that nothing differs.
type Changes struct {
	// Items are the named things and the blocks that were added, removed or
	// changed, in the order of the file's blocks, then by name.
	Items []Change
	// Restart are the keys that changed and only take effect at the next start, like data_dir.
	Restart []string
}

// Change is one difference.
type Change struct {
	Kind string // "check", "service", "person", "rotation", "escalation", "location", "channel", or "block"
	Name string // its name; of a block its key
	What string // "added", "removed" or "changed"
}

// String is "check front-page changed".
func (c Change) String() string { return c.Kind + " " + c.Name + " " + c.What }

// Empty reports that nothing differs.
func (c Changes) Empty() bool { return len(c.Items) == 0 && len(c.Restart) == 0 }

// String names everything in one line.
func (c Changes) String() string {
	if c.Empty() {
		return "nothing changed"
	}
	words := make([]string, 0, len(c.Items)+1)
	for _, item := range c.Items {
		words = append(words, item.String())
	}
	if len(c.Restart) > 0 {
		words = append(words, "needs a restart: "+strings.Join(c.Restart, ", "))
	}
	return strings.Join(words, "; ")
}

// things is a named family of blocks as text that differs when they do.
type things struct {
	kind string
	of   func(*File) map[string]string
}

// Diff compares two files that [Load] returned. It never returns a secret, but it
// sees when one changed.
func Diff(before, after *File) Changes {
	var c Changes
	for _, t := range []things{
		{"location", func(f *File) map[string]string { return named(f.Locations, func(l Location) string { return l.Name }) }},
		{"check", func(f *File) map[string]string { return named(f.Checks, func(k Check) string { return k.Name }) }},
		{"service", func(f *File) map[string]string { return named(f.Services, func(s Service) string { return s.Name }) }},
		{"person", func(f *File) map[string]string { return texts(f.People) }},
		{"rotation", func(f *File) map[string]string { return texts(f.Rotations) }},
		{"escalation", func(f *File) map[string]string { return texts(f.Escalations) }},
		{"channel", func(f *File) map[string]string {
			return named(f.Fallback.Channels, func(ch Channel) string { return ch.Name })
		}},
		{"block", blocks},
	} {
		c.Items = append(c.Items, compare(t.kind, t.of(before), t.of(after))...)
	}
	c.Restart = restart(before, after)
	return c
}

// compare lists what differs between two families, by name.
func compare(kind string, before, after map[string]string) []Change {
	all := maps.Clone(before)
	maps.Copy(all, after)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case !had:
			changes = append(changes, Change{kind, name, "added"})
		case !has:
			changes = append(changes, Change{kind, name, "removed"})
		case was != is:
			changes = append(changes, Change{kind, name, "changed"})
		}
	}
	return changes
}

func named[T any](list []T, name func(T) string) map[string]string {
	m := make(map[string]string, len(list))
	for i := range list {
		m[name(list[i])] = text(list[i])
	}
	return m
}

func texts[T any](blocks map[string]T) map[string]string {
	m := make(map[string]string, len(blocks))
	for name, b := range blocks {
		m[name] = text(b)
	}
	return m
}

func text[T any](v T) string { return string(private().json(nil, reflect.ValueOf(&v).Elem())) }

// blocks are the parts of a file that have no name of their own and that a
// reload applies.
func blocks(f *File) map[string]string {
	m := map[string]string{"fallback": text(f.Fallback.After), "ledger": text(f.Ledger), "reports": text(f.Reports)}
	optional(m, "pagerduty", f.PagerDuty)
	optional(m, "deadman", f.Deadman)
	optional(m, "notices", f.Notices)
	optional(m, "drill", f.Drill)
	if len(f.Holidays) > 0 {
		m["holidays"] = text(f.Holidays)
	}
	if len(f.AccessLogs) > 0 {
		m["access_logs"] = text(f.AccessLogs)
	}
	if f.Console != nil && len(f.Console.Tokens) > 0 {
		m[consoleTokens] = text(f.Console.Tokens)
	}
	return m
}

// consoleTokens is the only key of console that a reload applies.
const consoleTokens = "console.tokens"

func optional[T any](m map[string]string, name string, block *T) {
	if block != nil {
		m[name] = text(*block)
	}
}

// restart lists the keys that are bound at the start: directories, the
// database, listening sockets and New Relic's agent.
func restart(before, after *File) []string {
	var keys []string
	if before.DataDir != after.DataDir {
		keys = append(keys, "data_dir")
	}
	keys = append(keys, members("database", &before.Database, &after.Database)...)
	keys = append(keys, slices.DeleteFunc(members("console", before.Console, after.Console), func(key string) bool { return key == consoleTokens })...)
	keys = append(keys, members("site", before.Site, after.Site)...)
	return append(keys, members("newrelic", before.NewRelic, after.NewRelic)...)
}

// members lists the keys of a block that differ; the block itself when it came or went.
func members[T any](block string, before, after *T) []string {
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil || after == nil:
		return []string{block}
	}
	was, is := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	var keys []string
	for _, f := range fieldsOf(was.Type()) {
		a, b := private().json(nil, was.FieldByIndex(f.index)), private().json(nil, is.FieldByIndex(f.index))
		if string(a) != string(b) {
			keys = append(keys, join(block, f.key))
		}
	}
	return keys
}
