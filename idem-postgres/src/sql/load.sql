-- $1 id
SELECT false AS written, {columns} FROM {schema}.records WHERE id = $1::bytea
