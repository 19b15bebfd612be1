package main

// row is one kind of harm.
type row struct {
	Name  string // its number in the table; F for figures
	Fault string
	How   string // what is done and what is demanded
	Parts []part
}

// part is some tests of a package.
type part struct{ Pkg, Run string }

// rows is the suite.
//
//nolint:gochecknoglobals // a constant table
var rows = []row{
	{"1", "kill -9 at each of six points of a page's way", "Before the commit, after it, after the claim, after the request is written, after the 202, while the outcome is stored; for trigger, acknowledge and resolve.", []part{{"./faults", "^TestRow1"}}},
	{"2", "kill -9 of one of two daemons every 400 ms, a third of PagerDuty's answers bad, crashes of Postgres", "First pagers without probes, a thousand incidents; then whole daemons with their own Postgres.", []part{{"./faults", "^TestRow2"}, {"./cmd/keepwatch", "^TestKilledAtRandom$"}}},
	{"3", "daemons frozen past their lease that wake up as zombies", "", []part{{"./faults", "^TestRow3"}, {"./cmd/keepwatch", "^TestFrozenLeader$"}}},
	{"4", "PagerDuty fails in every way for an hour", "In virtual time: 5xx, 429 with and without a wait, a black hole, resets, answers torn or after 9.9 s, TLS and DNS that fail, 400. The fallback must go out within 2 minutes, the backlog drain within 6 minutes at 100 a minute.", []part{{"./faults", "^TestRow4"}, {"./alerting/pagerduty", "^TestSendWithoutAnAnswer$"}}},
	{"5", "PagerDuty processes triggers up to 55 s after they timed out", "", []part{{"./faults", "^TestRow5"}}},
	{"6", "Postgres crashes five times, is down for a minute, takes no connections, hangs on a lock", "", []part{{"./faults", "^TestRow6"}, {"./postgres", "^TestRecordingThroughAnOutage$"}}},
	{"7", "Postgres is away while a check fails, recovers and fails again, and the daemon is killed", "", []part{{"./faults", "^TestRow7"}, {"./cmd/keepwatch", "^(TestKilledInTheDark|TestDatabaseGoneWhileDead)$"}}},
	{"8", "two daemons, one of them killed, timers due all the time", "", []part{{"./faults", "^TestRow8"}, {"./cmd/keepwatch", "^(TestLeaderKilled|TestLeadLostAndWonBack)$"}}},
	{"9", "the clock is set an hour forward and back", "", []part{{"./faults", "^TestRow9"}}},
	{"10", "daylight saving within shifts and hand-offs", "Rotations against a second program that looks at every minute.", []part{{"./oncall", "Oracle|Contiguous"}}},
	{"11", "webhooks five times, out of order, replayed after days, forged, of unknown types, without Postgres", "", []part{{"./cmd/keepwatch", "^TestRow11"}, {"./alerting/pagerduty", "Webhook"}}},
	{"12", "the file is edited during an incident", "", []part{{"./cmd/keepwatch", "^TestStoryReloadDuringIncident$"}, {"./alerting", "^TestStoryReload$"}}},
	{"13", "an escalation to its end, empty levels, an empty rotation", "", []part{{"./alerting", "^(TestDecideLadder|TestStoryNobodyOnCall|TestDecideAlways)$"}}},
	{"14", "the disk is full and the daemon is killed", "", []part{{"./faults", "^TestRow14"}, {"./spool", "Full|Killed"}}},
	{"F1", "figures: from decision to acceptance", "Postgres with synced files, a healthy PagerDuty.", []part{{"./faults", "^TestFigureDelivery"}}},
	{"F2", "figures: resume after kill -9", "", []part{{"./faults", "^TestFigureResume"}}},
	{"F3", "figures: the outbox at full speed", "", []part{{"./faults", "^TestFigureOutbox"}}},
	{"F4", "figures: who is on call, and the check of a plan", "", []part{{"./faults", "^TestFigureRotations"}}},
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

- when: %s
- seed: %d (` + "`make faults SEED=… ROW=…`" + ` replays a row)
- machine: %s/%s, %d cores, %s; load average %s at the start, %s at the end

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
