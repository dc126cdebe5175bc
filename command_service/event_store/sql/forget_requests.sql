-- Forgets some of the requests that were kept long enough; returns how many. Appends do not wait for it, nor it for them.
-- Of several processes that do this at once one does, the others find nothing: they would wait for each other's rows.
WITH forgotten AS (
  DELETE FROM idempotency
  WHERE (SELECT pg_try_advisory_xact_lock(1869768040))
    AND ctid = ANY (ARRAY(
      SELECT ctid FROM idempotency
      WHERE created_at < statement_timestamp() - %(days)s::integer * interval '1 day'
      LIMIT %(limit)s::integer
    ))
  RETURNING 1
)
SELECT count(*) FROM forgotten
