package config

// Changes says what differs between two files, by name, for the log line of a
// reload. The zero value means that nothing differs.
type Changes struct {
	// Items are the named things that were added, removed or changed, in the order of the file's blocks.
	Items []Change
	// Restart are the keys that changed and only take effect at the next start, like data_dir.
	Restart []string
}

// Change is one difference.
type Change struct {
	Kind string // "check", "service", "person", "rotation", "escalation", "location", "channel" or a block like "pagerduty"
	Name string // "" for a block
	What string // "added", "removed" or "changed"
}

// Diff compares two files that [Load] returned. It never returns a secret.
func Diff(before, after *File) Changes { panic("not yet") }
