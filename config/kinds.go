package config

// Kinds is the menu of check kinds: all that Keepwatch can look at. A check has
// exactly one of them. A new kind is one file in probe and one line here; every
// field is a pointer to a [probe.Kind].
type Kinds struct{}

// Channels is the menu of fallback channels. A fallback channel has exactly one
// of them. A new one is one package under alerting and one line here.
type Channels struct{}
