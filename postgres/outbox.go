package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/alerting"
	"keepwatch/alerting/failpoint"
)

var _ alerting.Primary = Incidents{}

const sqlOutboxAdd = `
INSERT INTO outbox (id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
                    fallback, urgency, state, created_at, due_at, lease_until, epoch, attempts,
                    first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
                    verified_at, proof, ringing, ringing_at)
VALUES (@id, @incident, @seq, @channel, @route, @dedup_key, @action, @person, @level, @payload,
        @fallback, @urgency, @state, @created, @due, @lease_until, @epoch, @attempts,
        @first_tried, @unsure, @accepted, @last_status, @last_error, @fell_back,
        @verified, @proof, @ringing, @ringing_at)
ON CONFLICT (id) DO NOTHING`

// Apply implements [alerting.Store].
func (s Incidents) Apply(ctx context.Context, c alerting.Change) error {
	b := &pgx.Batch{}
	in := c.Incident
	if in.Version > 0 {
		b.Queue(sqlIncidentVersion, pgx.NamedArgs{"id": in.ID})
		b.Queue(sqlIncidentPut, incidentArgs(in, false))
	}
	queueEntries(b, c.Entries)
	for _, p := range c.Pages {
		b.Queue(sqlOutboxAdd, pageArgs(p))
	}
	err := s.DB.batchTx(ctx, b, func(r pgx.BatchResults) (bool, error) {
		if in.Version == 0 {
			return true, nil
		}
		version, err := scanVersion(r.QueryRow())
		return in.Version >= version, err
	}, func() { passPages(failpoint.BeforeCommit, c.Pages) })
	if err != nil {
		return fmt.Errorf("apply change of %s: %w", c.Incident.ID, err)
	}
	passPages(failpoint.AfterCommit, c.Pages)
	return nil
}

// passPages passes a failpoint with each page; without the build tag it is nothing.
func passPages(point string, pages []alerting.Page) {
	for _, p := range pages {
		failpoint.Hit(point, string(p.Action))
	}
}

// A row that another deliverer holds is passed over; so is a page with an older
// unfinished one of its key. Under READ COMMITTED a row that changed since the
// snapshot is looked at again before it is locked, so ready_at is never stale.
const sqlOutboxClaim = `
WITH ready AS (
	SELECT o.id
	FROM outbox o
	WHERE o.ready_at <= @now
	  AND NOT EXISTS (
		SELECT 1
		FROM outbox older
		WHERE older.dedup_key = o.dedup_key AND older.route = o.route AND older.channel = o.channel
		  AND older.ready_at IS NOT NULL
		  AND (older.seq, older.id) < (o.seq, o.id))
	ORDER BY o.urgency, o.created_at NULLS FIRST, o.seq, o.id
	LIMIT @limit
	FOR UPDATE OF o SKIP LOCKED
), claimed AS (
	UPDATE outbox
	SET state = 'sending', lease_until = @until, epoch = outbox.epoch + 1,
	    unsure_at = CASE outbox.state WHEN 'sending' THEN @now ELSE outbox.unsure_at END
	FROM ready
	WHERE outbox.id = ready.id
	RETURNING outbox.id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
	          fallback, urgency, state, created_at, due_at, lease_until, epoch, attempts,
	          first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
	          verified_at, proof, ringing, ringing_at
)
SELECT id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
       fallback, state, created_at, due_at, lease_until, epoch, attempts,
       first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
       verified_at, proof, ringing, ringing_at
FROM claimed
ORDER BY urgency, created_at NULLS FIRST, seq, id`

// Claim implements [alerting.Store].
func (s Incidents) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerting.Page, error) {
	rows, err := s.DB.pool.Query(ctx, sqlOutboxClaim, pgx.NamedArgs{
		"now": now.UTC(), "until": now.Add(lease).UTC(), "limit": limit,
	})
	return collectPages("claim pages", rows, err)
}

const sqlOutboxSettle = `
UPDATE outbox
SET state = @state, due_at = @due, lease_until = @lease_until, attempts = @attempts,
    first_tried_at = @first_tried, unsure_at = @unsure, accepted_at = @accepted,
    last_status = @last_status, last_error = @last_error, fell_back = @fell_back,
    verified_at = @verified, proof = @proof, ringing = @ringing, ringing_at = @ringing_at
WHERE id = @id AND epoch = @epoch
  AND (state IN ('queued', 'sending') OR @state IN ('accepted', 'rejected', 'cancelled'))`

// Settle implements [alerting.Store].
func (s Incidents) Settle(ctx context.Context, o alerting.Settlement) error {
	if err := s.settle(ctx, o); err != nil {
		return fmt.Errorf("settle page %s: %w", o.Page.ID, err)
	}
	return nil
}

func (s Incidents) settle(ctx context.Context, o alerting.Settlement) error {
	if len(o.Entries)+len(o.Fallback) == 0 { // one statement is its own transaction
		_, err := s.DB.pool.Exec(ctx, sqlOutboxSettle, pageArgs(o.Page))
		return translate(err)
	}
	b := &pgx.Batch{}
	b.Queue(sqlOutboxSettle, pageArgs(o.Page))
	queueEntries(b, o.Entries)
	for _, p := range o.Fallback {
		b.Queue(sqlOutboxAdd, pageArgs(p))
	}
	return s.DB.batchTx(ctx, b, func(r pgx.BatchResults) (bool, error) {
		tag, err := r.Exec()
		return tag.RowsAffected() > 0, err
	}, func() { failpoint.Hit(failpoint.DuringMark, string(o.Page.Action)) })
}

const sqlOutboxPages = `
SELECT id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
       fallback, state, created_at, due_at, lease_until, epoch, attempts,
       first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
       verified_at, proof, ringing, ringing_at
FROM outbox
WHERE incident_id = @incident
ORDER BY created_at NULLS FIRST, seq, id`

// Pages implements [alerting.Store].
func (s Incidents) Pages(ctx context.Context, incident string) ([]alerting.Page, error) {
	rows, err := s.DB.pool.Query(ctx, sqlOutboxPages, pgx.NamedArgs{"incident": incident})
	return collectPages("read pages", rows, err)
}

const sqlOutboxBacklog = `
SELECT COUNT(*), MIN(created_at)
FROM outbox
WHERE ready_at IS NOT NULL`

// Backlog implements [alerting.Store].
func (s Incidents) Backlog(ctx context.Context) (alerting.Backlog, error) {
	var out alerting.Backlog
	var oldest *time.Time
	if err := s.DB.pool.QueryRow(ctx, sqlOutboxBacklog).Scan(&out.Pages, &oldest); err != nil {
		return out, translate(fmt.Errorf("count pages: %w", err))
	}
	out.Oldest = instant(oldest)
	return out, nil
}

const sqlOutboxUnfinished = `
SELECT id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
       fallback, state, created_at, due_at, lease_until, epoch, attempts,
       first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
       verified_at, proof, ringing, ringing_at
FROM outbox
WHERE incident_id IN (
	SELECT incident_id FROM outbox WHERE ready_at IS NOT NULL
	UNION
	SELECT id FROM incident WHERE state <> 'resolved')
ORDER BY created_at NULLS FIRST, seq, id`

const sqlIncidentUnfinished = `
SELECT id, service, state, version, started_at, opened_at, acknowledged_at, resolved_at,
       ack_by, summary, checks, level, round, next_action_at, policy,
       alarm, severity, recovered_at, expires_at, course
FROM incident
WHERE state <> 'resolved' OR id IN (SELECT incident_id FROM outbox WHERE ready_at IS NOT NULL)
ORDER BY opened_at NULLS FIRST, id`

// Unfinished implements [alerting.Transfer].
func (s Incidents) Unfinished(ctx context.Context) ([]alerting.Change, error) {
	incidents, err := s.incidents(ctx, sqlIncidentUnfinished, nil)
	if err != nil {
		return nil, err
	}
	rows, err := s.DB.pool.Query(ctx, sqlOutboxUnfinished)
	pages, err := collectPages("read unfinished pages", rows, err)
	if err != nil {
		return nil, err
	}
	out := make([]alerting.Change, 0, len(incidents))
	place := make(map[string]int, len(incidents))
	for _, in := range incidents {
		place[in.ID] = len(out)
		out = append(out, alerting.Change{Incident: in})
	}
	for _, p := range pages {
		i, ok := place[p.Incident]
		if !ok {
			i = len(out)
			place[p.Incident] = i
			out = append(out, alerting.Change{})
		}
		out[i].Pages = append(out[i].Pages, p)
	}
	return out, nil
}

func collectPages(what string, rows pgx.Rows, err error) ([]alerting.Page, error) {
	if err != nil {
		return nil, translate(fmt.Errorf("%s: %w", what, err))
	}
	pages, err := pgx.CollectRows(rows, scanPage)
	if err != nil {
		return nil, translate(fmt.Errorf("%s: %w", what, err))
	}
	return pages, nil
}

func scanPage(row pgx.CollectableRow) (alerting.Page, error) {
	var p alerting.Page
	var created, due, lease, tried, unsure, accepted, verified, ringing *time.Time
	err := row.Scan(&p.ID, &p.Incident, &p.Seq, &p.Channel, &p.Route, &p.DedupKey, &p.Action, &p.Person,
		&p.Level, &p.Message, &p.Fallback, &p.State, &created, &due, &lease, &p.Epoch, &p.Attempts,
		&tried, &unsure, &accepted, &p.LastStatus, &p.LastError, &p.FellBack,
		&verified, &p.Proof, &p.Ringing, &ringing)
	p.Created, p.Due, p.LeaseUntil = instant(created), instant(due), instant(lease)
	p.FirstTried, p.UnsureAt, p.AcceptedAt = instant(tried), instant(unsure), instant(accepted)
	p.VerifiedAt, p.RingingAt = instant(verified), instant(ringing)
	return p, err
}

func pageArgs(p alerting.Page) pgx.NamedArgs {
	return pgx.NamedArgs{
		"id": p.ID, "incident": p.Incident, "seq": p.Seq, "channel": p.Channel, "route": p.Route,
		"dedup_key": p.DedupKey, "action": p.Action, "person": clean(p.Person), "level": p.Level,
		"payload": cleanMessage(p.Message), "fallback": p.Fallback, "urgency": p.Urgency(),
		"state": p.State, "created": stamp(p.Created), "due": stamp(p.Due),
		"lease_until": stamp(p.LeaseUntil), "epoch": p.Epoch, "attempts": p.Attempts,
		"first_tried": stamp(p.FirstTried), "unsure": stamp(p.UnsureAt), "accepted": stamp(p.AcceptedAt),
		"last_status": p.LastStatus, "last_error": clean(p.LastError), "fell_back": p.FellBack,
		"verified": stamp(p.VerifiedAt), "proof": p.Proof, "ringing": clean(p.Ringing), "ringing_at": stamp(p.RingingAt),
	}
}

func cleanMessage(m alerting.Message) alerting.Message {
	m.Summary, m.Source, m.Severity = clean(m.Summary), clean(m.Source), clean(m.Severity)
	m.Component, m.Link, m.AckLink = clean(m.Component), clean(m.Link), clean(m.AckLink)
	if m.Details == nil {
		return m
	}
	details := make(map[string]string, len(m.Details))
	for k, v := range m.Details {
		details[clean(k)] = clean(v)
	}
	m.Details = details
	return m
}

const sqlOutboxLock = `
SELECT id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
       fallback, state, created_at, due_at, lease_until, epoch, attempts,
       first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
       verified_at, proof, ringing, ringing_at
FROM outbox
WHERE incident_id = @incident
ORDER BY created_at NULLS FIRST, seq, id
FOR UPDATE`

const sqlOutboxMerge = `
INSERT INTO outbox (id, incident_id, seq, channel, route, dedup_key, action, person, level, payload,
                    fallback, urgency, state, created_at, due_at, lease_until, epoch, attempts,
                    first_tried_at, unsure_at, accepted_at, last_status, last_error, fell_back,
                    verified_at, proof, ringing, ringing_at)
VALUES (@id, @incident, @seq, @channel, @route, @dedup_key, @action, @person, @level, @payload,
        @fallback, @urgency, @state, @created, @due, @lease_until, @epoch, @attempts,
        @first_tried, @unsure, @accepted, @last_status, @last_error, @fell_back,
        @verified, @proof, @ringing, @ringing_at)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, due_at = excluded.due_at, lease_until = excluded.lease_until,
    epoch = excluded.epoch, attempts = excluded.attempts,
    first_tried_at = excluded.first_tried_at, unsure_at = excluded.unsure_at,
    accepted_at = excluded.accepted_at, last_status = excluded.last_status,
    last_error = excluded.last_error, fell_back = excluded.fell_back,
    verified_at = excluded.verified_at, proof = excluded.proof,
    ringing = excluded.ringing, ringing_at = excluded.ringing_at`

// Import implements [alerting.Importer].
func (s Incidents) Import(ctx context.Context, c alerting.Change) error {
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		if c.Incident.Version > 0 {
			if err := queueMergedIncident(ctx, tx, b, c.Incident); err != nil {
				return err
			}
		}
		queueEntries(b, c.Entries)
		if err := queueMergedPages(ctx, tx, b, c.Pages); err != nil {
			return err
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("import %s: %w", c.Incident.ID, err)
	}
	return nil
}

func queueMergedIncident(ctx context.Context, tx pgx.Tx, b *pgx.Batch, in alerting.Incident) error {
	// The lock first: two replays of one incident must not pass each other.
	if _, err := lockIncident(ctx, tx, in.ID); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, sqlIncidentGet, pgx.NamedArgs{"id": in.ID})
	if err != nil {
		return err
	}
	have, err := pgx.CollectExactlyOneRow(rows, scanIncident)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return err
	default:
		in = alerting.MergeIncident(have, in)
	}
	b.Queue(sqlIncidentPut, incidentArgs(in, true))
	return nil
}

func queueMergedPages(ctx context.Context, tx pgx.Tx, b *pgx.Batch, pages []alerting.Page) error {
	byIncident := map[string][]alerting.Page{}
	for _, p := range pages {
		byIncident[p.Incident] = append(byIncident[p.Incident], p)
	}
	for incident, got := range byIncident {
		rows, err := tx.Query(ctx, sqlOutboxLock, pgx.NamedArgs{"incident": incident})
		have, err := collectPages("lock pages", rows, err)
		if err != nil {
			return err
		}
		for _, p := range alerting.MergePages(have, got) {
			b.Queue(sqlOutboxMerge, pageArgs(p))
		}
	}
	return nil
}
