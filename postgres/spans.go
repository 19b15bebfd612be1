package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/probe"
	"keepwatch/reports"
)

var _ ledger.Store = (*Results)(nil)

// The fence is the right to fold: the row is locked until the transaction ends, so two
// can never fold at once, and who lost the right finds no row. Then nothing is folded,
// and the trigger of probe_result marks what was inserted.
const sqlFence = `
WITH fence AS (
	UPDATE fold_lease
	SET renewed = @renewed
	WHERE epoch = @epoch AND holder = @agent
	RETURNING set_config('keepwatch.folds', 'on', true) AS folds
), seen AS (
	INSERT INTO agent_span (agent, loc, starts, ends, why)
	SELECT @agent, l.id, @since, @now, @why
	FROM location l
	WHERE l.name = ANY (@locations::text[])
	ORDER BY l.id
	ON CONFLICT (agent, loc, starts) DO UPDATE SET ends = GREATEST(agent_span.ends, EXCLUDED.ends), why = EXCLUDED.why
)
SELECT count(f.folds) FROM fence f`

// As sqlFence, and the results with it: one statement a second.
const sqlFenceAndInsert = `
WITH fence AS (
	UPDATE fold_lease
	SET renewed = @renewed
	WHERE epoch = @epoch AND holder = @agent
	RETURNING set_config('keepwatch.folds', 'on', true) AS folds
), seen AS (
	INSERT INTO agent_span (agent, loc, starts, ends, why)
	SELECT @agent, l.id, @since, @now, @why
	FROM location l
	WHERE l.name = ANY (@locations::text[])
	ORDER BY l.id
	ON CONFLICT (agent, loc, starts) DO UPDATE SET ends = GREATEST(agent_span.ends, EXCLUDED.ends), why = EXCLUDED.why
), fresh AS (
	INSERT INTO probe_result (slot, check_id, latency_us, loc, outcome, attempts, code, err_id)
	SELECT r.slot, r.check_id, r.latency_us, r.loc, r.outcome, r.attempts, r.code, e.id
	FROM unnest(@slots::timestamptz[], @checks::int4[], @latencies::int4[], @locs::int2[],
		@outcomes::int2[], @attempts::int2[], @codes::int2[], @shas::bytea[])
		AS r (slot, check_id, latency_us, loc, outcome, attempts, code, sha)
	LEFT JOIN probe_error e ON e.sha = r.sha
	ON CONFLICT DO NOTHING
	RETURNING check_id, loc, slot
)
SELECT h.held, i.check_id, i.loc, i.slot
FROM (SELECT count(f.folds) AS held FROM fence f) h
LEFT JOIN fresh i ON true`

// Commit implements [ledger.Store].
func (r *Results) Commit(ctx context.Context, l ledger.Lease, rs []probe.Result, fold func([]ledger.Row, map[int16]string) ledger.Changes) error {
	if err := r.learnNames(ctx, rs); err != nil {
		return insertError(err)
	}
	b := r.columns(rs)
	if err := r.ensureDays(ctx, b.slots); err != nil {
		return insertError(err)
	}
	began := false
	once := func(rows []ledger.Row, names map[int16]string) ledger.Changes {
		began = true
		return fold(rows, names)
	}
	err := r.commit(ctx, l, b, rs, once)
	if noPartition(err) && !began {
		// Another process dropped a partition that this one remembers.
		r.mu.Lock()
		r.days = nil
		r.mu.Unlock()
		if err := r.ensureDays(ctx, b.slots); err != nil {
			return insertError(err)
		}
		err = r.commit(ctx, l, b, rs, once)
	}
	if err == nil || errors.Is(err, ledger.ErrNotHolder) {
		return err
	}
	return insertError(err)
}

// commit is one transaction. A lost fence does not undo the results.
func (r *Results) commit(ctx context.Context, l ledger.Lease, b *batch, rs []probe.Result, fold func([]ledger.Row, map[int16]string) ledger.Changes) error {
	lost := false
	err := pgx.BeginFunc(ctx, r.DB.pool, func(tx pgx.Tx) error {
		held, fresh, err := r.insertFenced(ctx, tx, l, b)
		if err != nil {
			return err
		}
		if lost = l.Epoch != 0 && !held; lost || l.Epoch == 0 {
			return nil
		}
		c := fold(r.freshRows(b, rs, fresh), r.locationNames())
		return r.writeChanges(ctx, tx, c)
	})
	if err == nil && lost {
		return ledger.ErrNotHolder
	}
	return err
}

// leaseArgs are the parameters of the fence. The last word gives the right away.
func leaseArgs(l ledger.Lease) pgx.NamedArgs {
	renewed := l.Now
	if l.Why != "running" {
		renewed = time.Unix(0, 0).UTC()
	}
	return pgx.NamedArgs{
		"renewed": renewed, "epoch": l.Epoch, "agent": l.Agent, "since": l.Since, "now": l.Now, "why": l.Why,
		"locations": l.Locations,
	}
}

// freshKey names a row of a batch.
type freshKey struct {
	check int32
	loc   int16
	slot  int64 // unix microseconds
}

// insertFenced inserts the batch and returns which of its rows were new.
func (r *Results) insertFenced(ctx context.Context, tx pgx.Tx, l ledger.Lease, b *batch) (held bool, fresh map[freshKey]struct{}, err error) {
	args := leaseArgs(l)
	if len(b.slots) == 0 {
		var n int64
		err := tx.QueryRow(ctx, sqlFence, args).Scan(&n)
		return n > 0, nil, err
	}
	maps.Copy(args, pgx.NamedArgs{
		"slots": b.slots, "checks": b.checks, "latencies": b.latencies, "locs": b.locs,
		"outcomes": b.outcomes, "attempts": b.attempts, "codes": b.codes, "shas": b.shas,
	})
	if len(b.errs.shas) > 0 {
		if _, err := tx.Exec(ctx, sqlInsertErrors, b.errs.args()); err != nil {
			return false, nil, err
		}
	}
	rows, err := tx.Query(ctx, sqlFenceAndInsert, args)
	if err != nil {
		return false, nil, err
	}
	fresh = make(map[freshKey]struct{}, len(b.slots))
	var n int64
	var check *int32
	var loc *int16
	var slot *time.Time
	_, err = pgx.ForEachRow(rows, []any{&n, &check, &loc, &slot}, func() error {
		held = n > 0
		if check != nil {
			fresh[freshKey{*check, *loc, slot.UnixMicro()}] = struct{}{}
		}
		return nil
	})
	return held, fresh, err
}

// freshRows are the results of a batch that were new, as the ledger takes them. Of two
// for one slot the first was stored.
func (r *Results) freshRows(b *batch, rs []probe.Result, fresh map[freshKey]struct{}) []ledger.Row {
	rows := make([]ledger.Row, 0, len(fresh))
	i := -1
	for n := range rs {
		p := &rs[n]
		if p.Extra {
			continue
		}
		i++
		key := freshKey{b.checks[i], b.locs[i], b.slots[i].UnixMicro()}
		if _, ok := fresh[key]; !ok {
			continue
		}
		delete(fresh, key)
		rows = append(rows, ledger.Row{
			Check: p.Check,
			Row: reports.Row{
				Slot: time.UnixMicro(key.slot).UTC(), Location: key.loc, Outcome: b.outcomes[i], Attempts: b.attempts[i],
			},
			Latency: time.Duration(b.latencies[i]) * time.Microsecond,
			Failure: failureOf(p),
		})
	}
	return rows
}

// failureOf is what probe_error will say of a result.
func failureOf(p *probe.Result) reports.Failure {
	f := p.Look.Fault
	if p.Cause == "" && f.Class == "" && f.Message == "" {
		return reports.Failure{}
	}
	return reports.Failure{Cause: storable(p.Cause), Class: storable(string(f.Class)), Message: storable(f.Message)}
}

func (r *Results) locationNames() map[int16]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make(map[int16]string, len(r.locations))
	for name, id := range r.locations {
		names[id] = name
	}
	return names
}

// One statement for all that a second changed.
const sqlWriteFolded = `
WITH days AS (
	INSERT INTO slo_day (check_id, day, until, good_ms, bad_ms, unknown_ms, probes, good_probes, soft_fail, softs)
	SELECT d.check_id, d.day, d.until, d.good, d.bad, d.unknown, d.probes, d.good_probes, d.soft, d.softs
	FROM unnest(@day_checks::int4[], @day_days::timestamptz[], @day_untils::timestamptz[], @day_goods::int4[], @day_bads::int4[],
		@day_unknowns::int4[], @day_probes::int4[], @day_good_probes::int4[], @day_soft::int4[], @day_softs::bytea[])
		AS d (check_id, day, until, good, bad, unknown, probes, good_probes, soft, softs)
	ON CONFLICT (check_id, day) DO UPDATE SET until = EXCLUDED.until, good_ms = EXCLUDED.good_ms, bad_ms = EXCLUDED.bad_ms,
		unknown_ms = EXCLUDED.unknown_ms, probes = EXCLUDED.probes, good_probes = EXCLUDED.good_probes,
		soft_fail = EXCLUDED.soft_fail, softs = EXCLUDED.softs
), hists AS (
	INSERT INTO latency_hist (check_id, day, loc, n, hist)
	SELECT h.check_id, h.day, h.loc, h.n, h.hist
	FROM unnest(@hist_checks::int4[], @hist_days::timestamptz[], @hist_locs::int2[], @hist_ns::int4[], @hist_bodies::bytea[])
		AS h (check_id, day, loc, n, hist)
	ON CONFLICT (check_id, day, loc) DO UPDATE SET n = EXCLUDED.n, hist = EXCLUDED.hist
), marks AS (
	INSERT INTO fold_mark (check_id, from_at, to_at)
	SELECT m.check_id, m.from_at, m.to_at
	FROM unnest(@mark_checks::int4[], @mark_froms::timestamptz[], @mark_tos::timestamptz[]) AS m (check_id, from_at, to_at)
)
INSERT INTO span (starts, check_id, dur_ms, scope, state, cause, locations)
SELECT s.starts, s.check_id, NULLIF(s.dur, -1), s.scope, s.state, NULLIF(s.cause, ''), NULLIF(s.locations, '')
FROM unnest(@span_starts::timestamptz[], @span_checks::int4[], @span_durs::int4[], @span_scopes::int2[],
	@span_states::int2[], @span_causes::text[], @span_locations::text[])
	AS s (starts, check_id, dur, scope, state, cause, locations)
ON CONFLICT (check_id, scope, starts) DO UPDATE SET dur_ms = EXCLUDED.dur_ms, state = EXCLUDED.state,
	cause = EXCLUDED.cause, locations = EXCLUDED.locations`

// writeChanges writes what was folded. Every check's name is known by now.
func (r *Results) writeChanges(ctx context.Context, tx pgx.Tx, c ledger.Changes) error {
	if c.Empty() {
		return nil
	}
	if err := r.ensureMonths(ctx, c.Spans); err != nil {
		return err
	}
	args := pgx.NamedArgs{}
	r.dayArgs(args, c.Days)
	r.spanArgs(args, c.Spans)
	if err := r.histArgs(args, c.Hists); err != nil {
		return err
	}
	var checks []int32
	var froms, tos []time.Time
	for _, m := range c.Marks {
		checks, froms, tos = append(checks, r.checkID(m.Check)), append(froms, m.From), append(tos, m.To)
	}
	maps.Copy(args, pgx.NamedArgs{"mark_checks": checks, "mark_froms": froms, "mark_tos": tos})
	_, err := tx.Exec(ctx, sqlWriteFolded, args)
	return err
}

func (r *Results) dayArgs(args pgx.NamedArgs, days []ledger.Day) {
	var checks []int32
	var starts, untils []time.Time
	var n [6][]int32 // good, bad, unknown, probes, good probes, soft
	var softs [][]byte
	for _, d := range days {
		checks, starts, untils = append(checks, r.checkID(d.Check)), append(starts, d.Start), append(untils, d.Until)
		for i, v := range [6]int64{d.GoodMs, d.BadMs, d.UnknownMs, int64(d.Probes), int64(d.GoodProbes), int64(len(d.Soft))} {
			n[i] = append(n[i], int32(v)) //nolint:gosec // a day has 86,400,000 ms
		}
		softs = append(softs, softBytes(d.Start, d.Soft))
	}
	maps.Copy(args, pgx.NamedArgs{
		"day_checks": checks, "day_days": starts, "day_untils": untils, "day_goods": n[0], "day_bads": n[1], "day_unknowns": n[2],
		"day_probes": n[3], "day_good_probes": n[4], "day_soft": n[5], "day_softs": softs,
	})
}

func (r *Results) spanArgs(args pgx.NamedArgs, spans []ledger.Span) {
	var starts []time.Time
	var checks, durs []int32
	var scopes, states []int16
	var causes, locations []string
	for _, s := range spans {
		dur := int32(-1)
		if !s.Open {
			dur = int32(s.Ms()) //nolint:gosec // a day at most
		}
		starts, checks, durs = append(starts, s.From), append(checks, r.checkID(s.Check)), append(durs, dur)
		scopes, states = append(scopes, s.Scope), append(states, int16(s.Verdict))
		causes, locations = append(causes, s.Cause), append(locations, strings.Join(s.Locations, "\n"))
	}
	maps.Copy(args, pgx.NamedArgs{
		"span_starts": starts, "span_checks": checks, "span_durs": durs, "span_scopes": scopes,
		"span_states": states, "span_causes": causes, "span_locations": locations,
	})
}

func (r *Results) histArgs(args pgx.NamedArgs, hists []ledger.Hist) error {
	var checks, ns []int32
	var days []time.Time
	var locs []int16
	var bodies [][]byte
	for _, h := range hists {
		body, err := h.MarshalBinary()
		if err != nil {
			return err
		}
		checks, days, locs = append(checks, r.checkID(h.Check)), append(days, h.Day), append(locs, h.Location)
		ns, bodies = append(ns, int32(h.N())), append(bodies, body) //nolint:gosec // results of a day
	}
	maps.Copy(args, pgx.NamedArgs{"hist_checks": checks, "hist_days": days, "hist_locs": locs, "hist_ns": ns, "hist_bodies": bodies})
	return nil
}

// softBytes writes the starts of soft slots; softTimes reads them.
func softBytes(start time.Time, softs []time.Time) []byte {
	b, last := []byte{}, start
	for _, at := range softs {
		b = binary.AppendUvarint(b, uint64(at.Sub(last).Milliseconds())) //nolint:gosec // in order
		last = at
	}
	return b
}

func softTimes(start time.Time, b []byte) []time.Time {
	var out []time.Time
	for len(b) > 0 {
		ms, n := binary.Uvarint(b)
		if n <= 0 {
			break
		}
		b = b[n:]
		start = start.Add(time.Duration(ms) * time.Millisecond) //nolint:gosec // below a day
		out = append(out, start)
	}
	return out
}

const sqlMakeSpanMonth = `SELECT span_make_month(@month::timestamptz)`

// ensureMonths makes the partitions of the months of spans, unless known to exist.
func (r *Results) ensureMonths(ctx context.Context, spans []ledger.Span) error {
	missing := map[int64]struct{}{}
	r.mu.Lock()
	for _, s := range spans {
		at := monthOf(s.From).Unix()
		if _, ok := r.months[at]; !ok {
			missing[at] = struct{}{}
		}
	}
	r.mu.Unlock()
	for _, at := range slices.Sorted(maps.Keys(missing)) {
		var made bool
		if err := r.DB.pool.QueryRow(ctx, sqlMakeSpanMonth, pgx.NamedArgs{"month": time.Unix(at, 0).UTC()}).Scan(&made); err != nil {
			return fmt.Errorf("make the partition of a month: %w", err)
		}
		r.mu.Lock()
		if r.months == nil {
			r.months = map[int64]struct{}{}
		}
		r.months[at] = struct{}{}
		r.mu.Unlock()
	}
	return nil
}

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}
