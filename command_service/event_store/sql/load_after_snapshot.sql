-- The snapshot that this fold can read, if there is one, then the events after it: one statement, so one moment.
WITH start AS MATERIALIZED (
  SELECT version, state FROM snapshot WHERE aggregate_id = %(aggregate_id)s::uuid AND fold = %(fold)s::text
)
SELECT
  NULL::bigint AS position, NULL::smallint AS log_shard, NULL::text AS aggregate_type, NULL::uuid AS aggregate_id,
  version, NULL::text AS event_type, state AS event_data, NULL::bytea AS metadata, NULL::timestamptz AS created_at
FROM start
UNION ALL
SELECT position, log_shard, aggregate_type, aggregate_id, version, event_type, event_data, metadata, created_at
FROM event_store
WHERE aggregate_id = %(aggregate_id)s::uuid AND version > coalesce((SELECT version FROM start), 0)
ORDER BY version
