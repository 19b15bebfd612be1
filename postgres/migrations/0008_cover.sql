-- Overrides of rotations that people make while the daemon runs. A row is never
-- changed but to be cancelled: who was on call when, and why, must stay readable.
CREATE TABLE oncall_cover (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rotation     text        NOT NULL,
    person       text        NOT NULL, -- '' means nobody
    begins       timestamptz NOT NULL,
    ends         timestamptz NOT NULL,
    made_by      text        NOT NULL CHECK (made_by <> ''),
    reason       text        NOT NULL DEFAULT '',
    created      timestamptz NOT NULL,
    cancelled    timestamptz,
    cancelled_by text        NOT NULL DEFAULT '',
    CHECK (begins < ends)
);
CREATE INDEX oncall_cover_ends ON oncall_cover (ends);
