package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
)

const (
	noticesEvery = 30 * time.Second
	handoffLate  = 12 * time.Hour // a turn that began longer ago is known to everybody
	weekLate     = 24 * time.Hour // a look ahead that is later is told next time
	gapAhead     = 7 * 24 * time.Hour
	gapPage      = 24 * time.Hour
	gapPrefix    = "gap-" // of the names of alarms about holes
)

// notices tells people in good time what concerns them: turns that begin and end,
// the week ahead, holes in the plan; and runs the drill. Letters go through the
// outbox, and the table of notices says which were owed: whichever daemon leads
// owes each once, after any downtime too. Nothing here rings, but a hole that is a
// day away, and the drill.
type notices struct {
	file   func() *config.File
	roster func() oncall.Roster
	engine *alerting.Engine
	apply  func(ctx context.Context, c alerting.Change) error // of the outbox
	wake   func()
	table  noticeTable
	close  func(ctx context.Context, now time.Time) // ends pages by hand
	// timeline is what happened to an incident, oldest first.
	timeline func(ctx context.Context, incident string) ([]alerting.Entry, error)
	log      *slog.Logger
	now      func() time.Time // nil means time.Now

	told map[string]bool // keys, as far as known; only Run's goroutine uses it

	holes atomic.Pointer[[]oncall.Hole] // of the next week, as last seen; for health
	drill atomic.Pointer[string]        // how the last drill failed; nil or "" when it did not
}

// noticeTable remembers what was told, for good.
type noticeTable interface {
	Put(ctx context.Context, n postgres.Notice) (bool, error)
	List(ctx context.Context, since time.Time, limit int) ([]postgres.Notice, error)
}

// Run looks until ctx ends. Only the leading daemon runs it.
func (n *notices) Run(ctx context.Context) error {
	tick := time.NewTicker(noticesEvery)
	defer tick.Stop()
	n.told = map[string]bool{}
	for {
		n.look(ctx, moment(n.now).UTC())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look does what is due. Without the database no letter is sent: nobody could say
// whether it was sent before, and none is urgent. A hole is, and pages all the same.
func (n *notices) look(ctx context.Context, now time.Time) {
	if !n.engine.Snapshot().Restored {
		return // what is open is not known yet
	}
	f := n.file()
	within, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := n.table.List(within, now.Add(-drillMemory), 10_000)
	for _, v := range list {
		n.told[v.Key] = true
	}
	n.gaps(ctx, f, now)
	n.close(ctx, now)
	if err != nil {
		return
	}
	for _, l := range n.letters(f, now) {
		if n.told[l.key] {
			continue
		}
		if err := n.send(within, f, l, now); err != nil {
			n.log.WarnContext(ctx, "notice not sent, it is tried again", "key", l.key, "err", err)
		}
	}
	n.exercise(within, f, list, now)
}

// letter is one notice to one person.
type letter struct {
	key, person, subject, text string
	at                         time.Time // of what it tells
}

// letters are all that should have been told by now.
func (n *notices) letters(f *config.File, now time.Time) []letter {
	if len(mailOf(f)) == 0 {
		return nil
	}
	roster := n.roster()
	var out []letter
	if c := f.Notices; c != nil && c.Handoffs {
		for _, h := range roster.Handovers(now.Add(-handoffLate), now.Add(time.Nanosecond)) {
			out = append(out, handoffLetters(f, roster, h)...)
		}
	}
	if c := f.Notices; c != nil && c.Week.Set {
		out = append(out, weekLetters(f, roster, c.Week, now)...)
	}
	return append(out, n.gapLetters(f, roster, now)...)
}

// mailOf is the channel that carries letters; "" when there is none.
func mailOf(f *config.File) string {
	if _, mails := f.FallbackNames(); len(mails) > 0 {
		return mails[0]
	}
	return ""
}

// send owes a letter and then notes that. Both may be done twice and count once: the
// page's ID is the notice's key.
func (n *notices) send(ctx context.Context, f *config.File, l letter, now time.Time) error {
	link := ""
	if f.Console != nil {
		link = f.Console.PublicURL + "/oncall"
	}
	id := "notice/" + l.key
	err := n.apply(ctx, alerting.Change{Pages: []alerting.Page{{
		ID: id, Incident: id, DedupKey: id, Seq: 1, Channel: mailOf(f), Route: alerting.PersonRoute(l.person),
		Action: alerting.Trigger, Person: l.person,
		Fallback: true, // so that no other channel, one that rings perhaps, takes over
		State:    alerting.Queued, Created: now, Due: now,
		Message: alerting.Message{Summary: l.subject, Source: "keepwatch", Severity: string(alerting.Info), Time: l.at, Link: link, Text: l.text},
	}}})
	if err != nil {
		return err
	}
	n.wake()
	if _, err = n.table.Put(ctx, postgres.Notice{Key: l.key, At: l.at, MadeAt: now, Detail: l.person + ": " + l.subject}); err != nil {
		return err
	}
	n.told[l.key] = true
	return nil
}

// nameOf is what people call somebody.
func nameOf(f *config.File, person string) string {
	switch name := f.People[person].Name; {
	case person == "":
		return "nobody"
	case name != "":
		return name
	}
	return person
}

// localTo is an instant in a person's own zone.
func localTo(f *config.File, person string, t time.Time) string {
	zone := f.People[person].TimeZone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Monday 2 January 15:04 MST")
}

// handoffLetters tell who begins and who ends.
func handoffLetters(f *config.File, roster oncall.Roster, h oncall.Handover) []letter {
	key := fmt.Sprintf("handoff/%s/%d/", h.Rotation, h.At.Unix())
	var out []letter
	if h.To != "" {
		until := "without an end"
		if !h.Until.IsZero() {
			until = "until " + localTo(f, h.To, h.Until)
			if next := roster.OnCall(h.Rotation, h.Until).Person; next != "" {
				until += ", then " + nameOf(f, next)
			}
		}
		from := ""
		if h.From != "" {
			from = " You take over from " + nameOf(f, h.From) + "."
		}
		out = append(out, letter{
			key: key + h.To, person: h.To, at: h.At, subject: "You are on call for " + h.Rotation + " now",
			text: fmt.Sprintf("Hello %s,\n\nyou have been on call for %s since %s, %s.%s\n\nTo try whether pages reach you: keepwatch page %s --test --message hello\n",
				nameOf(f, h.To), h.Rotation, localTo(f, h.To, h.At), until, from, h.To),
		})
	}
	if h.From != "" {
		out = append(out, letter{
			key: key + h.From, person: h.From, at: h.At, subject: "Your turn of " + h.Rotation + " is over",
			text: fmt.Sprintf("Hello %s,\n\nyour turn of %s ended at %s. From now on it is %s.\n\nTell them what is still open; thank you.\n",
				nameOf(f, h.From), h.Rotation, localTo(f, h.From, h.At), nameOf(f, h.To)),
		})
	}
	return out
}

// weekLetters tell everybody who has a turn in the next seven days.
func weekLetters(f *config.File, roster oncall.Roster, when oncall.Handoff, now time.Time) []letter {
	var out []letter
	for _, person := range slices.Sorted(maps.Keys(f.People)) {
		at := when.Last(now, f.People[person].TimeZone)
		if at.IsZero() || now.Sub(at) > weekLate {
			continue
		}
		lines := turnsOf(f, roster, person, at)
		if len(lines) == 0 {
			continue
		}
		out = append(out, letter{
			key: fmt.Sprintf("week/%d/%s", at.Unix(), person), person: person, at: at, subject: "You are on call in the next 7 days",
			text: fmt.Sprintf("Hello %s,\n\nyour turns of the next 7 days:\n\n%s\n\nIf one does not suit you: keepwatch oncall swap, or keepwatch oncall override.\n",
				nameOf(f, person), strings.Join(lines, "\n")),
		})
	}
	return out
}

// turnsOf lists a person's turns of the seven days after an instant, a line each.
func turnsOf(f *config.File, roster oncall.Roster, person string, at time.Time) []string {
	var lines []string
	for _, name := range roster.Names() {
		for s := range roster.Rotations[name].Shifts(at, at.AddDate(0, 0, 7)) {
			if s.Person != person {
				continue
			}
			line := "  " + name + ": already now"
			if s.From.After(at) {
				line = "  " + name + ": from " + localTo(f, person, s.From)
			}
			if !s.To.IsZero() {
				line += " until " + localTo(f, person, s.To)
			}
			if s.Source != oncall.FromRotation {
				line += " (by " + string(s.Source) + ")"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// gapLetters warn of holes of the next week whoever is on call now, and those on
// either side of it.
func (n *notices) gapLetters(f *config.File, roster oncall.Roster, now time.Time) []letter {
	var out []letter
	for _, h := range n.seen() {
		var to []string
		for _, l := range f.Escalations[h.Policy].Levels {
			for _, t := range []time.Time{now, h.From.Add(-time.Second), h.To} {
				if p := roster.OnCall(l.Page, t).Person; p != "" && !slices.Contains(to, p) {
					to = append(to, p)
				}
			}
		}
		if len(to) == 0 {
			to = []string{""} // the addresses of the channel itself
		}
		for _, person := range to {
			out = append(out, letter{
				key: fmt.Sprintf("gap/%s/%d/%s", holeName(h), h.From.Unix(), person), person: person, at: later(h.From, now),
				subject: "Nobody is on call: " + strings.TrimPrefix(holeName(h), "escalation."),
				text:    "Hello " + nameOf(f, person) + ",\n\n" + holeText(f, h) + "\n\nA day before it begins, the one who is on call then is paged.\n",
			})
		}
	}
	return out
}

// seen are the holes that the last look found.
func (n *notices) seen() []oncall.Hole {
	if p := n.holes.Load(); p != nil {
		return *p
	}
	return nil
}

// holeName tells the holes of one plan apart: a rotation's, or a policy's own.
func holeName(h oncall.Hole) string {
	if h.Rotation == "" {
		return "escalation." + h.Policy
	}
	return h.Rotation
}

// gaps finds the holes of the next week, and raises an alarm for one that is a day
// away or open; it works without the database.
func (n *notices) gaps(ctx context.Context, f *config.File, now time.Time) {
	found := holes(f, n.roster(), now, now.Add(gapAhead))
	n.holes.Store(&found)
	open := map[string]bool{}
	for _, a := range n.engine.Snapshot().Alarms {
		open[a.Name] = true
	}
	near := map[string]bool{}
	for _, h := range found {
		name := gapPrefix + holeName(h)
		if h.From.Sub(now) > gapPage || near[name] {
			continue
		}
		near[name] = true
		n.pageAbout(ctx, f, h, open[name], now)
	}
	for name := range open {
		if !strings.HasPrefix(name, gapPrefix) || near[name] {
			continue
		}
		if err := n.engine.Clear(ctx, name, "somebody is on call again, or the hole has passed", now); err != nil {
			n.log.WarnContext(ctx, "clear the alarm about a hole in the plan", "hole", name, "err", err)
		}
	}
}

// pageAbout raises the alarm about a hole: once when it is a day away and once when
// it begins. Somebody who closed the alarm by hand in between knows of it.
func (n *notices) pageAbout(ctx context.Context, f *config.File, h oncall.Hole, open bool, now time.Time) {
	key := fmt.Sprintf("gap-page/%s/%d/ahead", holeName(h), h.From.Unix())
	if !h.From.After(now) {
		key = fmt.Sprintf("gap-page/%s/%d/open", holeName(h), h.From.Unix())
	}
	if n.told[key] && !open {
		return
	}
	_, err := n.engine.Raise(ctx, alerting.Alarm{
		Name: gapPrefix + holeName(h), Severity: alerting.Error, Summary: holeText(f, h), Policy: f.Escalations[h.Policy].Policy(h.Policy),
	}, now)
	if err != nil && !errors.Is(err, alerting.ErrNotYet) {
		n.log.WarnContext(ctx, "page about a hole in the plan", "hole", holeName(h), "err", err)
		return
	}
	if !n.told[key] {
		n.remember(ctx, postgres.Notice{Key: key, At: later(h.From, now), MadeAt: now, Detail: holeText(f, h)})
	}
}

// remember notes a notice here, and in the table when that answers.
func (n *notices) remember(ctx context.Context, v postgres.Notice) {
	n.told[v.Key] = true
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := n.table.Put(ctx, v); err != nil {
		n.log.WarnContext(ctx, "notice not noted, another daemon may tell it again", "key", v.Key, "err", err)
	}
}

// later is the later of two instants: the table forgets by time.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
