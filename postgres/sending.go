package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports/courier"
)

// Sending is the book of what was sent of written reports. It implements
// [courier.Book] with the reports that it embeds. Safe for concurrent use.
type Sending struct{ Reports }

var _ courier.Book = Sending{}

const sqlSentEntries = `
SELECT s.week, s.zone, s.revision, s.recipient, s.state, s.attempts, s.first_at, s.next_at, s.sent_at, s.doubt, s.error
FROM report_sent s
WHERE s.first_at >= @since
ORDER BY s.first_at, s.week, s.recipient
LIMIT 10000`

// Entries implements [courier.Book].
func (s Sending) Entries(ctx context.Context, since time.Time) ([]courier.Entry, error) {
	rows, err := s.DB.pool.Query(ctx, sqlSentEntries, pgx.NamedArgs{"since": since})
	if err != nil {
		return nil, translate(fmt.Errorf("read what was sent: %w", err))
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (courier.Entry, error) { return sentEntry(row) })
	if err != nil {
		return nil, translate(fmt.Errorf("read what was sent: %w", err))
	}
	return found, nil
}

func sentEntry(row pgx.Row) (courier.Entry, error) {
	var e courier.Entry
	var state string
	var at *time.Time
	err := row.Scan(&e.Week, &e.Zone, &e.Revision, &e.Recipient, &state, &e.Attempts, &e.First, &e.Next, &at, &e.Doubt, &e.Error)
	e.State, e.At = courier.State(state), instant(at)
	return e, err
}

// A claim that ran out was left by a process that died while it sent: the mail may
// have gone, so the entry is in doubt from then on.
const sqlSentClaim = `
INSERT INTO report_sent AS s (week, zone, revision, recipient, state, attempts, first_at, next_at)
VALUES (@week, @zone, @revision, @recipient, 'sending', 1, @now, @until)
ON CONFLICT (week, zone, revision, recipient) DO UPDATE
SET state = 'sending', attempts = s.attempts + 1, next_at = @until, doubt = s.doubt OR s.state = 'sending'
WHERE (s.state IN ('waiting', 'sending') AND s.next_at <= @now)
OR (@by_hand::bool AND s.state <> 'sending')
RETURNING s.week, s.zone, s.revision, s.recipient, s.state, s.attempts, s.first_at, s.next_at, s.sent_at, s.doubt, s.error`

// Claim implements [courier.Book].
func (s Sending) Claim(ctx context.Context, k courier.Key, now, until time.Time, byHand bool) (courier.Entry, bool, error) {
	e, err := sentEntry(s.DB.pool.QueryRow(ctx, sqlSentClaim, pgx.NamedArgs{
		"week": k.Week, "zone": k.Zone, "revision": k.Revision, "recipient": k.Recipient,
		"now": now, "until": until, "by_hand": byHand,
	}))
	if errors.Is(err, pgx.ErrNoRows) {
		return courier.Entry{}, false, nil
	}
	if err != nil {
		return courier.Entry{}, false, translate(fmt.Errorf("claim report: %w", err))
	}
	return e, true, nil
}

const sqlSentSettle = `
UPDATE report_sent
SET state = @state, next_at = @next, sent_at = @sent, error = @error
WHERE week = @week
AND zone = @zone
AND revision = @revision
AND recipient = @recipient
AND state = 'sending'
AND attempts = @attempts`

// Settle implements [courier.Book].
func (s Sending) Settle(ctx context.Context, e courier.Entry) error {
	var sent *time.Time
	if !e.At.IsZero() {
		sent = &e.At
	}
	_, err := s.DB.pool.Exec(ctx, sqlSentSettle, pgx.NamedArgs{
		"week": e.Week, "zone": e.Zone, "revision": e.Revision, "recipient": e.Recipient, "attempts": e.Attempts,
		"state": string(e.State), "next": e.Next, "sent": sent, "error": e.Error,
	})
	if err != nil {
		return translate(fmt.Errorf("settle report: %w", err))
	}
	return nil
}
