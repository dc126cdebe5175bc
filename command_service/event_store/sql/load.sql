SELECT position, log_shard, aggregate_type, aggregate_id, version, event_type, event_data, metadata, created_at
FROM event_store
WHERE aggregate_id = ANY (%(aggregate_ids)s::uuid[])
ORDER BY aggregate_id, version
