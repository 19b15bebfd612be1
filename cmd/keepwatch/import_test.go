package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

// past is five weeks that three probers logged, and what they amount to.
type past struct {
	t     *testing.T
	dir   string
	dsn   string
	slots map[string][]seenSlot // by location
	from  time.Time
}

// seenSlot is what the logs say of a slot: outcome 0 is silence.
type seenSlot struct {
	outcome  int
	attempts int
	lines    []seenLine
}

type seenLine struct {
	at time.Time
	ok bool
}

const pastSlot = time.Minute

// The weeks in Los Angeles; clocks went back on 2 November, so W44 has 169 hours.
func pastWeeks() map[string][2]string {
	return map[string][2]string{
		"2025-W41": {"2025-10-06T07:00:00Z", "2025-10-13T07:00:00Z"},
		"2025-W42": {"2025-10-13T07:00:00Z", "2025-10-20T07:00:00Z"},
		"2025-W43": {"2025-10-20T07:00:00Z", "2025-10-27T07:00:00Z"},
		"2025-W44": {"2025-10-27T07:00:00Z", "2025-11-03T08:00:00Z"},
		"2025-W45": {"2025-11-03T08:00:00Z", "2025-11-10T08:00:00Z"},
	}
}

func clockOf(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// livePast makes up the five weeks: outages that everybody sees, failures of one
// place, retries that help and that do not, silence of one and of all.
func livePast(t *testing.T) *past {
	t.Helper()
	p := &past{t: t, dir: t.TempDir(), dsn: pgtest.DSN(t), slots: map[string][]seenSlot{}, from: clockOf(t, "2025-10-06T07:00:00Z")}
	rnd := rand.New(rand.NewPCG(2025, 44))
	n := int(clockOf(t, "2025-11-10T08:00:00Z").Sub(p.from) / pastSlot)
	outages := [][2]int{{3000, 3041}, {12_000, 12_700}, {20_150, 20_170}, {31_000, 31_003}, {45_000, 45_400}} // the third goes over a week's end
	silences := map[string][][2]int{"west": {{5000, 5360}, {25_000, 26_440}}, "central": {{5100, 5400}, {25_000, 26_440}}, "east": {{25_000, 26_440}}}
	in := func(spans [][2]int, i int) bool {
		for _, s := range spans {
			if i >= s[0] && i < s[1] {
				return true
			}
		}
		return false
	}
	for _, place := range []string{"west", "central", "east"} {
		for i := range n {
			var s seenSlot
			if !in(silences[place], i) {
				at := p.from.Add(time.Duration(i)*pastSlot + time.Duration(rnd.IntN(50_000))*time.Millisecond)
				bad := in(outages, i) || rnd.IntN(200) == 0
				s.lines = append(s.lines, seenLine{at, !bad})
				if rnd.IntN(100) == 0 { // an attempt before it, which said the opposite
					s.lines = append([]seenLine{{at.Add(-time.Duration(rnd.Int64N(at.Sub(at.Truncate(pastSlot)).Milliseconds()+1)) * time.Millisecond), bad}}, s.lines...)
				}
				s.outcome, s.attempts = 1, len(s.lines)
				if bad {
					s.outcome = 2
				}
			}
			p.slots[place] = append(p.slots[place], s)
		}
	}
	return p
}

// counted is what a week amounts to, by looking at each slot.
type counted struct{ good, bad, unknown, soft int64 }

func (p *past) count(from, to time.Time, places ...string) counted {
	var c counted
	for at := from; at.Before(to); at = at.Add(pastSlot) {
		i, pass, fail := int(at.Sub(p.from)/pastSlot), 0, 0
		for _, place := range places {
			switch s := p.slots[place][i]; s.outcome {
			case 1:
				pass++
				if s.attempts > 1 {
					c.soft++
				}
			case 2:
				fail++
			}
		}
		switch {
		case fail >= 2:
			c.bad += pastSlot.Milliseconds()
		case pass >= 2: // then two can no longer fail
			c.good += pastSlot.Milliseconds()
		default:
			c.unknown += pastSlot.Milliseconds()
		}
	}
	return c
}

// write writes one location's lines; line prints one.
func (p *past) write(name, head string, slots []seenSlot, line func(seenLine) string) string {
	p.t.Helper()
	var b strings.Builder
	b.WriteString(head)
	for _, s := range slots {
		for _, l := range s.lines {
			b.WriteString(line(l))
		}
	}
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// run runs a command; it returns its exit status and what it printed.
func (p *past) run(args ...string) (int, string, string) {
	p.t.Helper()
	conf := filepath.Join(p.dir, "keepwatch.yaml")
	if _, err := os.Stat(conf); err != nil {
		text := `version: 1
data_dir: ` + p.dir + `
database: {url: "` + p.dsn + `"}
locations: [west, central, east]
checks:
  - {name: front-page, every: 1m, quorum: 2, tcp: {address: "127.0.0.1:1"}}
services:
  - {name: site, objective: 95%, critical: [front-page]}
reports: {time_zone: America/Los_Angeles}
`
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	var out, errOut bytes.Buffer
	status := execute(append(args, "--config", conf), &out, &errOut)
	return status, out.String(), errOut.String()
}

func (p *past) must(args ...string) string {
	p.t.Helper()
	status, out, errOut := p.run(args...)
	if status != 0 {
		p.t.Fatalf("keepwatch %s: status %d\n%s%s", strings.Join(args, " "), status, out, errOut)
	}
	return out
}

// compare holds the report of each week against the count.
func (p *past) compare(places ...string) {
	p.t.Helper()
	for week, ends := range pastWeeks() {
		var r reports.Report
		if err := json.Unmarshal([]byte(p.must("report", "--week", week, "--format", "json")), &r); err != nil {
			p.t.Fatal(err)
		}
		s := r.Services[0]
		from, to := clockOf(p.t, ends[0]), clockOf(p.t, ends[1])
		want := p.count(from, to, places...)
		if got := (counted{s.GoodMs, s.BadMs, s.UnknownMs, int64(s.SoftFailures)}); got != want || s.ExcludedMs != 0 {
			p.t.Errorf("%s from %v: got %+v, want %+v", week, places, got, want)
		}
		if !r.From.Equal(from) || !r.To.Equal(to) || s.Verdict != reports.Decide(want.bad, want.unknown, to.Sub(from).Milliseconds(), 950_000) {
			p.t.Errorf("%s: %v to %v is %s", week, r.From, r.To, s.Verdict)
		}
		listed := int64(0)
		for _, o := range s.Outages {
			listed += o.Ms
		}
		if listed != want.bad {
			p.t.Errorf("%s: outages of %d ms are listed, want %d", week, listed, want.bad)
		}
	}
}

// TestFiveWeeksOfLogs is how old probe logs become honest weekly reports: three
// formats from three places, files in any order, imported again and again.
func TestFiveWeeksOfLogs(t *testing.T) {
	t.Parallel()
	p := livePast(t)
	code := map[bool]string{true: "200", false: "503"}
	full := func(l seenLine) string {
		return fmt.Sprintf("%d,120,front,%s,\"said, %s\",T 1-1,text,%t,,9,9,1,1,http://x/,100,0,3\r\n", l.at.UnixMilli(), code[l.ok], code[l.ok], l.ok)
	}
	head := "\ufefftimeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,grpThreads,allThreads,URL,Latency,IdleTime,Connect\r\n"
	cut := len(p.slots["west"]) / 2
	early, late := p.write("west-1.jtl", head, p.slots["west"][:cut], full), p.write("west-2.jtl", head, p.slots["west"][cut:], full)
	short := func(l seenLine) string {
		return fmt.Sprintf("%d,120,front,%s,%t,no,100,3\n", l.at.UnixMilli(), code[l.ok], l.ok)
	}
	central := p.write("central.jtl", "", p.slots["central"], short)
	angeles, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	east := p.write("east.jtl", "timeStamp;elapsed;success;failureMessage\n", p.slots["east"], func(l seenLine) string {
		return fmt.Sprintf("%s;120;%t;\"two\nlines\"\n", l.at.In(angeles).Format("2006/01/02 15:04:05.000"), l.ok)
	})
	flags := func(place string) []string { return []string{"--check", "front-page", "--location", place} }

	p.must(append([]string{"import", "jtl", late, early}, flags("west")...)...)
	p.must(append([]string{"import", "jtl", central}, flags("central")...)...)
	p.compare("west", "central")
	before := p.frozen("2025-W44")

	p.must(append([]string{"import", "jtl", east, "--zone", "America/Los_Angeles"}, flags("east")...)...)
	p.revised(before)
	for range 2 {
		for place, files := range map[string][]string{"west": {early, late}, "central": {central}} {
			out := p.must(append(append([]string{"import", "jtl"}, files...), flags(place)...)...)
			if !strings.Contains(out, "  new 0, known before ") || !strings.Contains(out, " of which 0 said something else") {
				t.Errorf("again:\n%s", out)
			}
		}
	}
	p.compare("west", "central", "east")
}

// frozen writes the report of a week.
func (p *past) frozen(week string) reports.Report {
	p.t.Helper()
	store, set := p.store()
	w, err := reports.ParseWeek(week, set.Zone)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := reports.MakeWindow(p.t.Context(), store, w.Window(), set, time.Now().UTC())
	if err != nil {
		p.t.Fatal(err)
	}
	r.Revision = 1
	if err := store.Save(p.t.Context(), r, time.Now().UTC()); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// revised holds that what came later made another revision of a written week.
func (p *past) revised(before reports.Report) {
	p.t.Helper()
	store, set := p.store()
	after, changed, err := reports.Revise(p.t.Context(), store, before, set, time.Now().UTC())
	if err != nil || !changed || after.Revision != 2 || len(after.Changes) == 0 {
		p.t.Errorf("after more results: changed %v, revision %d, %v, %v; want revision 2 that says what changed", changed, after.Revision, after.Changes, err)
	}
	if _, changed, err := reports.Revise(p.t.Context(), store, after, set, time.Now().UTC()); err != nil || changed {
		p.t.Errorf("again: changed %v, %v; want nothing new", changed, err)
	}
	if err := store.Save(p.t.Context(), after, time.Now().UTC()); err != nil {
		p.t.Errorf("save revision 2: %v", err)
	}
}

func (p *past) store() (postgres.Reports, reports.Settings) {
	p.t.Helper()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		p.t.Fatal(err)
	}
	return postgres.Reports{DB: pgtest.Open(p.t, p.dsn)}, reports.Settings{
		Zone: zone, Services: []reports.Service{{Name: "site", Objective: 950_000, Critical: []string{"front-page"}, Cap: 4 * time.Hour}},
	}
}

// TestImportOfBadLines: nothing is imported while any line is bad, each is named, and
// what is left out is said.
func TestImportOfBadLines(t *testing.T) {
	t.Parallel()
	p := &past{t: t, dir: t.TempDir(), dsn: pgtest.DSN(t)}
	file := filepath.Join(p.dir, "x.jtl")
	text := "timeStamp,elapsed,success\n1761548400000,1,true\nnonsense\n1761548430000,1,maybe\n1761548460000,1,false\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "jtl", file, "--check", "front-page", "--location", "west"}
	results := &postgres.Results{DB: pgtest.Open(t, p.dsn)}
	stored := func() int {
		rs, err := results.Recent(t.Context(), "front-page", time.Unix(0, 0), 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(rs)
	}
	status, _, errOut := p.run(args...)
	for _, want := range []string{
		"x.jtl:3: has 1 column, and 3 columns are expected\n", `x.jtl:4: has success "maybe", which is neither true nor false`,
		"nothing was imported: 2 of 4 lines cannot be used (mend them, or leave them out with --skip-bad)",
	} {
		if !strings.Contains(errOut, want) {
			t.Errorf("the command does not say %q:\n%s", want, errOut)
		}
	}
	if status != 1 || stored() != 0 {
		t.Errorf("status %d, %d results stored; want 1 and none", status, stored())
	}
	if p.must(append(args, "--skip-bad", "--dry-run")...); stored() != 0 {
		t.Error("a dry run stored results")
	}
	if out := p.must(append(args, "--skip-bad")...); stored() != 2 || !strings.Contains(out, "2 of 4 lines left out") {
		t.Errorf("%d results stored, want 2; it says:\n%s", stored(), out)
	}
	for want, args := range map[string][]string{
		"there is no check \"back-page\" (the file has front-page)": {"import", "jtl", file, "--check", "back-page", "--location", "west"},
		"does not look from \"north\" but from west, central, east": {"import", "jtl", file, "--check", "front-page", "--location", "north"},
		"import jtl needs --check and --location":                   {"import", "jtl", file},
		"is no IANA zone":                     {"import", "jtl", file, "--check", "front-page", "--location", "west", "--zone", "Mars/Olympus"},
		"no header that tells which they are": {"import", "csv", file},
		"no such file":                        {"import", "csv", file + "x"},
	} {
		if status, _, errOut := p.run(args...); status == 0 || !strings.Contains(errOut, want) {
			t.Errorf("%v: status %d, want an error with %q:\n%s", args, status, want, errOut)
		}
	}
}

// TestImportBeforeTheDaemon: what the daemon recorded stays as it is, with its own
// interval; before it the present configuration is valid.
func TestImportBeforeTheDaemon(t *testing.T) {
	t.Parallel()
	p := &past{t: t, dir: t.TempDir(), dsn: pgtest.DSN(t)}
	results := &postgres.Results{DB: pgtest.Open(t, p.dsn)}
	began := clockOf(t, "2025-10-27T07:05:30Z") // in the middle of a minute
	old := probe.Check{Name: "front-page", Kind: "tcp", Every: 30 * time.Second, Quorum: 1, Locations: []string{"west"}, Spec: "{}"}
	if err := results.SyncChecks(t.Context(), began, []probe.Check{old}); err != nil {
		t.Fatal(err)
	}
	if err := results.Insert(t.Context(), []probe.Result{{Check: "front-page", Location: "west", Slot: began, Outcome: probe.Bad, Attempts: 1}}); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("time,outcome,check,location\n")
	for i := range 20 { // 07:00:10 to 07:09:40
		at := clockOf(t, "2025-10-27T07:00:10Z").Add(time.Duration(i) * 30 * time.Second)
		for _, place := range []string{"west", "east"} {
			fmt.Fprintf(&b, "%s,good,front-page,%s\n", at.Format(time.RFC3339), place)
		}
	}
	file := filepath.Join(p.dir, "x.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out := p.must("import", "csv", file)
	if !strings.Contains(out, "is valid from 2025-10-27T07:00:00Z to 2025-10-27T07:05:30Z") || !strings.Contains(out, "known before 1, of which 1 said something else") {
		t.Errorf("it says:\n%s", out)
	}
	store := postgres.Reports{DB: pgtest.Open(t, p.dsn)}
	to := clockOf(t, "2025-10-27T07:10:00Z")
	lines, err := store.Timelines(t.Context(), []string{"front-page"}, clockOf(t, "2025-10-27T06:59:00Z"), to, to.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var spans strings.Builder
	for _, s := range lines["front-page"].Spans {
		fmt.Fprintf(&spans, "%s %d %s; ", s.From.Format("15:04:05"), s.Verdict, s.Cause)
	}
	if want := "06:59:00 0 not watched; 07:00:00 1 ; 07:05:30 2 ; 07:06:00 1 ; "; spans.String() != want {
		t.Errorf("got  %s\nwant %s", spans.String(), want)
	}
}
