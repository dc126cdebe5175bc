INSERT INTO snapshot AS kept (aggregate_id, fold, version, state)
VALUES (%(aggregate_id)s::uuid, %(fold)s::text, %(version)s::bigint, %(state)s::bytea)
ON CONFLICT (aggregate_id) DO UPDATE
SET fold = excluded.fold, version = excluded.version, state = excluded.state, created_at = excluded.created_at
WHERE kept.fold <> excluded.fold OR kept.version < excluded.version
