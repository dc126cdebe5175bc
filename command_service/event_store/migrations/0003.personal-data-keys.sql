-- The keys that customers' personal data is sealed with in events, each wrapped by a master key that is not here.
-- depends: 0002.snapshots

-- The master keys that keys are wrapped by now; none is retired while a key needs it.
CREATE TABLE personal_data_master_key (
  master_key_id text        PRIMARY KEY,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One key for a customer's id, for ever: a destroyed one stays as the mark that none is made again.
-- Vacuumed as soon as a key is gone, so that its wrapped bytes do not lie about.
CREATE TABLE personal_data_key (
  key_id        uuid        PRIMARY KEY,
  customer_id   uuid        NOT NULL CONSTRAINT personal_data_key_customer_key UNIQUE,
  wrapped_key   bytea,
  master_key_id text        REFERENCES personal_data_master_key,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  destroyed_at  timestamptz,
  CONSTRAINT personal_data_key_wrapped_or_destroyed_check CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL)),
  CONSTRAINT personal_data_key_wrapped_by_check CHECK ((wrapped_key IS NULL) = (master_key_id IS NULL))
) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX personal_data_key_master_idx ON personal_data_key (master_key_id);

CREATE FUNCTION refuse_change_of_destroyed_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a destroyed key stays destroyed: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER personal_data_key_stays_destroyed
  BEFORE UPDATE OR DELETE ON personal_data_key
  FOR EACH ROW WHEN (OLD.destroyed_at IS NOT NULL) EXECUTE FUNCTION refuse_change_of_destroyed_key();

-- Who was erased is what the log says, so that no death between the event and the key's end leaves a key behind.
CREATE INDEX event_store_customer_erased_idx ON event_store (aggregate_id)
  WHERE event_type = 'orderflow.customers.v1.CustomerErased';

GRANT SELECT, INSERT, DELETE ON personal_data_master_key TO orderflow_service;
GRANT SELECT, INSERT, UPDATE (wrapped_key, master_key_id, destroyed_at) ON personal_data_key TO orderflow_service;
