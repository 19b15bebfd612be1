package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"keepwatch/probe"
)

const day = 24 * time.Hour

// Results keeps what was looked at and what was seen; it is a [probe.Store].
// Set DB. Copies share nothing but the DB: keep one and pass its address. Safe
// for concurrent use.
type Results struct {
	DB *DB

	mu        sync.Mutex
	checks    map[string]int32   // ids by name; guarded by mu
	locations map[string]int16   // ids by name; guarded by mu
	days      map[int64]struct{} // unix days whose partition is known to exist; guarded by mu
	months    map[int64]struct{} // the same of the months of spans; guarded by mu
}

var _ probe.Store = (*Results)(nil)

// batch is results as columns, ready for unnest.
type batch struct {
	slots     []time.Time
	checks    []int32
	latencies []int32
	locs      []int16
	outcomes  []int16
	attempts  []int16
	codes     []int16
	shas      [][]byte // nil: nothing to explain

	errs errorBatch
}

// errorBatch is the different explanations of a batch, as columns.
type errorBatch struct {
	seen     map[string]struct{}
	shas     [][]byte
	hours    []time.Time
	causes   []string
	classes  []string
	phases   []string
	messages []string
	bodies   [][]byte
	codes    []int32
	steps    []string // names of the steps that failed, "" for other kinds
	journeys []string // all steps as JSON, "" for none
}

const sqlInsertErrors = `
INSERT INTO probe_error (sha, hour, cause, class, phase, message, body, code, step, steps)
SELECT n.sha, n.hour, n.cause, n.class, n.phase, n.message, n.body, n.code, n.step, NULLIF(n.steps, '')::jsonb
FROM unnest(@shas::bytea[], @hours::timestamptz[], @causes::text[], @classes::text[],
	@phases::text[], @messages::text[], @bodies::bytea[], @codes::int4[], @steps::text[], @journeys::text[])
	AS n (sha, hour, cause, class, phase, message, body, code, step, steps)
WHERE NOT EXISTS (SELECT FROM probe_error e WHERE e.sha = n.sha)
ORDER BY n.sha
ON CONFLICT (sha) DO NOTHING`

const sqlInsertResults = `
INSERT INTO probe_result (slot, check_id, latency_us, loc, outcome, attempts, code)
SELECT r.slot, r.check_id, r.latency_us, r.loc, r.outcome, r.attempts, r.code
FROM unnest(@slots::timestamptz[], @checks::int4[], @latencies::int4[], @locs::int2[],
	@outcomes::int2[], @attempts::int2[], @codes::int2[])
	AS r (slot, check_id, latency_us, loc, outcome, attempts, code)
ON CONFLICT DO NOTHING`

// The join is paid only by batches that have something to explain.
const sqlInsertResultsWithErrors = `
INSERT INTO probe_result (slot, check_id, latency_us, loc, outcome, attempts, code, err_id)
SELECT r.slot, r.check_id, r.latency_us, r.loc, r.outcome, r.attempts, r.code, e.id
FROM unnest(@slots::timestamptz[], @checks::int4[], @latencies::int4[], @locs::int2[],
	@outcomes::int2[], @attempts::int2[], @codes::int2[], @shas::bytea[])
	AS r (slot, check_id, latency_us, loc, outcome, attempts, code, sha)
LEFT JOIN probe_error e ON e.sha = r.sha
ON CONFLICT DO NOTHING`

// Insert stores results: all of them or none, each (check, location, slot)
// once. Extra results are skipped. Unknown checks and locations get their row,
// and a day of any age its partition, so that a late replay works. An empty
// batch is no work. The error is [ErrUnavailable] when
// trying again may help, and [probe.ErrRefused] when these very values are refused.
func (r *Results) Insert(ctx context.Context, rs []probe.Result) error {
	if err := r.learnNames(ctx, rs); err != nil {
		return insertError(err)
	}
	b := r.columns(rs)
	if len(b.slots) == 0 {
		return nil
	}
	if err := r.ensureDays(ctx, b.slots); err != nil {
		return insertError(err)
	}
	err := r.write(ctx, b)
	if noPartition(err) {
		// Another process dropped a partition that this one remembers.
		r.mu.Lock()
		r.days = nil
		r.mu.Unlock()
		if err := r.ensureDays(ctx, b.slots); err != nil {
			return insertError(err)
		}
		err = r.write(ctx, b)
	}
	if err != nil {
		return insertError(err)
	}
	return nil
}

// insertError says which errors no repetition can mend: the server refuses the
// very values (classes 22, data exception, and 23, integrity constraint).
func insertError(err error) error {
	err = translate(fmt.Errorf("insert results: %w", err))
	if noPartition(err) {
		return err // nothing is wrong with the values
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "23")) {
		return fmt.Errorf("%w: %w", probe.ErrRefused, err)
	}
	return err
}

// write sends the batch in one round trip and one (implicit) transaction.
func (r *Results) write(ctx context.Context, b *batch) error {
	args := pgx.NamedArgs{
		"slots": b.slots, "checks": b.checks, "latencies": b.latencies, "locs": b.locs,
		"outcomes": b.outcomes, "attempts": b.attempts, "codes": b.codes,
	}
	if len(b.errs.shas) == 0 {
		_, err := r.DB.pool.Exec(ctx, sqlInsertResults, args)
		return err
	}
	args["shas"] = b.shas
	both := &pgx.Batch{}
	both.Queue(sqlInsertErrors, b.errs.args())
	both.Queue(sqlInsertResultsWithErrors, args)
	return r.DB.pool.SendBatch(ctx, both).Close()
}

// args are the parameters of sqlInsertErrors.
func (e *errorBatch) args() pgx.NamedArgs {
	return pgx.NamedArgs{
		"shas": e.shas, "hours": e.hours, "causes": e.causes, "classes": e.classes,
		"phases": e.phases, "messages": e.messages, "bodies": e.bodies, "codes": e.codes,
		"steps": e.steps, "journeys": e.journeys,
	}
}

// columns turns results into arrays; every name is known by now.
func (r *Results) columns(rs []probe.Result) *batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &batch{}
	for i := range rs {
		p := &rs[i]
		if p.Extra {
			continue
		}
		b.slots = append(b.slots, p.Slot.UTC())
		b.checks = append(b.checks, r.checks[p.Check])
		b.latencies = append(b.latencies, int32(min(max(p.Look.Latency.Microseconds(), 0), math.MaxInt32)))
		b.locs = append(b.locs, r.locations[p.Location])
		b.outcomes = append(b.outcomes, int16(p.Outcome))
		b.attempts = append(b.attempts, clamp16(p.Attempts))
		b.codes = append(b.codes, clamp16(p.Look.Code))
		b.shas = append(b.shas, b.errs.add(p))
	}
	return b
}

func clamp16(n int) int16 { return int16(min(max(n, 0), math.MaxInt16)) }

// add notes why a result was not good and returns the key of that text; nil
// when there is nothing to explain.
func (e *errorBatch) add(p *probe.Result) []byte {
	f := p.Look.Fault
	if p.Cause == "" && f.Class == "" && f.Message == "" {
		return nil
	}
	hour := p.Slot.UTC().Truncate(time.Hour)
	sha := errorKey(p, hour)
	if _, ok := e.seen[string(sha)]; ok {
		return sha
	}
	if e.seen == nil {
		e.seen = map[string]struct{}{}
	}
	e.seen[string(sha)] = struct{}{}
	e.shas = append(e.shas, sha)
	e.hours = append(e.hours, hour)
	e.causes = append(e.causes, storable(p.Cause))
	e.classes = append(e.classes, storable(string(f.Class)))
	e.phases = append(e.phases, storable(f.Phase))
	e.messages = append(e.messages, storable(f.Message))
	e.bodies = append(e.bodies, f.Body)
	e.codes = append(e.codes, int32(clamp16(p.Look.Code)))
	e.steps = append(e.steps, storable(f.Step))
	e.journeys = append(e.journeys, stepsText(p.Look.Steps))
	return sha
}

// errorKey is the same for every repetition of one text within an hour of one
// check; fields are separated by their lengths.
func errorKey(p *probe.Result, hour time.Time) []byte {
	var buf []byte
	f := p.Look.Fault
	for _, s := range []string{p.Check, p.Cause, string(f.Class), f.Phase, f.Message} {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	buf = binary.AppendVarint(buf, hour.Unix())
	buf = binary.AppendVarint(buf, int64(p.Look.Code))
	sum := sha256.Sum256(buf)
	return sum[:16]
}
