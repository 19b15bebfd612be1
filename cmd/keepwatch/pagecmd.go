package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/alerting"
	"keepwatch/web"
)

func (c *cli) pageCommand() *cobra.Command {
	var o web.Order
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "page PERSON|ROTATION|ESCALATION --message TEXT", Short: "Page somebody by hand, or try whether pages arrive (--test)", Args: cobra.ExactArgs(1),
		Long: `Page somebody by hand: a person, whoever is on call in a rotation, one level of an
escalation (site:2), or its whole ladder. The command follows the page until it is accepted or
rings, and exits with 1 when it does neither. With --test the page says that nothing is wrong,
and closes itself when it is acknowledged, or after half an hour. One that the answer says
PagerDuty rings is an incident there only: close it there.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.To = args[0]
			if o.By == "" {
				return usageError{errors.New("say who you are (--by NAME)")}
			}
			if o.Message == "" && o.Test {
				o.Message = "a test"
			}
			if strings.TrimSpace(o.Message) == "" {
				return usageError{errors.New("say what it is about (--message TEXT)")}
			}
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			r, err := c.remote(f)
			if err != nil {
				return err
			}
			var got web.Ordered
			if err := r.call(cmd.Context(), http.MethodPost, "/api/v1/pages", o, &got); err != nil {
				return fmt.Errorf("page %s: %w", o.To, err)
			}
			if got.Said != "" {
				c.printf("%s\n", got.Said)
				return nil
			}
			c.printf("incident %s\n", got.Incident)
			return c.follow(cmd.Context(), r, got, wait)
		},
	}
	cmd.Flags().StringVar(&o.Message, "message", "", "what it is about, in a sentence")
	cmd.Flags().BoolVar(&o.Test, "test", false, "only a test: nothing is wrong")
	addBy(cmd, &o.By)
	cmd.Flags().DurationVar(&wait, "wait", 3*time.Minute, "how long to follow the page at most")
	return cmd
}

// followEvery is how often the page is looked at.
const followEvery = 300 * time.Millisecond

// follow prints each change of an incident's pages until one has arrived.
func (c *cli) follow(ctx context.Context, r *remote, page web.Ordered, wait time.Duration) error {
	id := page.Incident
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	said := map[string]string{}
	for {
		var in web.IncidentFacts
		err := r.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(id), nil, &in)
		if err == nil {
			for _, p := range in.Pages {
				if line := pageLine(p); said[p.ID] != line {
					said[p.ID] = line
					c.printf("%s  %s\n", time.Now().UTC().Format("15:04:05"), line)
				}
			}
			if done, end := arrived(in, page.Verified); done {
				return end
			}
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = errors.New("nobody has been reached yet")
			}
			return fmt.Errorf("not followed any longer, after %s: %w (the page goes on; keepwatch incidents show %s)", wait, err, id)
		case <-tick.C:
		}
	}
}

// arrived reports whether it is known how the page ended, and how. verified says
// that Keepwatch looks accepted pages up, so that accepted is not yet enough.
func arrived(in web.IncidentFacts, verified bool) (done bool, err error) {
	triggers := slices.DeleteFunc(slices.Clone(in.Pages), func(p web.PageFacts) bool { return p.Action != string(alerting.Trigger) })
	if in.AckBy != "" {
		return true, nil
	}
	if in.State == string(alerting.Resolved) {
		return true, errors.New("the incident was closed before anybody acknowledged")
	}
	waiting := false
	for _, p := range triggers {
		switch alerting.PageState(p.State) {
		case alerting.Accepted:
			proof := alerting.Proof(p.Proof)
			switch {
			case proof == alerting.Ringing, proof == alerting.Answered, !verified, p.Fallback:
				return true, nil
			case proof == "":
				waiting = true // looked up soon
			case !proof.Silent():
				return true, nil
			default:
				waiting = waiting || hasFallback(p, triggers)
			}
		case alerting.Queued, alerting.Sending:
			waiting = true
		case alerting.Rejected, alerting.Cancelled:
		}
	}
	if waiting {
		return false, nil
	}
	if len(triggers) > 0 {
		return true, errors.New("no page reached anybody: see what the lines above say, and keepwatch health --full")
	}
	for _, e := range in.Timeline {
		if e.Kind == "failed" {
			return true, errors.New(e.Text)
		}
	}
	return false, nil
}

// hasFallback reports whether another page was owed in place of p.
func hasFallback(p web.PageFacts, all []web.PageFacts) bool {
	return slices.ContainsFunc(all, func(q web.PageFacts) bool { return q.Fallback && strings.HasPrefix(q.ID, p.ID+"/") })
}
