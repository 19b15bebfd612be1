package probe

// Sinks passes a result to several sinks, in order.
type Sinks []Sink

// Record implements [Sink].
func (all Sinks) Record(r Result) {
	for _, s := range all {
		s.Record(r)
	}
}
