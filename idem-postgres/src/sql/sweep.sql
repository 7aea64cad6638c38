-- Deletes expired records. $1 how many records to read
-- sweep_at is the expiry that a record had after its first claim. A record that lives longer gets a later sweep_at when the sweep
-- reads it, so renewals and outcomes need not update an index. Rows that another transaction has locked are left for the next sweep.
-- The time is in a subquery; otherwise the server would read the whole index. Rows are found again by ctid; otherwise a plan might
-- read the whole table.
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
