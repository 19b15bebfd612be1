-- What a look at the channel showed of an accepted page, and the webhooks that
-- PagerDuty sent. All instants are UTC.

ALTER TABLE outbox
	ADD COLUMN verified_at timestamptz,                -- of the last look; null when there was none
	ADD COLUMN proof       text NOT NULL DEFAULT '',   -- '', ringing, acknowledged, 'no incident' ...
	ADD COLUMN ringing     text NOT NULL DEFAULT '',   -- who is rung, in the channel's words
	ADD COLUMN ringing_at  timestamptz;                -- since when

-- Signed webhooks, each once. The body is kept for whoever has to find out what
-- happened; rows are dropped after seven days.
CREATE TABLE webhook_event (
	id          text PRIMARY KEY,     -- PagerDuty's event id, stable over its attempts
	delivery    text NOT NULL,        -- X-Webhook-Id
	type        text NOT NULL,
	dedup_key   text NOT NULL,        -- our incident; '' when the webhook did not say it
	incident    text NOT NULL,        -- PagerDuty's incident
	by_whom     text NOT NULL,
	body_text   text NOT NULL,        -- of a note
	status      bool NOT NULL,        -- says how the incident stands, so that a newer one replaces it
	occurred_at timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	handled_at  timestamptz,          -- null until the leading daemon has acted on it
	raw         bytea NOT NULL        -- as it came
);

CREATE INDEX webhook_event_waiting ON webhook_event (occurred_at, id) WHERE handled_at IS NULL;
CREATE INDEX webhook_event_incident ON webhook_event (incident, occurred_at) WHERE status;
CREATE INDEX webhook_event_received ON webhook_event (received_at);
