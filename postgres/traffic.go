package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports"
	"keepwatch/traffic"
)

// Traffic keeps what access logs tell; it is a [traffic.Store]. Safe for concurrent use.
type Traffic struct {
	DB *DB
}

var _ traffic.Store = Traffic{}

const sqlUserPosition = `
SELECT p.version, p.file, p.read_to, p.print, p.print_len
FROM user_position p
WHERE p.log = @log`

// Position implements [traffic.Store].
func (s Traffic) Position(ctx context.Context, log string) (traffic.Position, error) {
	var p traffic.Position
	err := s.DB.pool.QueryRow(ctx, sqlUserPosition, pgx.NamedArgs{"log": log}).Scan(&p.Version, &p.File, &p.Offset, &p.Print, &p.PrintLen)
	if errors.Is(err, pgx.ErrNoRows) {
		return traffic.Position{}, nil
	}
	if err != nil {
		return traffic.Position{}, translate(fmt.Errorf("read position of access log: %w", err))
	}
	return p, nil
}

const sqlUserMove = `
INSERT INTO user_position (log, version, file, read_to, print, print_len)
VALUES (@log, @version, @file, @read_to, COALESCE(@print::bytea, ''), @print_len)
ON CONFLICT (log) DO UPDATE
SET version = EXCLUDED.version, file = EXCLUDED.file, read_to = EXCLUDED.read_to,
	print = EXCLUDED.print, print_len = EXCLUDED.print_len
WHERE user_position.version = EXCLUDED.version - 1`

const sqlUserCount = `
INSERT INTO user_minute (log, minute, good, valid, invalid, skipped)
SELECT @log, n.minute, n.good, n.valid, n.invalid, n.skipped
FROM unnest(@minutes::timestamptz[], @good::int8[], @valid::int8[], @invalid::int8[], @skipped::int8[])
	AS n (minute, good, valid, invalid, skipped)
ORDER BY n.minute
ON CONFLICT (log, minute) DO UPDATE
SET good = user_minute.good + EXCLUDED.good, valid = user_minute.valid + EXCLUDED.valid,
	invalid = user_minute.invalid + EXCLUDED.invalid, skipped = user_minute.skipped + EXCLUDED.skipped`

// Commit implements [traffic.Store].
func (s Traffic) Commit(ctx context.Context, log string, minutes []traffic.Minute, p traffic.Position) error {
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlUserMove, pgx.NamedArgs{
			"log": log, "version": p.Version, "file": p.File, "read_to": p.Offset, "print": p.Print, "print_len": p.PrintLen,
		})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return traffic.ErrMoved
		}
		return countUsers(ctx, tx, log, minutes)
	})
	if err != nil {
		return fmt.Errorf("store counts of access log: %w", err)
	}
	return nil
}

func countUsers(ctx context.Context, tx pgx.Tx, log string, minutes []traffic.Minute) error {
	if len(minutes) == 0 {
		return nil
	}
	var at []time.Time
	var good, valid, invalid, skipped []int64
	for _, m := range minutes {
		at = append(at, m.At)
		good, valid = append(good, m.Good), append(valid, m.Valid)
		invalid, skipped = append(invalid, m.Invalid), append(skipped, m.Skipped)
	}
	_, err := tx.Exec(ctx, sqlUserCount, pgx.NamedArgs{
		"log": log, "minutes": at, "good": good, "valid": valid, "invalid": invalid, "skipped": skipped,
	})
	return err
}

const sqlUserFile = `
INSERT INTO user_file (log, sha, name, imported_at)
VALUES (@log, @sha, @name, @at)
ON CONFLICT DO NOTHING`

// ImportFile adds what a whole past log holds, once for each content (sha) and log;
// it tells whether this was the time.
func (s Traffic) ImportFile(ctx context.Context, log, name string, sha []byte, minutes []traffic.Minute, at time.Time) (bool, error) {
	fresh := false
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlUserFile, pgx.NamedArgs{"log": log, "sha": sha, "name": storable(name), "at": at})
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		fresh = true
		return countUsers(ctx, tx, log, minutes)
	})
	if err != nil {
		return false, fmt.Errorf("import access log: %w", err)
	}
	return fresh, nil
}

const sqlUserMinutes = `
SELECT m.minute, m.good, m.valid, m.skipped
FROM user_minute m
WHERE m.log = @log
AND m.minute >= @from
AND m.minute < @to
ORDER BY m.minute
LIMIT 1000000`

// Minutes returns what a log told of [from, to), oldest first.
func (s Traffic) Minutes(ctx context.Context, log string, from, to time.Time) ([]reports.UserMinute, error) {
	rows, err := s.DB.pool.Query(ctx, sqlUserMinutes, pgx.NamedArgs{"log": log, "from": from, "to": to})
	if err != nil {
		return nil, translate(fmt.Errorf("read access log's minutes: %w", err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[reports.UserMinute])
	if err != nil {
		return nil, translate(fmt.Errorf("read access log's minutes: %w", err))
	}
	return found, nil
}
