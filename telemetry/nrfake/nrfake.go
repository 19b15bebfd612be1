// Package nrfake stands in for New Relic's collector. It speaks the agent's
// protocol 17 over TLS, refuses what the real service would refuse, and can
// misbehave on demand. It is a test double and a game-day tool; it knows nothing
// of Keepwatch.
package nrfake
