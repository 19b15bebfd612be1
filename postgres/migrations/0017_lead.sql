-- Which daemon led last: after a restart of the database the others let it ask first,
-- for it may have led in the dark.

CREATE TABLE lead (
	name   text PRIMARY KEY,     -- of the lead: pager
	holder text        NOT NULL, -- the daemon's own name
	since  timestamptz NOT NULL
);
