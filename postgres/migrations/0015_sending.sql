-- What was sent of written reports, to whom. The key makes it once for each revision
-- and recipient: a place is claimed before sending and settled after.

CREATE TABLE report_sent (
	week      text        NOT NULL, -- as in weekly_report
	zone      text        NOT NULL,
	revision  int4        NOT NULL,
	recipient text        NOT NULL, -- mail:team@example.com, webhook:chat
	state     text        NOT NULL CHECK (state IN ('sending', 'waiting', 'sent', 'failed')),
	attempts  int4        NOT NULL,
	first_at  timestamptz NOT NULL,
	next_at   timestamptz NOT NULL, -- waiting: not before; sending: when the claim runs out
	sent_at   timestamptz,
	doubt     bool        NOT NULL DEFAULT false, -- it may have come twice
	error     text        NOT NULL DEFAULT '',
	PRIMARY KEY (week, zone, revision, recipient)
);

CREATE INDEX report_sent_first ON report_sent (first_at);
