-- Incidents, their timelines and the outbox of pages. All instants are UTC.

CREATE TABLE incident (
	id              text PRIMARY KEY, -- kw-<service>-<start of the episode, unix seconds>
	service         text NOT NULL,
	state           text NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
	version         int8 NOT NULL CHECK (version > 0),
	started_at      timestamptz,
	opened_at       timestamptz,
	acknowledged_at timestamptz,
	resolved_at     timestamptz,
	ack_by          text NOT NULL,
	summary         text NOT NULL,
	checks          text[] NOT NULL,
	level           int4 NOT NULL,
	round           int4 NOT NULL,
	next_action_at  timestamptz,     -- when the next escalation level is due
	policy          jsonb NOT NULL   -- the escalation policy as it was at the opening
);

CREATE INDEX incident_open ON incident (opened_at, id) WHERE state <> 'resolved';
CREATE INDEX incident_newest ON incident (opened_at DESC, id DESC);
CREATE INDEX incident_by_service ON incident (service, opened_at DESC, id DESC);

CREATE TABLE incident_event (
	incident_id text NOT NULL,
	seq         int8 NOT NULL,
	at          timestamptz,
	kind        text NOT NULL,
	person      text NOT NULL,
	body        text NOT NULL,
	PRIMARY KEY (incident_id, seq)
);

-- No foreign keys: a replay may bring pages before their incident, and a test
-- page has none.
CREATE TABLE outbox (
	id          text PRIMARY KEY, -- <incident>/<version>/<n>
	incident_id text NOT NULL,
	seq         int8 NOT NULL,
	channel     text NOT NULL,
	route       text NOT NULL,   -- names a routing key, never is one
	dedup_key   text NOT NULL,
	action      text NOT NULL CHECK (action IN ('trigger', 'acknowledge', 'resolve')),
	person      text NOT NULL,
	level       int4 NOT NULL,
	payload     jsonb NOT NULL,
	fallback    bool NOT NULL,
	urgency     int2 NOT NULL,   -- 0 first
	state       text NOT NULL CHECK (state IN ('queued', 'sending', 'accepted', 'rejected', 'cancelled')),
	created_at  timestamptz,
	due_at      timestamptz,
	lease_until timestamptz,
	epoch       int8 NOT NULL,
	attempts    int4 NOT NULL,
	first_tried_at timestamptz,
	unsure_at   timestamptz,
	accepted_at timestamptz,
	last_status int4 NOT NULL,
	last_error  text NOT NULL,
	fell_back   bool NOT NULL,
	-- When it may be claimed; null when nothing more is to be sent.
	ready_at    timestamptz GENERATED ALWAYS AS (CASE state
		WHEN 'queued' THEN COALESCE(due_at, '-infinity')
		WHEN 'sending' THEN COALESCE(lease_until, '-infinity') END) STORED
) WITH (fillfactor = 70); -- rows are written several times; leave room on their page

CREATE INDEX outbox_ready ON outbox (urgency, created_at, seq, id) WHERE ready_at IS NOT NULL;
CREATE INDEX outbox_key ON outbox (dedup_key, route, channel, seq) WHERE ready_at IS NOT NULL;
CREATE INDEX outbox_incident ON outbox (incident_id);
CREATE INDEX outbox_unsure ON outbox (dedup_key) WHERE unsure_at IS NOT NULL;
