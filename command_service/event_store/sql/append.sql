-- Appends a batch of commands to one shard, each with all of its events or none.
-- Runs after the shard's lock was taken by a statement of its own, so that its snapshot sees every commit before.
-- At most one command per aggregate and per request id may be in a batch.
WITH command AS MATERIALIZED (
  SELECT *
  FROM unnest(
    %(aggregate_ids)b::uuid[], %(aggregate_types)b::text[], %(expected_versions)b::bigint[], %(metadata)b::bytea[],
    %(principals)b::text[], %(request_ids)b::text[], %(digests)b::bytea[], %(contract_versions)b::text[],
    %(responses)b::bytea[]
  ) WITH ORDINALITY AS c (
    aggregate_id, aggregate_type, expected_version, metadata,
    principal, request_id, digest, contract_version, response, ordinal
  )
),
judged AS MATERIALIZED (
  SELECT
    command.*,
    coalesce(head.version, 0) AS head_version,
    head.created_at AS head_time,
    known.digest AS known_digest,
    known.contract_version AS known_contract_version,
    known.response AS known_response
  FROM command
  LEFT JOIN LATERAL (
    SELECT version, created_at FROM event_store
    WHERE event_store.aggregate_id = command.aggregate_id
    ORDER BY version DESC LIMIT 1
  ) AS head ON true
  LEFT JOIN LATERAL (  -- as above: a look at the index for each command, however large the tables and old the statistics
    SELECT digest, contract_version, response FROM idempotency
    WHERE idempotency.log_shard = %(log_shard)s::smallint
      AND idempotency.principal = command.principal AND idempotency.request_id = command.request_id
    LIMIT 1
  ) AS known ON true
),
admitted AS MATERIALIZED (
  SELECT * FROM judged WHERE known_response IS NULL AND head_version = expected_version
),
appended AS (
  INSERT INTO event_store (
    log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at
  )
  SELECT
    %(log_shard)s::smallint, admitted.aggregate_id, admitted.aggregate_type, admitted.expected_version + event.step,
    event.event_type, event.event_data, admitted.metadata, greatest(statement_timestamp(), admitted.head_time)
  FROM unnest(
    %(event_commands)b::bigint[], %(event_steps)b::bigint[], %(event_types)b::text[], %(event_data)b::bytea[]
  ) WITH ORDINALITY AS event (command, step, event_type, event_data, ordinal)
  JOIN admitted ON admitted.ordinal = event.command
  ORDER BY event.ordinal  -- without it positions inside a batch come out of order
),
remembered AS (
  INSERT INTO idempotency (log_shard, principal, request_id, digest, contract_version, response)
  SELECT %(log_shard)s::smallint, principal, request_id, digest, contract_version, response
  FROM admitted WHERE request_id IS NOT NULL
)
-- What is not told of was appended.
SELECT ordinal, head_version, known_digest, known_contract_version, known_response
FROM judged WHERE known_response IS NOT NULL OR head_version <> expected_version
