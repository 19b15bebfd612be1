package reports

import "fmt"

// Clock prints milliseconds as h:mm:ss. Time that is lost is rounded up, time that
// is left toward minus infinity (up false).
func Clock(ms int64, up bool) string {
	if up {
		ms += 999
	}
	s := ms / 1000
	if ms%1000 < 0 {
		s--
	}
	sign := ""
	if s < 0 {
		sign, s = "-", -s
	}
	return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
}

// Share prints the part of a budget that was spent, rounded up.
func Share(spent, budget int64) string {
	switch {
	case spent == 0:
		return "0.00 %"
	case budget <= 0:
		return "no budget"
	}
	n := (spent*10_000 + budget - 1) / budget
	return fmt.Sprintf("%d.%02d %%", n/100, n%100)
}

// Headline is the availability to print, or only what is proven of it: where less
// than 99 % was seen, and where 100 % would hide unknown time.
func (r ServiceReport) Headline() string {
	return headline(r.GoodMs, r.BadMs, r.UnknownMs, r.Availability, r.AvailabilityLow)
}

// Headline is the same of a week before.
func (t TrendWeek) Headline() string {
	low := FloorPercent(t.GoodMs, t.GoodMs+t.BadMs+t.UnknownMs, Percent(t.ObjectivePPM).decimals())
	return headline(t.GoodMs, t.BadMs, t.UnknownMs, t.Availability, low)
}

func headline(good, bad, unknown int64, availability, low string) string {
	seen := good + bad
	switch {
	case seen == 0:
		return NoData
	case seen*100 < (seen+unknown)*99, bad == 0 && unknown > 0:
		return "≥ " + sign(low)
	}
	return sign(availability)
}

// sign adds the percent sign to a figure, and leaves "no data" alone.
func sign(figure string) string {
	if figure == NoData {
		return figure
	}
	return figure + " %"
}

// Target prints the objective with as many decimals as it needs, at least two.
func (r ServiceReport) Target() string {
	return FloorPercent(r.ObjectivePPM, Million, Percent(r.ObjectivePPM).decimals()) + " %"
}
