-- The next events of a shard, in the words that their messages carry: the database writes ids and times as text,
-- while the relay does something else.
SELECT
  position, aggregate_type, aggregate_id::text, version, event_type, event_data, metadata,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
FROM event_store
WHERE log_shard = %(log_shard)s::smallint AND position > %(after_position)s::bigint
ORDER BY position
LIMIT %(limit)s::integer
