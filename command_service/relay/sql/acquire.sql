-- Takes a shard's lease when it has run out; the new epoch shuts out whoever held it before.
UPDATE relay_cursor
SET epoch = epoch + 1,
    holder = %(holder)s,
    lease_expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 second',
    heartbeat_at = clock_timestamp()
WHERE log_shard = %(log_shard)s::smallint AND lease_expires_at < clock_timestamp()
RETURNING epoch, position
