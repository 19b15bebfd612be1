package main

import (
	"keepwatch/alerting"
	"keepwatch/probe"
)

// whileLeading passes results to the engine only while this daemon leads: a
// stand-by's engine does not run, and would only fill its inbox.
type whileLeading struct {
	engine *alerting.Engine
	leader *alerting.Leader
}

// Record implements probe.Sink.
func (w whileLeading) Record(r probe.Result) {
	if w.leader.Leads() {
		w.engine.Record(r)
	}
}

// fanout passes a result to several sinks, in order.
type fanout []probe.Sink

// Record implements probe.Sink.
func (f fanout) Record(r probe.Result) {
	for _, s := range f {
		s.Record(r)
	}
}
