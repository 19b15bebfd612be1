-- What was looked at, and what was seen. All instants are UTC.

CREATE TABLE location (
	id   int2 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE
);
