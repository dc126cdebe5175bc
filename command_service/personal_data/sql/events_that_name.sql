-- Among the next positions of a shard, the events of these types whose bytes name a customer; and how far it looked.
WITH part AS MATERIALIZED (
  SELECT position, event_type, event_data
  FROM event_store
  WHERE log_shard = %(log_shard)s::smallint AND position > %(after_position)s::bigint
  ORDER BY position
  LIMIT %(limit)s::integer
)
SELECT position, event_type, event_data FROM part
WHERE event_type = ANY (%(event_types)s::text[]) AND position(%(name)s::bytea IN event_data) > 0
UNION ALL
SELECT max(position), NULL, NULL FROM part
