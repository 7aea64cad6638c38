{r}.format = 1 AND (
    {r}.expires_at <= {now}
    OR ({r}.state = 'running' AND {r}.owner = $3::bytea)
    OR ({r}.owner <> $3::bytea AND CASE {r}.state
        WHEN 'failed' THEN {same r} OR {r}.step_count = 0
        WHEN 'unknown' THEN {same r} AND ($6::boolean OR NOT ({r}.at_most_once OR $5::boolean))
        WHEN 'running' THEN {same r} AND {r}.lease_until <= {now} AND ($6::boolean OR NOT ({r}.at_most_once OR $5::boolean))
        ELSE false
    END))
