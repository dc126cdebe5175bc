-- One row a shard of the log, also of shards that no relay has taken yet.
SELECT
  shard.number AS log_shard,
  CASE WHEN cursor.lease_expires_at >= clock_timestamp() THEN cursor.holder ELSE '' END AS holder,
  coalesce(cursor.epoch, 0) AS epoch, coalesce(cursor.position, 0) AS cursor_position, cursor.heartbeat_at,
  coalesce(head.position, 0) AS head_position,
  behind.events AS lag_events,
  coalesce(extract(epoch FROM clock_timestamp() - behind.oldest), 0)::double precision AS lag_seconds
FROM log_shards
CROSS JOIN generate_series(0, log_shards.shard_count - 1) AS shard (number)
LEFT JOIN relay_cursor AS cursor ON cursor.log_shard = shard.number
LEFT JOIN LATERAL (
  SELECT position FROM event_store
  WHERE event_store.log_shard = shard.number ORDER BY position DESC LIMIT 1
) AS head ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS events, min(created_at) AS oldest FROM event_store
  WHERE event_store.log_shard = shard.number AND event_store.position > coalesce(cursor.position, 0)
) AS behind ON true
ORDER BY shard.number
