UPDATE relay_cursor
SET lease_expires_at = '-infinity'
WHERE log_shard = %(log_shard)s::smallint AND epoch = %(epoch)s::bigint
