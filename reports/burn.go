package reports

import (
	"fmt"
	"strings"
	"time"
)

// BurnWindow is the time for which an error budget is given.
const BurnWindow = 7 * 24 * time.Hour

// Rate is how fast an error budget burns, in thousandths: 1000 spends exactly the
// week's budget in a week.
type Rate int64

// UnmarshalText reads "6.72x" or "18".
func (r *Rate) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a burn rate (write it like 6.72x, with at most three decimals)", text)
	number := strings.TrimSuffix(strings.TrimSpace(string(text)), "x")
	whole, decimals, dotted := strings.Cut(number, ".")
	if whole == "" || len(whole) > 6 || len(decimals) > 3 || (dotted && decimals == "") {
		return bad
	}
	n := int64(0)
	for _, c := range whole + decimals + "000"[len(decimals):] {
		if c < '0' || c > '9' {
			return bad
		}
		n = n*10 + int64(c-'0')
	}
	*r = Rate(n)
	return nil
}

// String returns "6.72x", with no more decimals than needed.
func (r Rate) String() string {
	s := fmt.Sprintf("%d.%03d", int64(r)/1000, int64(r)%1000)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "x"
}

// Urgency is whom a burning budget wakes.
type Urgency string

// The urgencies.
const (
	UrgentPage   Urgency = "page"          // at once, at any hour
	UrgentHours  Urgency = "page_in_hours" // a page from Monday to Friday 08:00 to 18:00, a ticket otherwise
	UrgentTicket Urgency = "ticket"        // wakes nobody
)

// BurnConfig says when a burning error budget raises an alarm.
type BurnConfig struct {
	// Off switches the alarms about the service's error budget off. Default: false.
	Off bool `yaml:"off"`
	// Rules replace the standard ones. Default: outage (5m/1m, 18x, page), fast (30m/3m, 6.72x, page), slow (3h/15m, 2.8x, page_in_hours) and drift (24h/2h, 1.4x, ticket), as far as they can fire at the objective; see docs/burn.md.
	Rules []BurnRule `yaml:"rules"`
}

// BurnRule fires while the budget burns at least so fast over both windows.
type BurnRule struct {
	// Name tells the rules of a service apart: letters, digits, hyphens and underscores. Example: fast.
	Name string `yaml:"name"`
	// Long is the window over which the budget must burn. From 1m to 7d. Example: 30m.
	Long time.Duration `yaml:"long"`
	// Short is the window that shows that it still burns; it is never shorter than three slots. Default: a twelfth of long, at least 1m. Example: 3m.
	Short time.Duration `yaml:"short"`
	// Rate is how many times faster than allowed the budget burns. Give this or budget. Example: 6.72x.
	Rate Rate `yaml:"rate"`
	// Budget is the share of the week's budget that a long window may burn; the rate follows from it (share x 7 days / long). Example: 2%.
	Budget Percent `yaml:"budget"`
	// Urgency is page, page_in_hours (Monday to Friday 08:00 to 18:00 in reports.time_zone, a ticket otherwise) or ticket. Default: ticket.
	Urgency Urgency `yaml:"urgency"`
}

const (
	minBurnLong  = time.Minute
	maxBurnLong  = BurnWindow
	shortPart    = 12
	maxBurnRules = 10
)

// SetDefaults fills what was left out.
func (r *BurnRule) SetDefaults() {
	if r.Short == 0 {
		r.Short = max(r.Long/shortPart, time.Minute)
	}
	if r.Rate == 0 && r.Budget > 0 && r.Long > 0 {
		r.Rate = Rate(int64(r.Budget) * BurnWindow.Milliseconds() / r.Long.Milliseconds() / 1000)
	}
	if r.Urgency == "" {
		r.Urgency = UrgentTicket
	}
}

// Check reports every mistake with its path inside the block, for a service with
// an objective.
func (c BurnConfig) Check(objective Percent, report func(path, msg string)) {
	if len(c.Rules) > maxBurnRules {
		report("rules", fmt.Sprintf("%d rules are too many (at most %d)", len(c.Rules), maxBurnRules))
	}
	seen := map[string]bool{}
	for i, r := range c.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		switch {
		case r.Name == "" || strings.Trim(r.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || len(r.Name) > 30:
			report(at+".name", fmt.Sprintf("the name %q must be letters, digits, hyphens and underscores, at most 30 (write name: fast)", r.Name))
		case seen[r.Name]:
			report(at+".name", fmt.Sprintf("the name %q is used twice (give another)", r.Name))
		}
		seen[r.Name] = true
		if r.Long < minBurnLong || r.Long > maxBurnLong {
			report(at+".long", fmt.Sprintf("long %s is out of range (1m to 7d)", r.Long))
			continue
		}
		if r.Short < 0 || r.Short > r.Long {
			report(at+".short", fmt.Sprintf("short %s must be a part of long %s (try %s)", r.Short, r.Long, max(r.Long/shortPart, time.Minute)))
		}
		if r.Urgency != UrgentPage && r.Urgency != UrgentHours && r.Urgency != UrgentTicket {
			report(at+".urgency", fmt.Sprintf("urgency %q is not known (page, page_in_hours or ticket)", string(r.Urgency)))
		}
		if r.Rate <= 0 {
			report(at+".rate", "a rule needs a rate or a budget (write rate: 6.72x, or budget: 2%)")
		} else if why := Cannot(r.Rate, objective); why != "" {
			report(at+".rate", why)
		}
	}
}

// For returns the rules that hold for a service: none when they are off.
func (c BurnConfig) For(objective Percent) []BurnRule {
	switch {
	case c.Off:
		return nil
	case len(c.Rules) > 0:
		return c.Rules
	}
	return DefaultBurn(objective)
}

// MaxRate is the highest burn rate that an objective allows: everything bad.
func MaxRate(objective Percent) Rate {
	if objective >= Million {
		return 0
	}
	return Rate(1000 * Million / (Million - int64(objective)))
}

// Fireable reports whether a rate can be reached with some certainty: it is below
// 95 % of the highest.
func Fireable(rate Rate, objective Percent) bool {
	return int64(rate)*(Million-int64(objective)) < 950*Million
}

// Cannot says why a rate can never fire, with the arithmetic; "" when it can.
func Cannot(rate Rate, objective Percent) string {
	if objective <= 0 || objective >= Million || Fireable(rate, objective) {
		return "" // the objective's own mistake is told elsewhere
	}
	limit := Rate(950 * Million / (Million - int64(objective)))
	return fmt.Sprintf("burn %s can never fire: at %s the highest burn rate is %s (theta must be < 0.95/(1-T) = %s)",
		rate, objective, MaxRate(objective), limit)
}

// DefaultBurn returns the rules for an objective (slo-spec section 2): by
// theta = f*P/L they are the same for all. Where a total outage cannot burn so fast, the
// quickest rule fires at 90 % of what is possible and others that could not fire are
// left out.
func DefaultBurn(objective Percent) []BurnRule {
	all := []BurnRule{
		{Name: "outage", Long: 5 * time.Minute, Short: time.Minute, Rate: 18_000, Urgency: UrgentPage},
		{Name: "fast", Long: 30 * time.Minute, Short: 3 * time.Minute, Rate: 6_720, Urgency: UrgentPage},
		{Name: "slow", Long: 3 * time.Hour, Short: 15 * time.Minute, Rate: 2_800, Urgency: UrgentHours},
		{Name: "drift", Long: 24 * time.Hour, Short: 2 * time.Hour, Rate: 1_400, Urgency: UrgentTicket},
	}
	all[0].Rate = min(all[0].Rate, MaxRate(objective)*9/10)
	out := all[:1:1]
	for _, r := range all[1:] {
		if r.Rate < all[0].Rate && Fireable(r.Rate, objective) {
			out = append(out, r)
		}
	}
	return out
}
