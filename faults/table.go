package main

// row is one kind of harm.
type row struct {
	Name  string // its number in the table; F for figures
	Fault string
	How   string // what is done and what is demanded
	Parts []part
}

// part is some tests of a package.
type part struct {
	Pkg, Run string
	Long     bool // in the long form that make long has, too
}

// untried reports whether nobody has found a way to try the row yet.
func (r row) untried() bool { return len(r.Parts) == 0 }

// rows is the suite.
//
//nolint:gochecknoglobals // a constant table
var rows = []row{
	{"1", "kill -9 at each of six points of a page's way", "Before the commit, after it, after the claim, after the request is written, after the 202, while the outcome is stored; for trigger, acknowledge and resolve.", []part{{Pkg: "./faults", Run: "^TestRow1Killed"}}},
	{"2", "kill -9 of one of two daemons every 400 ms, a third of PagerDuty's answers bad", "First pagers without probes, a thousand incidents; then a whole daemon with its own Postgres.", []part{{Pkg: "./faults", Run: "^TestRow2"}, {Pkg: "./cmd/keepwatch", Run: "^TestKilledAtRandom$"}}},
	{"2b", "the same, and Postgres crashes twice meanwhile", "What a daemon decides while Postgres is away lies on its own disk only. So a step is tried for 2 s before it goes there, the daemon that led last is asked first after a restart of Postgres, and a stand-by judges all along what it sees, so that it would page under the same key. A second page is left to the case that the first daemon does not come back within 5 s and the other one began to look only after the failure had begun.", []part{{Pkg: "./faults", Run: "^TestCrashes2"}}},
	{"3", "daemons frozen past their lease that wake up as zombies", "", []part{{Pkg: "./faults", Run: "^TestRow3"}, {Pkg: "./cmd/keepwatch", Run: "^TestFrozenLeader$"}}},
	{"4", "PagerDuty fails in every way for an hour", "In virtual time: 5xx, 429 with and without a wait, a black hole, resets, answers torn or after 9.9 s, TLS and DNS that fail, 400. The fallback must go out within 2 minutes, the backlog drain within 6 minutes at 100 a minute.", []part{{Pkg: "./faults", Run: "^TestRow4"}, {Pkg: "./alerting/pagerduty", Run: "^TestSendWithoutAnAnswer$"}}},
	{"5", "PagerDuty processes triggers up to 55 s after they timed out", "", []part{{Pkg: "./faults", Run: "^TestRow5"}}},
	{"6", "Postgres crashes five times, is down for a minute, takes no connections, hangs on a lock", "", []part{{Pkg: "./faults", Run: "^TestRow6"}, {Pkg: "./postgres", Run: "^TestRecordingThroughAnOutage$"}}},
	{"7", "Postgres is away while a check fails, recovers and fails again, and the daemon is killed", "", []part{{Pkg: "./faults", Run: "^TestRow7"}, {Pkg: "./cmd/keepwatch", Run: "^(TestKilledInTheDark|TestDatabaseGoneWhileDead)$"}}},
	{"8", "two daemons, one of them killed, timers due all the time", "", []part{{Pkg: "./faults", Run: "^TestRow8"}, {Pkg: "./cmd/keepwatch", Run: "^(TestLeaderKilled|TestLeadLostAndWonBack)$"}}},
	{"9", "the clock of the host is set an hour forward and back, and its zone changes to summer time and back", "In virtual time during an escalation, a held resolve, a page that waits and an acknowledgement; and with a whole daemon and its Postgres in User-Mode Linux, whose own clock is set: the second level comes within a second of its time. While nothing is open the clock is taken over, which pages nobody.", []part{{Pkg: "./alerting", Run: "^TestStory.*Clock"}, {Pkg: "./cmd/keepwatch/daemon", Run: "^TestStoryHostClock"}, {Pkg: "./cmd/keepwatch", Run: "^TestRow9HostClock"}}},
	{"10", "daylight saving within shifts and hand-offs", "Rotations against a second program that looks at every minute.", []part{{Pkg: "./oncall", Run: "Oracle|Contiguous", Long: true}}},
	{"11", "webhooks five times, out of order, replayed after days, forged, of unknown types, without Postgres", "", []part{{Pkg: "./cmd/keepwatch", Run: "^TestRow11"}, {Pkg: "./alerting/pagerduty", Run: "Webhook"}}},
	{"12", "the file is edited during an incident", "", []part{{Pkg: "./cmd/keepwatch/daemon", Run: "^TestStoryReloadDuringIncident$"}, {Pkg: "./alerting", Run: "^TestStoryReload$"}}},
	{"13", "an escalation to its end, empty levels, an empty rotation", "", []part{{Pkg: "./alerting", Run: "^(TestDecideLadder|TestStoryNobodyOnCall|TestDecideAlways)$"}}},
	{"14", "the disk is full and the daemon is killed", "", []part{{Pkg: "./faults", Run: "^TestRow14"}, {Pkg: "./spool", Run: "Full|Killed"}}},
	{"F1", "figures: from decision to acceptance", "Postgres with synced files, a healthy PagerDuty.", []part{{Pkg: "./faults", Run: "^TestFigureDelivery"}}},
	{"F2", "figures: resume after kill -9", "", []part{{Pkg: "./faults", Run: "^TestFigureResume"}}},
	{"F3", "figures: the outbox at full speed", "", []part{{Pkg: "./faults", Run: "^TestFigureOutbox"}}},
	{"F4", "figures: who is on call, and the check of a plan", "", []part{{Pkg: "./faults", Run: "^TestFigureRotations"}}},
}

// goal is a line of the table of figures.
type goal struct {
	What, Goal string
	Row        string
	Counts     []string
}

//nolint:gochecknoglobals // a constant table
var goals = []goal{
	{"pages lost / second incidents", "0 / 0 in 1,000 incidents and 60 kills", "2", []string{"incidents", "kills", "lost", "doubled", "left_open"}},
	{"decided to accepted by a healthy PagerDuty", "p50 ≤ 50 ms, p99 ≤ 1 s", "F1", []string{"accepted_p50", "accepted_p99"}},
	{"an escalation's timer is late, while daemons are killed", "p99 ≤ 250 ms, at most 1 s", "8", []string{"timers", "late_p50", "late_p99", "late_max"}},
	{"the same without kills", "p99 ≤ 250 ms, at most 1 s", "F1", []string{"timers", "late_p99", "late_max"}},
	{"an escalation's timer is early or late when the host's clock is set", "at most 1 s", "9", []string{"steps", "off_max"}},
	{"resume after kill -9, page in flight", "≤ 20 s", "F2", []string{"inflight_one", "inflight_two"}},
	{"resume after kill -9, everything else", "≤ 1 s with two daemons, ≤ 10 s with one", "F2", []string{"resume_two_p50", "resume_two_max", "resume_one_p50", "resume_one_max"}},
	{"PagerDuty away for an hour", "fallback ≤ 120 s, 500 drained ≤ 6 min", "4", []string{"fallback_max", "drained"}},
	{"paged while Postgres is away", "as fast as with it", "7", []string{"dark_p50", "dark_max"}},
	{"acknowledged in PagerDuty to our escalation stopped, by webhook", "≤ 3 s", "11", []string{"ack_stop"}},
	{"events through the outbox", "≥ 2,000 a second", "F3", []string{"per_second", "noop_per_second"}},
	{"who is on call at an instant", "≤ 1 ms", "F4", []string{"who"}},
	{"the check of 20 rotations for 90 days", "≤ 200 ms", "F4", []string{"validate"}},
}

const page = `# What the pager survives

Keepwatch must neither lose a page nor page twice. This page says how that was tried, and what came
out. It was written by ` + "`make faults`" + `, not by hand.

The machine: %s/%s, %d cores, %s. Each row says when it ran, with which seed (` + "`make faults SEED=… ROW=…`" + ` replays
it) and what the load average of the machine was when it began: where that is far above the number of cores, others were
at work beside the suite, and times are worse than they need be.

**Lost** is an incident whose page never rang and was not made needless by a recovery. **Doubled** is a second
incident at PagerDuty for one outage, so a second call in the night. **Left open** is an incident that PagerDuty goes
on ringing for after the outage is over. One function judges all three, from the log of the stand-in for PagerDuty
(` + "`keepwatch fake-pagerduty verify LOG`" + ` is the same function).

`

const figuresHead = `## Figures

| what | goal | measured |
|---|---|---|
`

const explanation = `## The rows

`
