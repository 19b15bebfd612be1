package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/alerting"
)

// Incidents keeps incidents, their timelines and the outbox of pages. It
// implements [alerting.Primary]. Times are kept in microseconds; text that
// Postgres cannot hold (NUL, broken UTF-8) is replaced by U+FFFD, because a page
// must not die from a byte that a checked site sent. Safe for concurrent use.
type Incidents struct {
	DB *DB
}

const sqlIncidentList = `
SELECT id, service, state, version, started_at, opened_at, acknowledged_at, resolved_at,
       ack_by, summary, checks, level, round, next_action_at, policy,
       alarm, severity, recovered_at, expires_at, course
FROM incident
WHERE (@service::text = '' OR service = @service)
ORDER BY opened_at DESC, id DESC
LIMIT @limit`

// List returns the newest incidents, newest first, at most limit; service ""
// means all services.
func (s Incidents) List(ctx context.Context, service string, limit int) ([]alerting.Incident, error) {
	return s.incidents(ctx, sqlIncidentList, pgx.NamedArgs{"service": service, "limit": limit})
}

const sqlIncidentOpen = `
SELECT id, service, state, version, started_at, opened_at, acknowledged_at, resolved_at,
       ack_by, summary, checks, level, round, next_action_at, policy,
       alarm, severity, recovered_at, expires_at, course
FROM incident
WHERE state <> 'resolved'
ORDER BY opened_at NULLS FIRST, id`

// OpenIncidents implements [alerting.Store].
func (s Incidents) OpenIncidents(ctx context.Context) ([]alerting.Incident, error) {
	return s.incidents(ctx, sqlIncidentOpen, nil)
}

const sqlIncidentEnds = `
SELECT service, alarm, max(resolved_at) AS ended, max(id COLLATE "C") AS newest
FROM incident
WHERE state = 'resolved' AND resolved_at >= @since
GROUP BY service, alarm
ORDER BY service, alarm`

// Ended implements [alerting.Engine].Ended.
func (s Incidents) Ended(ctx context.Context, since time.Time) (map[string]alerting.Past, error) {
	type end struct {
		Service, Alarm string
		Ended          time.Time
		Newest         string
	}
	rows, err := s.DB.pool.Query(ctx, sqlIncidentEnds, pgx.NamedArgs{"since": since})
	if err != nil {
		return nil, translate(err)
	}
	ends, err := pgx.CollectRows(rows, pgx.RowToStructByName[end])
	if err != nil {
		return nil, translate(err)
	}
	out := make(map[string]alerting.Past, len(ends))
	for _, e := range ends {
		owner := e.Service
		if e.Alarm != "" {
			owner = alerting.AlarmOwner(e.Alarm)
		}
		p := out[owner] // an alarm may have been about another service before
		if p.Newest = max(p.Newest, e.Newest); e.Ended.After(p.Ended) {
			p.Ended = e.Ended
		}
		out[owner] = p
	}
	return out, nil
}

const sqlIncidentGet = `
SELECT id, service, state, version, started_at, opened_at, acknowledged_at, resolved_at,
       ack_by, summary, checks, level, round, next_action_at, policy,
       alarm, severity, recovered_at, expires_at, course
FROM incident
WHERE id = @id`

// Get returns one incident, or [alerting.ErrNotFound].
func (s Incidents) Get(ctx context.Context, id string) (alerting.Incident, error) {
	found, err := s.incidents(ctx, sqlIncidentGet, pgx.NamedArgs{"id": id})
	if err != nil {
		return alerting.Incident{}, err
	}
	if len(found) == 0 {
		return alerting.Incident{}, fmt.Errorf("incident %s: %w", id, alerting.ErrNotFound)
	}
	return found[0], nil
}

func (s Incidents) incidents(ctx context.Context, sql string, args pgx.NamedArgs) ([]alerting.Incident, error) {
	rows, err := s.DB.pool.Query(ctx, sql, args)
	if err != nil {
		return nil, translate(fmt.Errorf("read incidents: %w", err))
	}
	found, err := pgx.CollectRows(rows, scanIncident)
	if err != nil {
		return nil, translate(fmt.Errorf("read incidents: %w", err))
	}
	return found, nil
}

func scanIncident(row pgx.CollectableRow) (alerting.Incident, error) {
	var in alerting.Incident
	var policy policyJSON
	var course courseJSON
	var started, opened, acked, resolved, next, recovered, expires *time.Time
	err := row.Scan(&in.ID, &in.Service, &in.State, &in.Version, &started, &opened, &acked, &resolved,
		&in.AckBy, &in.Summary, &in.Checks, &in.Level, &in.Round, &next, &policy,
		&in.Alarm, &in.Severity, &recovered, &expires, &course)
	if err != nil {
		return in, err
	}
	in.Started, in.Opened, in.Acknowledged, in.Resolved = instant(started), instant(opened), instant(acked), instant(resolved)
	in.NextActionAt = instant(next)
	in.Policy = policy.policy()
	in.Course = course.course()
	in.Recovered, in.Expires = instant(recovered), instant(expires)
	if len(in.Checks) == 0 {
		in.Checks = nil
	}
	return in, nil
}

const sqlIncidentPut = `
INSERT INTO incident (id, service, state, version, started_at, opened_at, acknowledged_at, resolved_at,
                      ack_by, summary, checks, level, round, next_action_at, policy,
                      alarm, severity, recovered_at, expires_at, course)
VALUES (@id, @service, @state, @version, @started, @opened, @acknowledged, @resolved,
        @ack_by, @summary, @checks, @level, @round, @next_action, @policy,
        @alarm, @severity, @recovered, @expires, @course)
ON CONFLICT (id) DO UPDATE
SET service = excluded.service, state = excluded.state, version = excluded.version,
    started_at = excluded.started_at, opened_at = excluded.opened_at,
    acknowledged_at = excluded.acknowledged_at, resolved_at = excluded.resolved_at,
    ack_by = excluded.ack_by, summary = excluded.summary, checks = excluded.checks,
    level = excluded.level, round = excluded.round,
    next_action_at = excluded.next_action_at, policy = excluded.policy,
    alarm = excluded.alarm, severity = excluded.severity, recovered_at = excluded.recovered_at,
    expires_at = excluded.expires_at, course = excluded.course
WHERE incident.version < excluded.version OR @tie::bool AND incident.version = excluded.version`

// incidentArgs are the arguments of sqlIncidentPut; tie lets an equal version
// replace what is stored.
func incidentArgs(in alerting.Incident, tie bool) pgx.NamedArgs {
	checks := make([]string, 0, len(in.Checks))
	for _, c := range in.Checks {
		checks = append(checks, clean(c))
	}
	return pgx.NamedArgs{
		"id": in.ID, "service": clean(in.Service), "state": in.State, "version": in.Version,
		"started": stamp(in.Started), "opened": stamp(in.Opened),
		"acknowledged": stamp(in.Acknowledged), "resolved": stamp(in.Resolved),
		"ack_by": clean(in.AckBy), "summary": clean(in.Summary), "checks": checks,
		"level": in.Level, "round": in.Round, "next_action": stamp(in.NextActionAt),
		"policy": storePolicy(in.Policy), "tie": tie,
		"alarm": clean(in.Alarm), "severity": clean(string(in.Severity)),
		"recovered": stamp(in.Recovered), "expires": stamp(in.Expires), "course": storeCourse(in.Course),
	}
}

const sqlIncidentVersion = `
SELECT version
FROM incident
WHERE id = @id
FOR UPDATE`

// lockIncident locks the row and returns its version, 0 when there is none.
func lockIncident(ctx context.Context, tx pgx.Tx, id string) (int64, error) {
	return scanVersion(tx.QueryRow(ctx, sqlIncidentVersion, pgx.NamedArgs{"id": id}))
}

// scanVersion reads the version of a stored incident; 0 when there is none.
func scanVersion(row pgx.Row) (int64, error) {
	var version int64
	err := row.Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

const sqlEventPut = `
INSERT INTO incident_event (incident_id, seq, at, kind, person, body)
VALUES (@incident, @seq, @at, @kind, @person, @body)
ON CONFLICT (incident_id, seq) DO NOTHING`

func queueEntries(b *pgx.Batch, entries []alerting.Entry) {
	for _, e := range entries {
		b.Queue(sqlEventPut, pgx.NamedArgs{
			"incident": e.Incident, "seq": e.Seq, "at": stamp(e.At),
			"kind": clean(e.Kind), "person": clean(e.Person), "body": clean(e.Text),
		})
	}
}

const sqlEventList = `
SELECT incident_id, seq, at, kind, person, body
FROM incident_event
WHERE incident_id = @incident
ORDER BY at, seq`

// Timeline returns the entries of an incident, oldest first.
func (s Incidents) Timeline(ctx context.Context, id string) ([]alerting.Entry, error) {
	rows, err := s.DB.pool.Query(ctx, sqlEventList, pgx.NamedArgs{"incident": id})
	if err != nil {
		return nil, translate(fmt.Errorf("read timeline: %w", err))
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (alerting.Entry, error) {
		var e alerting.Entry
		var at *time.Time
		err := row.Scan(&e.Incident, &e.Seq, &at, &e.Kind, &e.Person, &e.Text)
		e.At = instant(at)
		return e, err
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read timeline: %w", err))
	}
	return entries, nil
}

// stamp is how an instant is stored: null when it is zero.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// clean makes text that Postgres can hold.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
