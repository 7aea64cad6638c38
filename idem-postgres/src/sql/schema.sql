CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE IF NOT EXISTS {schema}.records (
    -- 8 bytes of the SHA-256 of the operation's scope, then 24 bytes of the SHA-256 of the key.
    id bytea PRIMARY KEY,
    key bytea NOT NULL,
    operation text NOT NULL,
    format smallint NOT NULL DEFAULT 1,
    state text NOT NULL,
    owner bytea NOT NULL,
    fence bigint NOT NULL,
    attempt bigint NOT NULL,
    fingerprint bytea,
    at_most_once boolean NOT NULL,
    after_unknown boolean NOT NULL,
    set_fingerprint boolean NOT NULL,
    set_at_most_once boolean NOT NULL,
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
    -- No client can store an invalid record. Later formats have their own rules.
    CONSTRAINT records_format_1 CHECK (format <> 1 OR (
        octet_length(owner) = 16 AND (fingerprint IS NULL OR octet_length(fingerprint) = 32)
        AND fence >= 0 AND attempt BETWEEN 0 AND 4294967295 AND lease >= 0 AND ttl >= 0
        AND step_count >= 0 AND (step_count = 0) = (coalesce(octet_length(steps), 0) = 0)
        AND coalesce(octet_length(steps), 0) >= step_count * 8
        AND CASE state
            WHEN 'running' THEN since IS NOT NULL AND lease_until IS NOT NULL AND result IS NULL
            WHEN 'completed' THEN result IS NOT NULL
            ELSE state IN ('unreplayable', 'failed', 'unknown') AND result IS NULL
        END))
) WITH (fillfactor = 70);

-- Records that never expire have no sweep_at and are not in this index.
CREATE INDEX IF NOT EXISTS records_sweep ON {schema}.records (sweep_at) WHERE sweep_at IS NOT NULL;

-- For operators: SELECT * FROM calls WHERE operation = 'payments.charge'.
CREATE OR REPLACE VIEW {schema}.calls AS
SELECT encode(id, 'hex') AS id, operation, regexp_replace(encode(key, 'escape'), '[[:cntrl:]]+', ' ', 'g') AS key, state, attempt, fence, encode(owner, 'hex') AS owner,
    encode(fingerprint, 'hex') AS fingerprint, at_most_once, step_count AS steps, lease * interval '1 microsecond' AS lease,
    ttl * interval '1 microsecond' AS ttl, to_timestamp(since / 1000000.0) AS since,
    to_timestamp(lease_until / 1000000.0) AS lease_until, to_timestamp(expires_at / 1000000.0) AS expires_at,
    regexp_replace(encode(result, 'escape'), '[[:cntrl:]]+', ' ', 'g') AS result
FROM {schema}.records;

CREATE TABLE IF NOT EXISTS {schema}.version (version integer NOT NULL);
INSERT INTO {schema}.version SELECT 1 WHERE NOT EXISTS (SELECT FROM {schema}.version);
