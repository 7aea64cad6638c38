-- Records an outcome. $1 id, $2 owner, $3 state, $4 its rank, $5 result, $6 withdrawn, $7 fence or -1
-- The rank of a state only rises: an outcome that is sent again or out of order changes nothing.
WITH found AS MATERIALIZED (
    SELECT * FROM {schema}.records WHERE id = $1::bytea
), written AS (
    UPDATE {schema}.records r SET
        state = CASE WHEN NOT $6::boolean THEN $3::text WHEN r.after_unknown THEN 'unknown' ELSE 'failed' END,
        attempt = CASE WHEN $6 THEN greatest(r.attempt - 1, 0) ELSE r.attempt END,
        fingerprint = CASE WHEN NOT ($6 AND r.set_fingerprint) THEN r.fingerprint END,
        at_most_once = r.at_most_once AND NOT ($6 AND r.set_at_most_once),
        steps = CASE WHEN $4::bigint < 3 THEN r.steps END,
        step_count = CASE WHEN $4 < 3 THEN r.step_count ELSE 0 END,
        since = NULL,
        lease_until = NULL,
        expires_at = greatest({now} + r.ttl, CASE WHEN $6 THEN r.expires_at END),
        result = $5::bytea
    WHERE {owned} AND ($7::bigint < 0 OR r.fence = $7) AND CASE r.state WHEN 'running' THEN 0 WHEN 'failed' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END < $4
    RETURNING *
)
SELECT true AS written, {columns of written} FROM written {notify}
UNION ALL
SELECT false, {columns} FROM found WHERE NOT EXISTS (SELECT FROM written)
