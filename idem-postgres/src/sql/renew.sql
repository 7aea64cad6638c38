-- Renews a lease. $1 id, $2 owner
WITH found AS MATERIALIZED (
    SELECT * FROM {schema}.records WHERE id = $1::bytea
), written AS (
    UPDATE {schema}.records r SET (lease_until, expires_at) = (
        SELECT t.now + r.lease, greatest(t.now + r.lease + r.ttl, r.expires_at) FROM (SELECT {now} AS now) t)
    WHERE {owned} AND r.state = 'running'
    RETURNING *
)
SELECT true AS written, {columns of written} FROM written
UNION ALL
SELECT false, {columns} FROM found WHERE NOT EXISTS (SELECT FROM written)
