-- The first service to start decides; every later one must agree.
WITH made AS (
  INSERT INTO log_shards (shard_count) VALUES (%(shard_count)s::smallint) ON CONFLICT DO NOTHING RETURNING shard_count
)
SELECT shard_count FROM made UNION ALL SELECT shard_count FROM log_shards LIMIT 1
