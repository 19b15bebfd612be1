package daemon

import (
	"context"
	"fmt"
	"io"
	"time"

	"keepwatch/config"
)

// greet prints the addresses and what to do next: the first thing a new user reads.
func (d *daemon) greet(ctx context.Context, w io.Writer) {
	f := d.File
	fmt.Fprintf(w, "\nKeepwatch %s runs on %s (%s)\n\n", d.Version, f.Path, d.Roles)
	if d.site != nil {
		fmt.Fprintf(w, "  image site    http://%s\n", config.Dialable(f.Site.Listen))
		fmt.Fprintf(w, "                %s\n", d.loginLine(ctx))
	}
	if d.console != nil {
		fmt.Fprintf(w, "  status page   %s\n", f.ConsoleURL())
	}
	if d.StandIn.Addr() != "" {
		fmt.Fprintf(w, "  PagerDuty     http://%s  the built-in stand-in: pages go there and to nobody's phone\n", d.StandIn.Addr())
	}
	if d.console != nil {
		now := d.now()
		for _, s := range d.covers.roster(f).At(now) {
			fmt.Fprintf(w, "  on call       %s: %s\n", s.Rotation, f.People[s.Person].Name)
		}
		fmt.Fprint(w, "\nTry:  open the status page, then break something and watch the page go out\n"+
			"      keepwatch probe NAME · keepwatch incidents · keepwatch oncall now · keepwatch report\n"+
			"      edit the file, then keepwatch reload · Ctrl-C stops everything\n\n")
	}
}

// loginLine makes sure that the site has pictures, and tells its first code.
func (d *daemon) loginLine(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	code, err := d.site.Init(ctx)
	switch {
	case err != nil:
		return "no sample pictures yet: " + err.Error()
	case code == "", d.own.Is(code):
		return "log in with a code you were given"
	}
	return "log in with the code " + code
}
