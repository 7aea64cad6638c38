-- Deletes what is over. $1 how many to look at
-- A record's sweep_at is when it was to be over as its key was first claimed; one that lives longer is looked at again when that
-- time has come. So renewals and endings need not touch an index. What somebody else has locked is left for the next time.
-- The time stands in a subquery, or the index would be read to its end; rows are found again by their place, or a plan for any
-- number of them might read the table.
WITH due AS MATERIALIZED (
    SELECT ctid AS place, expires_at, {now} AS now FROM {schema}.records WHERE sweep_at <= (SELECT {now})
    ORDER BY sweep_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM {schema}.records WHERE ctid = ANY (ARRAY(SELECT place FROM due WHERE expires_at <= now)) RETURNING 1
), later AS (
    UPDATE {schema}.records SET sweep_at = expires_at
    WHERE ctid = ANY (ARRAY(SELECT place FROM due WHERE expires_at > now)) RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM later)
