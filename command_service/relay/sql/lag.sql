-- Of each shard: what is not published yet, counted only as far as it costs little, and the age of its oldest event.
SELECT
  shard.number AS log_shard,
  (SELECT count(*) FROM (
    SELECT 1 FROM event_store AS event
    WHERE event.log_shard = shard.number AND event.position > coalesce(cursor.position, 0)
    LIMIT %(most_counted)s
  ) AS unpublished) AS events,
  greatest(0, coalesce(extract(epoch FROM clock_timestamp() - (
    SELECT event.created_at FROM event_store AS event
    WHERE event.log_shard = shard.number AND event.position > coalesce(cursor.position, 0)
    ORDER BY event.position LIMIT 1
  )), 0))::double precision AS seconds
FROM generate_series(0, %(shards)s - 1) AS shard (number)
LEFT JOIN relay_cursor AS cursor ON cursor.log_shard = shard.number
ORDER BY shard.number
