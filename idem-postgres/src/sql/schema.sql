CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE {schema}.records (
    -- The first 8 bytes are of the SHA-256 of the operation's scope, the others of the key's.
    id bytea PRIMARY KEY,
    key bytea NOT NULL,
    operation text NOT NULL,
    format smallint NOT NULL DEFAULT 1,
    state text NOT NULL CHECK (format <> 1 OR state IN ('running', 'completed', 'unreplayable', 'released', 'abandoned')),
    owner bytea NOT NULL,
    fence bigint NOT NULL,
    attempt bigint NOT NULL,
    fingerprint bytea,
    at_most_once boolean NOT NULL,
    after_unknown boolean NOT NULL,
    brought_fingerprint boolean NOT NULL,
    brought_at_most_once boolean NOT NULL,
    steps bytea,
    step_count bigint NOT NULL DEFAULT 0,
    -- Durations in microseconds, times in microseconds since 1970.
    lease bigint NOT NULL,
    ttl bigint NOT NULL,
    since bigint,
    lease_until bigint,
    expires_at bigint NOT NULL,
    sweep_at bigint,
    result bytea,
    -- Statements decide on a row without reading all of it: what they could not read does not get in.
    CHECK (format <> 1 OR (
        octet_length(owner) = 16 AND fence >= 0 AND attempt BETWEEN 0 AND 4294967295 AND lease >= 0 AND ttl >= 0
        AND (fingerprint IS NULL OR octet_length(fingerprint) = 32)
        AND (step_count = 0) = (coalesce(octet_length(steps), 0) = 0) AND coalesce(octet_length(steps), 0) >= step_count * 8
        AND (state <> 'running' OR (since IS NOT NULL AND lease_until IS NOT NULL))
        AND (state <> 'completed' OR result IS NOT NULL)))
) WITH (fillfactor = 70);

-- What is kept for good has no sweep_at, and is not in it.
CREATE INDEX records_sweep ON {schema}.records (sweep_at) WHERE sweep_at IS NOT NULL;

CREATE TABLE {schema}.version (version integer NOT NULL);
INSERT INTO {schema}.version VALUES (1);

-- For people: SELECT * FROM calls WHERE operation = 'payments.charge'.
CREATE VIEW {schema}.calls AS
SELECT encode(id, 'hex') AS id, operation, encode(key, 'escape') AS key, state, attempt, fence, encode(owner, 'hex') AS owner,
    encode(fingerprint, 'hex') AS fingerprint, at_most_once, step_count AS steps, lease * interval '1 microsecond' AS lease,
    ttl * interval '1 microsecond' AS ttl, to_timestamp(since / 1000000.0) AS since,
    to_timestamp(lease_until / 1000000.0) AS lease_until, to_timestamp(expires_at / 1000000.0) AS expires_at,
    encode(result, 'escape') AS result
FROM {schema}.records;
