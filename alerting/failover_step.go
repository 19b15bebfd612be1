package alerting

import (
	"context"
	"math/rand/v2"
	"time"
)

// do makes one step in the store of the mode, and in the next one when that
// fails. seen notes a step of the primary or the spool in view.
func (f *Failover) do(ctx context.Context, step func(context.Context, Store) error, seen func(context.Context) error) error {
	f.start(ctx)
	began := time.Now()
	for {
		mode, err := f.try(ctx, step, seen)
		if err == nil || mode == OnMemory {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if mode == OnPrimary && f.patient(began) {
			rest(ctx, againAfter+rand.N(againAfter))
			continue
		}
		f.fall(ctx, mode, err)
	}
}

// patient reports whether a step that began at an instant and failed on the primary is to
// be tried there again: a server that restarts is back within the Timeout, and what only
// this process's disk holds is lost to the other daemons while this one is dead. Counted
// from the first step that failed, so that a dead database costs the first page this
// time and no other one.
func (f *Failover) patient(began time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.failing.IsZero() {
		f.failing = now
	}
	limit := f.limit()
	return now.Sub(began) < limit && now.Sub(f.failing) < limit
}

func (f *Failover) limit() time.Duration {
	if f.Timeout == 0 {
		return primaryTimeout
	}
	return f.Timeout
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// try makes the step in the store of the present mode and tells which that was.
func (f *Failover) try(ctx context.Context, step func(context.Context, Store) error, seen func(context.Context) error) (Mode, error) {
	if err := f.gate.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer f.gate.Release(1)
	var err error
	switch f.mode {
	case OnPrimary:
		err = f.onPrimary(ctx, func(ctx context.Context) error { return step(ctx, f.Primary) })
	case OnSpool:
		// One at a time, so that view sees the same order; the disk is the limit anyway.
		f.serial.Lock()
		defer f.serial.Unlock()
		err = step(ctx, f.Spool)
	case OnMemory:
		return f.mode, step(ctx, &f.view)
	}
	if err == nil && seen != nil {
		// Also when ctx has ended just now: the step was taken.
		err = seen(context.WithoutCancel(ctx))
	}
	return f.mode, err
}

// lock takes gate whole, whatever becomes of ctx, and returns what gives it back.
func (f *Failover) lock(ctx context.Context) (unlock func()) {
	if err := f.gate.Acquire(context.WithoutCancel(ctx), gateWhole); err != nil {
		panic("a context without an end has ended")
	}
	return func() { f.gate.Release(gateWhole) }
}

// onPrimary bounds a call to the primary, and lets the first one that fails end
// all others: they would only wait for the same dead connection.
//
// A call that took much longer than its deadline was frozen with this process; that says
// nothing about the database, so it is made once more. Going to the spool instead would
// make two stores of one night: another daemon leads on the database meanwhile.
func (f *Failover) onPrimary(ctx context.Context, call func(context.Context) error) error {
	limit, began := f.limit(), time.Now()
	err := f.callPrimary(ctx, limit, call)
	if err != nil && time.Since(began) > limit+overslept && ctx.Err() == nil {
		err = f.callPrimary(ctx, limit, call)
	}
	if err == nil {
		f.mu.Lock()
		f.failing = time.Time{}
		f.mu.Unlock()
	}
	return err
}

func (f *Failover) callPrimary(ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	f.mu.Lock()
	if f.cancels == nil {
		f.cancels = map[int]context.CancelFunc{}
	}
	f.step++
	id := f.step
	f.cancels[id] = cancel
	f.mu.Unlock()
	err := call(ctx)
	f.mu.Lock()
	delete(f.cancels, id)
	f.mu.Unlock()
	return err
}
