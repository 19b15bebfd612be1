-- The image site: photos, tags (which are the groups of people who may see them),
-- tokens (kept as SHA-256, so a copy of this table lets nobody in) and codes.
CREATE TABLE photo (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content   text        NOT NULL CHECK (content ~ '^[0-9a-f]{64}$'),
    file_name text        NOT NULL CHECK (length(file_name) <= 255),
    bytes     bigint      NOT NULL CHECK (bytes > 0),
    width     integer     NOT NULL CHECK (width > 0),
    height    integer     NOT NULL CHECK (height > 0),
    title     text        NOT NULL DEFAULT '',
    caption   text        NOT NULL DEFAULT '',
    taken     timestamp, -- wall time where it was taken; NULL when not known
    added     timestamptz NOT NULL,
    deleted   timestamptz
);
CREATE INDEX photo_content ON photo (content);

CREATE TABLE tag (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    description text NOT NULL DEFAULT ''
);

CREATE TABLE photo_tag (
    photo_id bigint NOT NULL REFERENCES photo (id),
    tag_id   bigint NOT NULL REFERENCES tag (id),
    PRIMARY KEY (photo_id, tag_id)
);
CREATE INDEX photo_tag_tag ON photo_tag (tag_id, photo_id);

-- A code is for people and must be shown again to those who manage its tag, so it
-- is kept as it is, in normal form (upper case, no dashes).
CREATE TABLE access_code (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code     text        NOT NULL UNIQUE CHECK (length(code) BETWEEN 1 AND 64),
    tag_id   bigint      NOT NULL REFERENCES tag (id),
    level    smallint    NOT NULL CHECK (level BETWEEN 1 AND 4),
    uses     bigint      NOT NULL DEFAULT 0,
    max_uses bigint, -- NULL: as often as people like
    created  timestamptz NOT NULL,
    expires  timestamptz
);
CREATE INDEX access_code_tag ON access_code (tag_id);

CREATE TABLE access_token (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash    bytea       NOT NULL UNIQUE CHECK (length(hash) = 32),
    tag_id  bigint      NOT NULL REFERENCES tag (id),
    level   smallint    NOT NULL CHECK (level BETWEEN 1 AND 4),
    code_id bigint REFERENCES access_code (id) ON DELETE SET NULL, -- which code gave it
    created timestamptz NOT NULL,
    expires timestamptz
);
CREATE INDEX access_token_tag ON access_token (tag_id);
CREATE INDEX access_token_code ON access_token (code_id);
