-- Which orders the fulfillment process is to look at, and when. Hints only: the log alone is the truth.
-- depends: 0002.snapshots

CREATE TABLE open_fulfillment (
  order_id     uuid        PRIMARY KEY,
  step         text        NOT NULL DEFAULT 'NONE',        -- when last looked at, for figures
  due          timestamptz NOT NULL,                       -- when to look again, on this database's clock
  leased_until timestamptz NOT NULL DEFAULT '-infinity',   -- until then whoever claimed it looks at it
  hints        bigint      NOT NULL DEFAULT 1,             -- grows with each, so that none is lost during a look
  traceparent  text        NOT NULL DEFAULT '',            -- of the newest hint
  tracestate   text        NOT NULL DEFAULT ''
);
CREATE INDEX open_fulfillment_due_idx ON open_fulfillment (due);

GRANT SELECT, INSERT, UPDATE, DELETE ON open_fulfillment TO orderflow_service;
