package telemetry

import (
	"context"

	"keepwatch/alerting"
)

// Notifier counts what a channel answers, and how late the pages leave that it took.
func (m *Metrics) Notifier(channel string, next alerting.Notifier) alerting.Notifier {
	return metricNotifier{m, channel, next}
}

type metricNotifier struct {
	m       *Metrics
	channel string
	next    alerting.Notifier
}

// Send implements [alerting.Notifier].
func (n metricNotifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	r := n.next.Send(ctx, p)
	n.m.notifications.WithLabelValues(n.channel, string(r.Class)).Inc()
	if r.Class == alerting.Taken && !p.Created.IsZero() {
		n.m.delay.Observe(max(n.m.now().Sub(p.Created).Seconds(), 0))
	}
	return r
}
