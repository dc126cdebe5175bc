-- The newest state of an aggregate with a long history, for a faster load. Disposable: the log alone is the truth.
-- depends: 0001.event-store

CREATE TABLE snapshot (
  aggregate_id uuid        PRIMARY KEY,
  fold         text        NOT NULL,  -- the code that made it; any other code passes it by
  version      bigint      NOT NULL CHECK (version > 0),
  state        bytea       NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT SELECT, INSERT, UPDATE ON snapshot TO orderflow_service;
