-- The log of events, the memory of request ids and the relay's place in the log.
-- depends:

-- The role that the services act as: it appends and reads, and can neither change nor remove an event.
DO $$
BEGIN
  CREATE ROLE orderflow_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;  -- roles belong to the whole server; another database of it made this one
END $$;

-- Position order = commit order = visibility order within a shard: positions are drawn under the shard's lock.
-- CACHE 1, since a session that caches values would hand them out in another order.
CREATE SEQUENCE event_position AS bigint CACHE 1;

CREATE TABLE event_store (
  position       bigint      NOT NULL DEFAULT nextval('event_position'),
  log_shard      smallint    NOT NULL,
  aggregate_id   uuid        NOT NULL,
  aggregate_type text        NOT NULL,
  version        bigint      NOT NULL CHECK (version > 0),
  event_type     text        NOT NULL,
  event_data     bytea       NOT NULL CHECK (octet_length(event_data) <= 900000),
  metadata       bytea       NOT NULL,
  created_at     timestamptz NOT NULL,
  CONSTRAINT event_store_pkey PRIMARY KEY (log_shard, position),
  CONSTRAINT event_store_aggregate_version_key UNIQUE (aggregate_id, version)
);

CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the event log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER event_store_is_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON event_store
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();

-- The answers of accepted commands; a repeat of a request gets the same one.
CREATE TABLE idempotency (
  log_shard        smallint    NOT NULL,
  principal        text        NOT NULL,
  request_id       text        NOT NULL,
  digest           bytea       NOT NULL,
  contract_version text        NOT NULL,
  response         bytea       NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT idempotency_pkey PRIMARY KEY (log_shard, principal, request_id)
);
CREATE INDEX idempotency_created_at_idx ON idempotency USING brin (created_at);

-- How many shards this log has, for ever: a function of the aggregate's id decides an event's shard.
CREATE TABLE log_shards (
  only_row    boolean  PRIMARY KEY DEFAULT true CHECK (only_row),
  shard_count smallint NOT NULL CHECK (shard_count BETWEEN 1 AND 1024)
);

-- The relay's place in each shard, and the lease of the one that may move it, on this database's clock.
CREATE TABLE relay_cursor (
  log_shard        smallint    PRIMARY KEY,
  position         bigint      NOT NULL DEFAULT 0,
  epoch            bigint      NOT NULL DEFAULT 0,
  holder           text        NOT NULL DEFAULT '',
  lease_expires_at timestamptz NOT NULL DEFAULT '-infinity',
  heartbeat_at     timestamptz
);

-- The partition count that each topic was made with: changing it would break the order per key.
CREATE TABLE relay_topic (
  topic           text     PRIMARY KEY,
  partition_count smallint NOT NULL CHECK (partition_count > 0)
);

GRANT SELECT, INSERT ON event_store TO orderflow_service;
GRANT USAGE ON SEQUENCE event_position TO orderflow_service;
GRANT SELECT, INSERT, DELETE ON idempotency TO orderflow_service;
GRANT SELECT, INSERT ON log_shards TO orderflow_service;
GRANT SELECT, INSERT, UPDATE ON relay_cursor TO orderflow_service;
GRANT SELECT, INSERT ON relay_topic TO orderflow_service;
