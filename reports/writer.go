package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// closeAfter is how long after its end a week closes: late results of the last
	// slots are in by then.
	closeAfter = 15 * time.Minute
	// catchUpWeeks is how many ended weeks are looked at for a report that was
	// missed while no daemon ran.
	catchUpWeeks = 8
	// wakeEvery bounds how late a report is after a reload or a step of the host's
	// clock. A change of a written week is seen twice before it is believed to be
	// whole, and shall be in a revision within a minute.
	wakeEvery = 25 * time.Second
	// lookAgain is when a week that nobody watched is looked at again: an import
	// may have filled it.
	lookAgain = 24 * time.Hour

	retryFirst   = time.Minute
	retryMax     = 10 * time.Minute
	sendTries    = 3
	sendDeadline = 30 * time.Second
	savedLimit   = 200
	roundMax     = 5 * time.Minute // deadline for all reading and writing of one wake
)

// Sender passes a saved report on to people. Send has ended soon after ctx has.
type Sender interface {
	Name() string
	Send(ctx context.Context, r Report) error
}

// Writer writes the report of each ended week, once for a week, zone and revision
// however many writers run, and hands it to the senders. Set all fields but
// Senders, Every and Now; Run one at a time.
type Writer struct {
	Store    Store
	Settings func() Settings // the present ones; called at each wake
	Senders  []Sender
	// Every is how often it looks whether anything is to be written or has changed; 0
	// means each 25 s. A simulation looks seldom.
	Every time.Duration
	Log   *slog.Logger
	Now   func() time.Time // the clock; nil means time.Now

	// Run's goroutine owns these:
	settled map[string]time.Time // weeks with nothing to do, until when
	kept    map[string]*keptWeek // written weeks that late data may still change
	stamp   string               // of the store, when written weeks were last looked at
	looked  time.Time            // when that was
	// lookedAll is when all of them were, the final ones too.
	lookedAll time.Time
}

// Run writes reports until ctx ends: at each week's send time, and at the start
// those that were missed in the last eight weeks. It returns nil.
func (w *Writer) Run(ctx context.Context) error {
	w.settled, w.kept = map[string]time.Time{}, map[string]*keptWeek{}
	w.looked, w.lookedAll = time.Time{}, time.Time{}
	retry := retryFirst
	for {
		now := w.now()
		wait := cmp.Or(w.Every, wakeEvery)
		if err := w.catchUp(ctx, now); err != nil && ctx.Err() == nil {
			w.Log.Error("report not written, will try again", "err", err)
			wait = retry/2 + rand.N(retry/2)
			retry = min(2*retry, retryMax)
		} else {
			retry = retryFirst
			if next := w.next(now).Sub(now); next < wait {
				wait = next
			}
			if err := w.keepUp(ctx, now); err != nil && ctx.Err() == nil {
				w.Log.Error("written weeks not looked at again, will try again", "err", err)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

func (w *Writer) now() time.Time {
	if w.Now == nil {
		return time.Now().UTC()
	}
	return w.Now().UTC()
}

// due returns when the report of a week is written: the first send time at or after
// its end, and never before the week has closed.
func due(w Week, s SendTime) time.Time {
	if !s.Set {
		s.Weekday = time.Monday
	}
	days := (int(s.Weekday) + daysPerWeek - int(time.Monday)) % daysPerWeek
	at := firstInstant(w.monday()+daysPerWeek+days, s.Hour, s.Minute, w.Zone)
	if closed := w.To.Add(closeAfter); at.Before(closed) {
		return closed
	}
	return at
}

// next returns when the next report is due after now.
func (w *Writer) next(now time.Time) time.Time {
	s := w.Settings()
	week := WeekBefore(now, s.Zone)
	if at := due(week, s.Send); at.After(now) {
		return at
	}
	return due(week.Next(), s.Send)
}

// catchUp writes every report that is due at now and was not written yet, the
// oldest first. A week that fails does not hold back the others.
func (w *Writer) catchUp(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, roundMax)
	defer cancel()
	s := w.Settings()
	var open []Week
	week := WeekBefore(now, s.Zone)
	for range catchUpWeeks {
		if due(week, s.Send).After(now) || now.Before(w.settled[key(week)]) {
			week = week.Previous()
			continue
		}
		open = append(open, week)
		week = week.Previous()
	}
	if len(open) == 0 {
		return nil
	}
	// In any zone: a week that was reported is not reported again because the
	// configuration now counts its hours elsewhere.
	saved, err := w.Store.List(ctx, "", savedLimit)
	if err != nil {
		return fmt.Errorf("list reports: %w", err)
	}
	var errs []error
	for _, week := range slices.Backward(open) {
		if err := w.write(ctx, week, s, saved, now); err != nil {
			errs = append(errs, fmt.Errorf("report of %s: %w", week, err))
		}
	}
	return errors.Join(errs...)
}

// never is when a saved week is looked at again.
func never(now time.Time) time.Time { return now.AddDate(1, 0, 0) }

func key(w Week) string { return w.String() + " " + w.Zone.String() }

// write writes the report of one week unless it exists, and sends it.
func (w *Writer) write(ctx context.Context, week Week, set Settings, saved []Saved, now time.Time) error {
	for _, s := range saved {
		if s.Week == week.String() {
			w.settled[key(week)] = never(now)
			return nil
		}
	}
	in, err := gather(ctx, w.Store, week.Window(), set, now)
	if err != nil {
		return err
	}
	if !in.watched() { // Keepwatch did not exist then: a report would say nothing
		w.settled[key(week)] = now.Add(lookAgain)
		return nil
	}
	if err := enrich(ctx, w.Store, &in, set); err != nil {
		return err
	}
	r := Build(in)
	r.Final = !now.Before(week.To.Add(finalAfter))
	switch err := w.Store.Save(ctx, r, now); {
	case errors.Is(err, ErrExists): // another writer was first, and sends it
		w.settled[key(week)] = never(now)
		return nil
	case err != nil:
		return fmt.Errorf("save: %w", err)
	}
	w.settled[key(week)] = never(now)
	w.looked = time.Time{} // results may have come while it was written
	w.Log.Info("report written", "week", r.Week, "zone", r.Zone, "revision", r.Revision)
	w.send(ctx, r)
	return nil
}

// send hands the report to every sender, trying each three times.
func (w *Writer) send(ctx context.Context, r Report) {
	for _, s := range w.Senders {
		var err error
		for try := range sendTries {
			if try > 0 && !pause(ctx, time.Duration(try)*retryFirst/6) {
				break
			}
			if err = sendOnce(ctx, s, r); err == nil {
				break
			}
		}
		if err != nil {
			w.Log.Error("report not sent", "week", r.Week, "sender", s.Name(), "err", err)
			continue
		}
		w.Log.Info("report sent", "week", r.Week, "sender", s.Name())
	}
}

func sendOnce(ctx context.Context, s Sender, r Report) error {
	ctx, cancel := context.WithTimeout(ctx, sendDeadline)
	defer cancel()
	return s.Send(ctx, r)
}

// pause waits d and up to half as much again; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
