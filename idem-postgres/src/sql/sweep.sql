-- Deletes what is over. $1 how many to look at
-- A record's sweep_at is when it was to be over as its key was first claimed; one that lives longer is looked at again when that
-- time has come. So renewals and endings need not touch an index. What somebody else has locked is left for the next time.
WITH due AS MATERIALIZED (
    SELECT id, expires_at, {now} AS now FROM {schema}.records WHERE sweep_at <= {now}
    ORDER BY sweep_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM {schema}.records r USING due WHERE r.id = due.id AND due.expires_at <= due.now RETURNING r.id
), later AS (
    UPDATE {schema}.records r SET sweep_at = r.expires_at FROM due
    WHERE r.id = due.id AND due.expires_at > due.now RETURNING r.id
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM later)
