-- A code may give tokens that end: those of our own probes, which log in every
-- minute, would otherwise pile up for ever.
ALTER TABLE access_code ADD COLUMN token_seconds bigint CHECK (token_seconds > 0); -- NULL: for ever
CREATE INDEX access_token_expires ON access_token (expires) WHERE expires IS NOT NULL;
