-- A page of an operation's records, whose ids are one range. $1 first id, $2 after, $3 last id, $4 scope, $5 limit
SELECT false AS written, {columns with key} FROM {schema}.records
WHERE id >= $1::bytea AND id > $2::bytea AND id <= $3::bytea
    AND substring(key FOR octet_length($4::bytea)) = $4 AND expires_at > {now}
ORDER BY id LIMIT $5::bigint
