package main

import (
	"keepwatch/probe"
)

// fanout passes a result to several sinks, in order.
type fanout []probe.Sink

// Record implements probe.Sink.
func (f fanout) Record(r probe.Result) {
	for _, s := range f {
		s.Record(r)
	}
}
