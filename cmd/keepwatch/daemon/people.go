package daemon

import (
	"fmt"

	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/web"
)

// makePeople makes what people touch: the audit log and the notices.
func (d *daemon) makePeople() {
	db := d.database.db
	var disk trailDisk // stays nil without a spool
	if d.outbox != nil {
		disk = d.outbox.Trail()
	}
	d.trail = newTrail(db, disk, d.Log)
	d.notices = &notices{
		file: d.present.Load, roster: func() oncall.Roster { return d.covers.roster(d.present.Load()) },
		engine: d.engine, apply: d.failover.Apply, wake: d.deliverer.Wake,
		table: postgres.Notices{DB: db}, close: desk{d}.closePages,
		timeline: postgres.Incidents{DB: db}.Timeline, log: d.Log, now: d.now,
	}
}

// tokens are the console's, of the configuration in force.
func (d *daemon) tokens() []web.Token {
	if c := d.present.Load().Console; c != nil {
		return c.Tokens
	}
	return nil
}

// dutyLines are the lines of health about the plan and the drill; none when all is well.
func (d *daemon) dutyLines() []web.Line {
	var out []web.Line
	f := d.present.Load()
	switch found := d.notices.seen(); {
	case len(found) == 1:
		out = append(out, web.Line{Name: "on call", Level: web.Amber, Text: holeText(f, found[0])})
	case len(found) > 1:
		out = append(out, web.Line{
			Name: "on call", Level: web.Amber,
			Text: fmt.Sprintf("%s (and %d more in the next 7 days; keepwatch oncall validate lists them)", holeText(f, found[0]), len(found)-1),
		})
	}
	for _, v := range d.covers.void(f) {
		out = append(out, web.Line{Name: "on call", Level: web.Amber, Text: f.Roster().VoidText(v)})
	}
	if p := d.notices.drill.Load(); p != nil && *p != "" {
		out = append(out, web.Line{Name: "drill", Level: web.Amber, Text: *p})
	}
	return out
}
