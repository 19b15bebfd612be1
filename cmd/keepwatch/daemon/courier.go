package daemon

import (
	"strings"

	"keepwatch/cmd/keepwatch/reporting"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/reports/courier"
	"keepwatch/web"
)

// reportSettings are of the configuration in force.
func (d *daemon) reportSettings() reports.Settings {
	return reporting.WholeSettings(d.present.Load(), d.database.db, d.Version)
}

// makeCourier makes what sends written reports; the leader runs it.
func (d *daemon) makeCourier() *courier.Courier {
	return &courier.Courier{
		Book:       postgres.Sending{Reports: postgres.Reports{DB: d.database.db}},
		Recipients: func() []courier.Recipient { return reporting.Recipients(d.present.Load()) },
		Log:        d.Log,
		Now:        d.now,
	}
}

// reportLines says which report did not reach somebody.
func (d *daemon) reportLines() []web.Line {
	problems := d.courier.Problems()
	if len(problems) == 0 {
		return nil
	}
	return []web.Line{{Name: "reports", Level: web.Amber, Text: strings.Join(problems, "; ")}}
}
