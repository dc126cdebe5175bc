SELECT
  cursor.log_shard,
  CASE WHEN cursor.lease_expires_at >= clock_timestamp() THEN cursor.holder ELSE '' END AS holder,
  cursor.epoch, cursor.position AS cursor_position, cursor.heartbeat_at,
  coalesce(head.position, 0) AS head_position,
  behind.events AS lag_events,
  coalesce(extract(epoch FROM clock_timestamp() - behind.oldest), 0)::double precision AS lag_seconds
FROM relay_cursor AS cursor
LEFT JOIN LATERAL (
  SELECT position FROM event_store
  WHERE event_store.log_shard = cursor.log_shard ORDER BY position DESC LIMIT 1
) AS head ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS events, min(created_at) AS oldest FROM event_store
  WHERE event_store.log_shard = cursor.log_shard AND event_store.position > cursor.position
) AS behind ON true
ORDER BY cursor.log_shard
