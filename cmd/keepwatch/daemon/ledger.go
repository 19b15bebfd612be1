package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"keepwatch/config"
	"keepwatch/ledger"
	"keepwatch/telemetry"
	"keepwatch/web"
)

// marksWaiting is how many stretches may wait to be folded anew before health says so:
// the reports are right all the same, but slow.
const marksWaiting = 200

// makeKeeper makes the part that keeps the ledger beside the results.
func (d *daemon) makeKeeper() *ledger.Keeper {
	return &ledger.Keeper{
		Store: d.database.results, Agent: agentName(d.File), Log: d.Log,
		Keep:    d.database.keepRaw,
		Waiting: func() int { return d.recorder.Pending() },
		Now:     d.now,
		Breaks:  d.breaks,
	}
}

// breaks are the times that the clock was moved, as the ledger takes them.
func (d *daemon) breaks() []ledger.Break {
	var out []ledger.Break
	for _, m := range d.clock.Moves() {
		out = append(out, ledger.Break{From: m.From, To: m.To, Why: m.String()})
	}
	return out
}

// agentName is the same for every run of one data directory, and no other's: only one
// process at a time owns it.
func agentName(f *config.File) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	dir, err := filepath.Abs(f.DataDir)
	if err != nil {
		dir = f.DataDir
	}
	return host + ":" + dir
}

// ledgerLine says how the ledger is.
func (d *daemon) ledgerLine() web.Line {
	st := d.keeper.State()
	l := web.Line{Name: "ledger", Level: web.OK, Text: fmt.Sprintf("%d checks are folded here", st.Checks)}
	switch {
	case st.Late > 0:
		l.Level = web.Amber
		l.Text = fmt.Sprintf("%d results were refused since the start: they came later than ledger.keep_raw; their slots stay unknown (look at the clocks, and at how long the database was away)", st.Late)
	case st.Faults > 0:
		l.Level = web.Amber
		l.Text = fmt.Sprintf("%d times results were stored without the ledger, which is folded anew: %s", st.Faults, st.LastErr)
	case !st.Folding:
		l.Text = "another daemon folds it"
	case st.Marks > marksWaiting:
		l.Text = fmt.Sprintf("%d stretches wait to be folded anew; reports are right meanwhile, but slower", st.Marks)
	case st.Opening > 0:
		l.Text = fmt.Sprintf("%d checks wait to be opened", st.Opening)
	}
	return l
}

// ledgerGauges adds the ledger's figures to the metrics.
func (d *daemon) ledgerGauges(g telemetry.Gauges) telemetry.Gauges {
	g.Folding = func() float64 { return number(d.keeper.State().Folding) }
	g.Unfolded = func() float64 { return float64(d.keeper.State().Marks + d.keeper.State().Opening) }
	g.TooLate = func() float64 { return float64(d.keeper.State().Late) }
	return g
}
