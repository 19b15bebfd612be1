-- What people did, and what people were told in good time. All instants are UTC.

-- Every change that a person made: never edited, never deleted.
CREATE TABLE audit (
	id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at     timestamptz NOT NULL,
	who    text NOT NULL CHECK (who <> ''), -- an OS user, a token's name, or who held a signed link
	what   text NOT NULL CHECK (what <> ''), -- ack, resolve, note, silence, override, swap, page, correction …
	object text NOT NULL, -- what it was done to: an incident, a rotation, a week
	detail text NOT NULL
);
CREATE INDEX audit_at ON audit (at DESC, id DESC);

-- Notices that were owed once and for all: a hand-off, a look ahead, a gap. The
-- key says which; whichever daemon leads puts it down, and no other tells it again.
CREATE TABLE notice (
	key     text PRIMARY KEY,
	at      timestamptz NOT NULL, -- of what it tells
	made_at timestamptz NOT NULL,
	detail  text NOT NULL
);
CREATE INDEX notice_at ON notice (at);

-- Who was woken in a month, for those who pay for it.
CREATE INDEX outbox_rang ON outbox (accepted_at) WHERE action = 'trigger' AND accepted_at IS NOT NULL;
