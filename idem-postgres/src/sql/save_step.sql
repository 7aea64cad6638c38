-- Stores a finished step. $1 id, $2 owner, $3 number of earlier steps, $4 step
WITH found AS MATERIALIZED (
    SELECT * FROM {schema}.records WHERE id = $1::bytea
), written AS (
    UPDATE {schema}.records r SET steps = coalesce(r.steps, '') || $4::bytea, step_count = r.step_count + 1
    WHERE {owned} AND r.state = 'running' AND r.step_count = $3::bigint
    RETURNING *
)
SELECT true AS written, {columns of written} FROM written
UNION ALL
SELECT false, {columns} FROM found WHERE NOT EXISTS (SELECT FROM written)
