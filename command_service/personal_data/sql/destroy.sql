-- Destroys the keys of those of these customers who were erased, or marks that they never get one.
INSERT INTO personal_data_key AS kept (key_id, customer_id, destroyed_at)
SELECT gen_random_uuid(), erased.customer_id, clock_timestamp()
FROM (
  SELECT DISTINCT aggregate_id AS customer_id FROM event_store
  WHERE event_type = 'orderflow.customers.v1.CustomerErased' AND aggregate_id = ANY (%(customer_ids)s::uuid[])
) AS erased
ORDER BY erased.customer_id
ON CONFLICT (customer_id) DO UPDATE
SET wrapped_key = NULL, master_key_id = NULL, destroyed_at = excluded.destroyed_at
WHERE kept.destroyed_at IS NULL
