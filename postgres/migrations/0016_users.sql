-- What visitors saw, from access logs, and where reading them stands; what is
-- staged by imports; which alarms of a week were raised.

CREATE TABLE user_minute (
	log     text        NOT NULL, -- name in access_logs
	minute  timestamptz NOT NULL,
	good    int8        NOT NULL,
	valid   int8        NOT NULL,
	invalid int8        NOT NULL,
	skipped int8        NOT NULL, -- lines that could not be read
	PRIMARY KEY (log, minute)
);

CREATE TABLE user_position (
	log       text  PRIMARY KEY,
	version   int8  NOT NULL, -- counts commits, so that two readers cannot both count
	file      text  NOT NULL, -- device and inode
	read_to   int8  NOT NULL, -- bytes
	print     bytea NOT NULL, -- SHA-256 of the first print_len bytes
	print_len int4  NOT NULL
);

-- Past logs that were counted whole: the same file twice is once.
CREATE TABLE user_file (
	log         text        NOT NULL,
	sha         bytea       NOT NULL, -- SHA-256 of the content
	name        text        NOT NULL,
	imported_at timestamptz NOT NULL,
	PRIMARY KEY (log, sha)
);

-- Where COPY puts results of an import, which it cannot put beside rows that exist.
-- Emptied in the transaction that fills it.
CREATE UNLOGGED TABLE import_stage (
	slot       timestamptz NOT NULL,
	check_id   int4        NOT NULL,
	latency_us int4        NOT NULL,
	loc        int2        NOT NULL,
	outcome    int2        NOT NULL,
	attempts   int2        NOT NULL,
	code       int2        NOT NULL,
	sha        bytea
);

-- Alarms that are raised once a week and service, however often a daemon restarts.
CREATE TABLE burn_once (
	service   text        NOT NULL,
	alarm     text        NOT NULL,
	week      timestamptz NOT NULL, -- when the week began
	raised_at timestamptz NOT NULL,
	PRIMARY KEY (service, alarm, week)
);
