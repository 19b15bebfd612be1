-- What New Relic is to be told, and how far. Instants are UTC.

-- Events wait here until New Relic has taken them; taken ones stay, emptied, for
-- a day, so that a replay does not tell them twice.
CREATE TABLE nr_outbox (
	event_id     uuid        PRIMARY KEY, -- derived from what the event is about
	event_type   text        NOT NULL,
	attrs        jsonb       NOT NULL,    -- one flat object
	occurred_at  timestamptz NOT NULL,
	put_at       timestamptz NOT NULL,
	lease_until  timestamptz NOT NULL DEFAULT '-infinity', -- the agent has it until then; never claimed: -infinity
	attempts     int4        NOT NULL DEFAULT 0,
	delivered_at timestamptz              -- NULL: waiting
) WITH (fillfactor = 70); -- rows are written three times; leave room on their page

CREATE INDEX nr_outbox_waiting ON nr_outbox (lease_until, occurred_at, event_id) WHERE delivered_at IS NULL;
CREATE INDEX nr_outbox_taken ON nr_outbox (occurred_at) WHERE delivered_at IS NOT NULL;

-- Up to where minutes have been summarised.
CREATE TABLE nr_mark (
	source text        PRIMARY KEY,
	at     timestamptz NOT NULL
);

-- Single results that were not told because of the cap; they are counted in the minute's summary.
CREATE TABLE nr_dropped (
	check_name text        NOT NULL,
	location   text        NOT NULL,
	minute     timestamptz NOT NULL,
	n          int4        NOT NULL,
	PRIMARY KEY (minute, check_name, location)
);

-- Which lines of incidents' timelines were told. A position in the timeline
-- would not do: lines are committed out of order, and replayed hours later.
CREATE TABLE nr_told (
	incident_id text        NOT NULL,
	seq         int8        NOT NULL,
	at          timestamptz NOT NULL, -- of the line
	PRIMARY KEY (incident_id, seq)
);

CREATE INDEX nr_told_at ON nr_told (at);
CREATE INDEX incident_event_at ON incident_event (at);
