package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports"
)

// An acknowledgement that ran out, or was taken back, was one all the same: the
// timeline has it, the incident only the last. Nobody is asked to acknowledge what owes
// no page, or only one that does not ring.
const sqlReportIncidents = `
SELECT i.id, i.service, i.started_at, i.opened_at, p.rung, LEAST(a.at, i.acknowledged_at), i.resolved_at,
	COALESCE(a.person, i.ack_by), i.checks, i.summary, i.alarm, p.pages = 0 OR i.severity IN ('warning', 'info')
FROM incident i
CROSS JOIN LATERAL (
	SELECT count(*) AS pages, min(o.accepted_at) AS rung
	FROM outbox o
	WHERE o.incident_id = i.id
	AND o.action = 'trigger') p
LEFT JOIN LATERAL (
	SELECT e.at, e.person
	FROM incident_event e
	WHERE e.incident_id = i.id
	AND e.kind = 'acknowledged'
	ORDER BY e.seq
	LIMIT 1) a ON true
WHERE i.service = ANY(@services::text[])
AND COALESCE(i.started_at, i.opened_at) < @to
AND (i.resolved_at IS NULL OR i.resolved_at > @from)
ORDER BY i.service, COALESCE(i.started_at, i.opened_at), i.id`

// Pages are counted in the window in which a channel accepted them, whenever their
// incident began; fallback pages are pages too: somebody was woken.
const sqlReportPages = `
SELECT o.incident_id, o.accepted_at, o.person, o.channel
FROM outbox o
WHERE o.incident_id = ANY(@ids::text[])
AND o.action = 'trigger'
AND o.accepted_at >= @from
AND o.accepted_at < @to
ORDER BY o.incident_id, o.accepted_at, o.id`

const sqlReportNotes = `
SELECT e.incident_id, e.person, e.body
FROM incident_event e
WHERE e.incident_id = ANY(@ids::text[])
AND e.kind = 'note'
AND e.person <> ''
ORDER BY e.incident_id, e.seq`

// Incidents implements [reports.Records].
func (s Reports) Incidents(ctx context.Context, services []string, from, to time.Time) (map[string][]reports.IncidentFact, error) {
	facts, err := s.incidents(ctx, services, from, to)
	if err != nil {
		return nil, translate(fmt.Errorf("read incidents: %w", err))
	}
	return facts, nil
}

func (s Reports) incidents(ctx context.Context, services []string, from, to time.Time) (map[string][]reports.IncidentFact, error) {
	rows, err := s.DB.pool.Query(ctx, sqlReportIncidents, pgx.NamedArgs{"services": services, "from": from, "to": to})
	if err != nil {
		return nil, err
	}
	out := map[string][]reports.IncidentFact{}
	var ids []string
	var f reports.IncidentFact
	var service string
	var started, opened, rung, acknowledged, resolved *time.Time
	_, err = pgx.ForEachRow(rows, []any{
		&f.ID, &service, &started, &opened, &rung, &acknowledged, &resolved, &f.AckBy, &f.Checks, &f.Summary, &f.Rule, &f.Quiet,
	}, func() error {
		next := f
		next.Alarm = f.Rule != ""
		next.Checks = append([]string(nil), f.Checks...)
		next.Started, next.Opened = instant(started), instant(opened)
		next.Rung, next.Acknowledged, next.Resolved = instant(rung), instant(acknowledged), instant(resolved)
		out[service] = append(out[service], next)
		ids = append(ids, f.ID)
		return nil
	})
	if err != nil || len(ids) == 0 {
		return out, err
	}
	pages, err := s.accepted(ctx, ids, from, to)
	if err != nil {
		return nil, err
	}
	notes, err := s.notes(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, list := range out {
		for i := range list {
			list[i].Paged = pages[list[i].ID]
			list[i].Pages, list[i].Note = len(list[i].Paged), notes[list[i].ID]
		}
	}
	return out, nil
}

func (s Reports) accepted(ctx context.Context, ids []string, from, to time.Time) (map[string][]reports.PageFact, error) {
	rows, err := s.DB.pool.Query(ctx, sqlReportPages, pgx.NamedArgs{"ids": ids, "from": from, "to": to})
	if err != nil {
		return nil, err
	}
	out := map[string][]reports.PageFact{}
	var id string
	var p reports.PageFact
	_, err = pgx.ForEachRow(rows, []any{&id, &p.At, &p.Person, &p.Channel}, func() error {
		out[id] = append(out[id], p)
		return nil
	})
	return out, err
}

// notes are the lines that people wrote, one after the other.
func (s Reports) notes(ctx context.Context, ids []string) (map[string]string, error) {
	rows, err := s.DB.pool.Query(ctx, sqlReportNotes, pgx.NamedArgs{"ids": ids})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var id, person, body string
	_, err = pgx.ForEachRow(rows, []any{&id, &person, &body}, func() error {
		line := strings.Join(strings.Fields(body), " ")
		if person != "" {
			line = person + ": " + line
		}
		if out[id] != "" {
			line = out[id] + "; " + line
		}
		out[id] = line
		return nil
	})
	return out, err
}

const sqlReportSave = `
INSERT INTO weekly_report (week, zone, revision, body, sha, written_at)
VALUES (@week, @zone, @revision, @body, @sha, @written)
ON CONFLICT DO NOTHING`

const sqlWeekSave = `
INSERT INTO slo_week (zone, iso_year, iso_week, service, revision, target_ppm, good_ms, bad_ms, unk_ms, excl_ms,
	facts_sha, engine, tzdata, frozen_at, why)
SELECT @zone::text, @year::int2, @number::int2, f.service, @revision::int4, f.target, f.good, f.bad, f.unk, f.excl,
	f.sum, @engine::text, @tzdata::text, @written::timestamptz, @why::text
FROM unnest(@services::text[], @targets::int4[], @good::int8[], @bad::int8[], @unk::int8[], @excl::int8[], @sums::text[])
	AS f (service, target, good, bad, unk, excl, sum)
ON CONFLICT DO NOTHING`

const sqlFrozenUntil = `
UPDATE frozen_until
SET ends = GREATEST(ends, @to)`

// Save implements [reports.Archive].
func (s Reports) Save(ctx context.Context, r reports.Report, written time.Time) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	facts, err := weekArgs(r, written)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	err = s.DB.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlReportSave, pgx.NamedArgs{
			"week": r.Week, "zone": r.Zone, "revision": r.Revision,
			"body": string(body), "sha": sum[:], "written": written,
		})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return reports.ErrExists
		}
		if _, err := tx.Exec(ctx, sqlFrozenUntil, pgx.NamedArgs{"to": r.To}); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, sqlWeekSave, facts); err != nil || !r.Final {
			return err
		}
		_, err = tx.Exec(ctx, sqlFinalise, pgx.NamedArgs{"week": r.Week, "zone": r.Zone, "revision": r.Revision, "at": written})
		return err
	})
	if err != nil {
		return translate(fmt.Errorf("insert report: %w", err))
	}
	return nil
}

// weekArgs are the facts of a report as columns.
func weekArgs(r reports.Report, written time.Time) (pgx.NamedArgs, error) {
	if len(r.Week) != len("2026-W47") {
		return nil, fmt.Errorf("%q is not a week: only weeks are frozen", r.Week)
	}
	year, err := strconv.ParseInt(r.Week[:4], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("year of %q: %w", r.Week, err)
	}
	number, err := strconv.ParseInt(r.Week[6:], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("number of %q: %w", r.Week, err)
	}
	why := "the week closed"
	if len(r.Changes) > 0 {
		why = shorten(strings.Join(r.Changes, " "), 2000)
	}
	var names, sums []string
	var targets []int32
	var good, bad, unknown, excluded []int64
	for i := range r.Services {
		v := &r.Services[i]
		names, sums, targets = append(names, clean(v.Name)), append(sums, v.Sum()), append(targets, int32(v.ObjectivePPM)) //nolint:gosec // at most a million
		good, bad = append(good, v.GoodMs), append(bad, v.BadMs)
		unknown, excluded = append(unknown, v.UnknownMs), append(excluded, v.ExcludedMs)
	}
	return pgx.NamedArgs{
		"zone": r.Zone, "year": int16(year), "number": int16(number), "revision": r.Revision,
		"engine": r.Engine, "tzdata": r.TZData, "written": written, "why": clean(why),
		"services": names, "targets": targets, "good": good, "bad": bad, "unk": unknown, "excl": excluded, "sums": sums,
	}, nil
}

// A row for each week: of a year of 1,000 services the rows one by one take twice as long
// to be sent and read as the figures in columns.
const sqlWeeks = `
SELECT w.iso_year, w.iso_week, array_agg(w.service), array_agg(w.revision), array_agg(w.target_ppm),
	array_agg(w.good_ms), array_agg(w.bad_ms), array_agg(w.unk_ms), array_agg(w.excl_ms)
FROM slo_week w
WHERE w.zone = @zone
AND (w.iso_year, w.iso_week) >= (@year1::int2, @week1::int2)
AND (w.iso_year, w.iso_week) <= (@year2::int2, @week2::int2)
AND (cardinality(@services::text[]) = 0 OR w.service = ANY(@services))
GROUP BY w.iso_year, w.iso_week
ORDER BY w.iso_year, w.iso_week`

// weekColumns are the facts of one week, all revisions; the columns are equally long.
type weekColumns struct {
	year, number              int
	services                  []string
	revisions, targets        []int32
	good, bad, unknown, taken []int64
}

// newest is the last revision of each service, by name.
func (c *weekColumns) newest() []reports.WeekFact {
	out := make([]reports.WeekFact, 0, len(c.services))
	at := make(map[string]int, len(c.services))
	for i, service := range c.services {
		f := reports.WeekFact{
			Service: service, Year: c.year, Number: c.number, Revision: int(c.revisions[i]), ObjectivePPM: int64(c.targets[i]),
			GoodMs: c.good[i], BadMs: c.bad[i], UnknownMs: c.unknown[i], ExcludedMs: c.taken[i],
		}
		n, known := at[service]
		switch {
		case !known:
			at[service] = len(out)
			out = append(out, f)
		case out[n].Revision < f.Revision:
			out[n] = f
		}
	}
	slices.SortFunc(out, func(a, b reports.WeekFact) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// Weeks implements [reports.Archive].
func (s Reports) Weeks(ctx context.Context, first, last reports.Week, services []string) ([]reports.WeekFact, error) {
	if services == nil {
		services = []string{}
	}
	rows, err := s.DB.pool.Query(ctx, sqlWeeks, pgx.NamedArgs{
		"zone": first.Zone.String(), "year1": first.Year, "week1": first.Number, "year2": last.Year, "week2": last.Number,
		"services": services,
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read weeks: %w", err))
	}
	var weeks [][]reports.WeekFact
	var c weekColumns
	_, err = pgx.ForEachRow(rows, []any{
		&c.year, &c.number, &c.services, &c.revisions, &c.targets, &c.good, &c.bad, &c.unknown, &c.taken,
	}, func() error {
		weeks = append(weeks, c.newest())
		return nil
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read weeks: %w", err))
	}
	return slices.Concat(weeks...), nil
}

const sqlFinalise = `
INSERT INTO weekly_final (week, zone, revision, finalised_at)
VALUES (@week, @zone, @revision, @at)
ON CONFLICT DO NOTHING`

// Finalise implements [reports.Archive].
func (s Reports) Finalise(ctx context.Context, week, zone string, revision int, at time.Time) error {
	args := pgx.NamedArgs{"week": week, "zone": zone, "revision": revision, "at": at}
	if _, err := s.DB.pool.Exec(ctx, sqlFinalise, args); err != nil {
		return translate(fmt.Errorf("note a final report: %w", err))
	}
	return nil
}

// Results that came late for a week that was saved, and another configuration of it, take a number; the first one is not seen in last_value alone.
const sqlReportStamp = `
SELECT concat_ws('.', (SELECT count(*) FROM exclusion), (SELECT count(x.cancelled_at) FROM exclusion x),
	(SELECT s.last_value || s.is_called::text FROM late_result s))`

// Stamp implements [reports.Archive].
func (s Reports) Stamp(ctx context.Context) (string, error) {
	var stamp string
	if err := s.DB.pool.QueryRow(ctx, sqlReportStamp).Scan(&stamp); err != nil {
		return "", translate(fmt.Errorf("read stamp: %w", err))
	}
	return stamp, nil
}
