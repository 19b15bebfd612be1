package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/alerting"
)

var _ alerting.Inbox = Webhooks{}

// Webhooks keeps what channels told us. It implements [alerting.Inbox]; safe for
// concurrent use.
type Webhooks struct {
	DB *DB
}

const sqlWebhookKeep = `
INSERT INTO webhook_event (id, delivery, type, dedup_key, incident, by_whom, body_text, status,
                           occurred_at, received_at, raw)
VALUES (@id, @delivery, @type, @dedup_key, @incident, @by, @text, @status, @at, @now, @raw)
ON CONFLICT (id) DO NOTHING`

// Keep implements [alerting.Inbox].
func (s Webhooks) Keep(ctx context.Context, h alerting.Heard, now time.Time) error {
	_, err := s.DB.pool.Exec(ctx, sqlWebhookKeep, pgx.NamedArgs{
		"id": clean(h.ID), "delivery": clean(h.Delivery), "type": clean(h.Type), "dedup_key": clean(h.DedupKey),
		"incident": clean(h.Incident), "by": clean(h.By), "text": clean(h.Text), "status": h.Status,
		"at": h.At.UTC(), "now": now.UTC(), "raw": h.Raw,
	})
	if err != nil {
		return translate(fmt.Errorf("keep webhook: %w", err))
	}
	return nil
}

const sqlWebhookWaiting = `
SELECT e.id, e.delivery, e.type, e.dedup_key, e.incident, e.by_whom, e.body_text, e.status, e.occurred_at,
       e.status AND EXISTS (
		SELECT 1
		FROM webhook_event newer
		WHERE newer.incident = e.incident AND newer.status AND newer.occurred_at > e.occurred_at) AS outdated
FROM webhook_event e
WHERE e.handled_at IS NULL
ORDER BY e.occurred_at, e.id
LIMIT @limit`

// Waiting implements [alerting.Inbox].
func (s Webhooks) Waiting(ctx context.Context, limit int) ([]alerting.Heard, error) {
	rows, err := s.DB.pool.Query(ctx, sqlWebhookWaiting, pgx.NamedArgs{"limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("read webhooks: %w", err))
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (alerting.Heard, error) {
		var h alerting.Heard
		err := row.Scan(&h.ID, &h.Delivery, &h.Type, &h.DedupKey, &h.Incident, &h.By, &h.Text, &h.Status, &h.At, &h.Outdated)
		h.At = h.At.UTC()
		return h, err
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read webhooks: %w", err))
	}
	return all, nil
}

const sqlWebhookDone = `
UPDATE webhook_event
SET handled_at = @now
WHERE id = @id AND handled_at IS NULL`

// Done implements [alerting.Inbox].
func (s Webhooks) Done(ctx context.Context, id string, now time.Time) error {
	if _, err := s.DB.pool.Exec(ctx, sqlWebhookDone, pgx.NamedArgs{"id": clean(id), "now": now.UTC()}); err != nil {
		return translate(fmt.Errorf("mark webhook: %w", err))
	}
	return nil
}

const sqlWebhookForget = `
DELETE FROM webhook_event
WHERE received_at < @before`

// Forget implements [alerting.Inbox].
func (s Webhooks) Forget(ctx context.Context, before time.Time) (int64, error) {
	tag, err := s.DB.pool.Exec(ctx, sqlWebhookForget, pgx.NamedArgs{"before": before.UTC()})
	if err != nil {
		return 0, translate(fmt.Errorf("forget webhooks: %w", err))
	}
	return tag.RowsAffected(), nil
}
