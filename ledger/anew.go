package ledger

import (
	"context"
	"slices"
	"time"
)

// anew folds days anew that were marked, until the deadline.
func (k *Keeper) anew(ctx context.Context, deadline time.Time) error {
	k.mu.Lock()
	mine := k.epoch != 0 && k.book != nil && len(k.queue) == 0
	k.mu.Unlock()
	if !mine {
		return nil
	}
	marks, err := k.Store.Marks(ctx, marksMax)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.tell(func(s *State) { s.Marks = len(marks) })
	k.mu.Unlock()
	byCheck := map[string][]Mark{}
	var order []string
	for _, m := range marks {
		if byCheck[m.Check] == nil {
			order = append(order, m.Check)
		}
		byCheck[m.Check] = append(byCheck[m.Check], m)
	}
	for _, check := range order {
		if err := k.anewOne(ctx, byCheck[check], deadline); err != nil || !time.Now().Before(deadline) {
			return err
		}
	}
	return nil
}

// anewOne folds anew what the marks of one check say, the oldest day first. The mutex is
// given up between days, so that results need not wait for all of them.
func (k *Keeper) anewOne(ctx context.Context, marks []Mark, deadline time.Time) error {
	check := marks[0].Check
	from, to := marks[0].From, marks[0].To
	for _, m := range marks {
		from, to = earlier(from, m.From), later(to, m.To)
	}
	work, err := k.plan(ctx, check, marks, from, to)
	if err != nil {
		return err
	}
	for _, r := range work {
		if err := k.refold(ctx, r); err != nil {
			return err
		}
		if !time.Now().Before(deadline) {
			return nil
		}
	}
	return nil
}

// plan tells the book of new configurations and results, and returns the days that are
// to be folded anew; the last of them settles the marks.
func (k *Keeper) plan(ctx context.Context, check string, marks []Mark, from, to time.Time) ([]Refold, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.book == nil || k.epoch == 0 {
		return nil, nil
	}
	now := k.now()
	today := later(k.clock, now).Truncate(day)
	if !k.book.Has(check) {
		if err := k.openSome(ctx, []string{check}, today); err != nil {
			return nil, err
		}
	}
	start, until, ok := k.book.Until(check)
	if !ok { // nothing is expected of it today
		start, until = today, today
	}
	if to.After(until) && ok {
		tail, err := k.Store.Tail(ctx, []string{check}, until, earlier(to, now.Add(day)))
		if err != nil {
			return nil, err
		}
		for _, r := range tail {
			k.book.Configure(r)
		}
	}
	var ids []int64
	for _, m := range marks {
		ids = append(ids, m.ID)
	}
	var work []Refold
	for at := from.Truncate(day); at.Before(start) && at.Before(to); at = at.Add(day) {
		if touches(marks, at, at.Add(day)) {
			work = append(work, Refold{Check: check, Day: at, Until: at.Add(day), Marks: ids})
		}
	}
	if start.Before(until) && touches(marks, start, until) {
		work = append(work, Refold{Check: check, Day: start, Until: until, Marks: ids})
	}
	if len(work) == 0 {
		work = append(work, Refold{Check: check, Marks: ids}) // nothing is to be folded
	}
	work[len(work)-1].Done = true
	return work, nil
}

// touches reports whether a mark speaks of slots in [from, to).
func touches(marks []Mark, from, to time.Time) bool {
	return slices.ContainsFunc(marks, func(m Mark) bool { return m.From.Before(to) && m.To.After(from) })
}

// refold folds one day anew.
func (k *Keeper) refold(ctx context.Context, r Refold) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.book == nil || k.epoch == 0 {
		return nil
	}
	// Between the days of one plan results were stored: the day may have been folded on.
	if start, until, ok := k.book.Until(r.Check); ok && r.Until.Before(r.Day.Add(day)) && !r.Day.IsZero() {
		if !start.Equal(r.Day) {
			return nil // it ended; the mark is still there
		}
		r.Until = until
	}
	var whole Day
	err := k.Store.Refold(ctx, k.lease(k.now(), running), r, func(rec Record) Day {
		whole = FoldDay(rec, r.Day, r.Until)
		return whole
	})
	if err != nil {
		k.lost(err)
		return err
	}
	if !r.Day.IsZero() {
		k.book.Replace(whole)
	}
	return nil
}
