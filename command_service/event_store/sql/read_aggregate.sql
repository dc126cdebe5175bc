SELECT position, log_shard, aggregate_type, aggregate_id, version, event_type, event_data, metadata, created_at
FROM event_store
WHERE aggregate_id = %(aggregate_id)s::uuid
  AND version > %(after_version)s::bigint
  AND version <= coalesce(%(to_version)s::bigint, 9223372036854775807)
  AND created_at <= coalesce(%(to_time)s::timestamptz, 'infinity')
ORDER BY version
LIMIT %(limit)s::integer
