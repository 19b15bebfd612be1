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

// BurnRule fires while the budget burns at Rate or faster over both windows.
type BurnRule struct {
	Name        string
	Long, Short time.Duration
	Rate        Rate
	Urgency     Urgency
}

// MaxRate is the highest burn rate that an objective allows: everything bad.
func MaxRate(objective Percent) Rate {
	if objective >= Million {
		return 0
	}
	return Rate(1000 * Million / (Million - int64(objective)))
}

// Fireable reports whether a rate can be reached with some certainty: below 95 % of
// the highest.
func Fireable(rate Rate, objective Percent) bool {
	return int64(rate)*(Million-int64(objective)) < 950*Million
}

// DefaultBurn returns the rules for an objective (slo-spec section 2): by
// theta = f*P/L they are the same for all; where a total outage cannot burn as fast, the
// fastest fires at 90 % of what is possible and the others are left out.
func DefaultBurn(objective Percent) []BurnRule {
	all := []BurnRule{
		{"outage", 5 * time.Minute, time.Minute, 18_000, UrgentPage},
		{"fast", 30 * time.Minute, 3 * time.Minute, 6_720, UrgentPage},
		{"slow", 3 * time.Hour, 15 * time.Minute, 2_800, UrgentHours},
		{"drift", 24 * time.Hour, 2 * time.Hour, 1_400, UrgentTicket},
	}
	if most := MaxRate(objective) * 9 / 10; all[0].Rate > most {
		all[0].Rate = most
	}
	out := all[:1]
	for _, r := range all[1:] {
		if r.Rate < all[0].Rate && Fireable(r.Rate, objective) {
			out = append(out, r)
		}
	}
	return out
}

// Cannot says why a rate can never fire, with the arithmetic; "" when it can.
func Cannot(rate Rate, objective Percent) string {
	if Fireable(rate, objective) {
		return ""
	}
	limit := Rate(950 * Million / (Million - int64(objective)))
	return fmt.Sprintf("burn %s can never fire: at %s the highest burn rate is %s (theta must be < 0.95/(1-T) = %s)",
		rate, objective, MaxRate(objective), limit)
}
