package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/newrelic/go-agent/v3/newrelic"
)

// unrouted names requests that no pattern of the mux matched.
const unrouted = "unrouted"

// Middleware times requests as transactions that are named by the mux's
// pattern, and leaves excluded paths alone. Put it directly around the mux: it
// reads r.Pattern after routing. Addresses, headers and forms are never sent:
// they may hold share codes.
func (c *Client) Middleware(next http.Handler) http.Handler {
	if c == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range c.cfg.APM.Exclude {
			if strings.HasPrefix(r.URL.Path, prefix) {
				next.ServeHTTP(w, r)
				return
			}
		}
		// The agent's own wrapper would name it "GET GET /page".
		txn := c.app.Load().StartTransaction("")
		defer txn.End()
		w = txn.SetWebResponse(w)
		txn.SetWebRequest(newrelic.WebRequest{Method: r.Method, URL: &url.URL{Path: "/"}, Transport: newrelic.TransportHTTP})
		r = newrelic.RequestWithTransactionContext(r, txn)
		defer func() {
			name := r.Pattern
			if name == "" {
				name = unrouted
			}
			txn.SetName(name)
		}()
		next.ServeHTTP(w, r)
	})
}

// StartQuery times a statement inside a timed request; call the result at its
// end. It takes no text and no arguments of the statement, so none can leak.
func (c *Client) StartQuery(ctx context.Context, operation, table string) func() {
	if c == nil {
		return func() {}
	}
	txn := newrelic.FromContext(ctx)
	if txn == nil {
		return func() {}
	}
	s := &newrelic.DatastoreSegment{
		StartTime: txn.StartSegmentNow(), Product: newrelic.DatastorePostgres, Operation: operation, Collection: table,
	}
	return s.End
}
