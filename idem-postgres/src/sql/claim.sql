-- Claims a key. $1 id, $2 key, $3 owner, $4 fingerprint, $5 at most once, $6 reconciling, $7 lease, $8 ttl, $9 operation
-- A record that is completed or has a live owner is only read. A record that may be granted is written; the server evaluates the
-- condition again after it locked the row, on the row's last version and with the current time.
WITH found AS MATERIALIZED (
    SELECT * FROM {schema}.records WHERE id = $1::bytea
), written AS (
    INSERT INTO {schema}.records AS r (
        id, key, operation, state, owner, fence, attempt, fingerprint, at_most_once, after_unknown, set_fingerprint,
        set_at_most_once, lease, ttl, since, lease_until, expires_at, sweep_at)
    SELECT $1, $2::bytea, $9::text, 'running', $3::bytea, t.now, 1, $4::bytea, $5::boolean, false, true, true,
        $7::bigint, $8::bigint, t.now, t.now + $7, t.now + $7 + $8, t.now + $7 + $8
    FROM (SELECT {now} AS now) t
    WHERE NOT EXISTS (SELECT FROM found f WHERE NOT ({grantable f}))
    ON CONFLICT (id) DO UPDATE SET (
        state, owner, fence, attempt, fingerprint, at_most_once, after_unknown, set_fingerprint,
        set_at_most_once, steps, step_count, lease, ttl, since, lease_until, expires_at, result) = (
        SELECT 'running', $3,
            CASE WHEN t.mine THEN r.fence ELSE greatest(r.fence + 1, t.now) END,
            CASE WHEN t.mine THEN r.attempt WHEN t.goes_on THEN least(r.attempt + 1, 4294967295) ELSE 1 END,
            CASE WHEN t.mine THEN r.fingerprint WHEN t.goes_on THEN coalesce($4, r.fingerprint) ELSE $4 END,
            CASE WHEN t.mine THEN r.at_most_once WHEN t.goes_on THEN $5 OR r.at_most_once ELSE $5 END,
            CASE WHEN t.mine THEN r.after_unknown ELSE t.goes_on AND r.state <> 'failed' END,
            CASE WHEN t.mine THEN r.set_fingerprint ELSE NOT t.goes_on OR r.fingerprint IS NULL END,
            CASE WHEN t.mine THEN r.set_at_most_once ELSE NOT t.goes_on OR NOT r.at_most_once END,
            CASE WHEN t.goes_on THEN r.steps END,
            CASE WHEN t.goes_on THEN r.step_count ELSE 0 END,
            CASE WHEN t.mine THEN r.lease ELSE $7 END,
            CASE WHEN t.mine THEN r.ttl ELSE $8 END,
            CASE WHEN t.mine THEN r.since ELSE t.now END,
            t.now + CASE WHEN t.mine THEN r.lease ELSE $7 END,
            greatest(
                t.now + CASE WHEN t.mine THEN r.lease + r.ttl ELSE $7 + $8 END,
                CASE WHEN t.goes_on THEN r.expires_at ELSE t.now END),
            NULL::bytea
        FROM (
            SELECT n.now,
                r.expires_at > n.now AND r.state = 'running' AND r.owner = $3 AS mine,
                r.expires_at > n.now AND (r.state <> 'failed' OR {same r}) AS goes_on
            FROM (SELECT {now} AS now) n
        ) t
    )
    WHERE {grantable r}
    RETURNING *
)
SELECT true AS written, {columns} FROM written
UNION ALL
SELECT false, {columns} FROM found WHERE NOT EXISTS (SELECT FROM written)
