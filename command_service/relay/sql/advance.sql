-- Moves the cursor and renews the lease, for the epoch's holder alone.
UPDATE relay_cursor
SET position = %(position)s::bigint,
    lease_expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 second',
    heartbeat_at = clock_timestamp()
WHERE log_shard = %(log_shard)s::smallint AND epoch = %(epoch)s::bigint
