-- One writer at a time per shard: makes position order, commit order and visibility order the same.
-- The first key sets these locks apart from others of this database.
SELECT pg_advisory_xact_lock(1869768038, %(log_shard)s::integer)
