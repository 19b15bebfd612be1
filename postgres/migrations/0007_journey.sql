-- What a journey's steps saw, beside the text of its failure: the step that
-- failed and all of them with their phases, as first seen with that text in that
-- hour. Older programs leave both alone.
ALTER TABLE probe_error
	ADD COLUMN step  text NOT NULL DEFAULT '', -- its name, '' for other kinds
	ADD COLUMN steps jsonb;                    -- NULL: there were none
