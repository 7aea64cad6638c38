-- An operator resolves, retries or forgets a record. $1 id, $2 new owner, $3 state, $4 loaded fence, $5 result, $6 was completed,
-- $7 forget
WITH found AS MATERIALIZED (
    SELECT * FROM {schema}.records WHERE id = $1::bytea
), written AS (
    UPDATE {schema}.records r SET (
        state, owner, fence, attempt, fingerprint, at_most_once, after_unknown, steps, step_count, since, lease_until,
        expires_at, result) = (
        SELECT $3::text, $2::bytea, greatest(r.fence + 1, t.now),
            CASE WHEN $7::boolean THEN 0 ELSE r.attempt END,
            CASE WHEN NOT $7 THEN r.fingerprint END,
            r.at_most_once AND NOT $7,
            false,
            CASE WHEN $3 = 'failed' AND NOT $7 THEN r.steps END,
            CASE WHEN $3 = 'failed' AND NOT $7 THEN r.step_count ELSE 0 END,
            NULL::bigint, NULL::bigint, t.now + r.ttl, $5::bytea
        FROM (SELECT {now} AS now) t)
    WHERE r.id = $1 AND r.owner <> $2 AND r.format = 1 AND r.expires_at > {now} AND r.fence = $4::bigint
        AND (r.state IN ('completed', 'unreplayable')) = $6::boolean
        AND NOT (r.state = 'running' AND r.lease_until > {now})
    RETURNING *
)
SELECT true AS written, {columns of written} FROM written {notify}
UNION ALL
SELECT false, {columns} FROM found WHERE NOT EXISTS (SELECT FROM written)
