SELECT position, log_shard, aggregate_type, aggregate_id, version, event_type, event_data, metadata, created_at
FROM event_store
WHERE log_shard = %(log_shard)s::smallint AND position > %(after_position)s::bigint
ORDER BY position
LIMIT %(limit)s::integer
