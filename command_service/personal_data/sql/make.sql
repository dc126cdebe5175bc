-- Makes keys for customers who have none, and none for those who were erased.
-- In one order for all who do so at once, as they wait for each other's rows.
INSERT INTO personal_data_key (key_id, customer_id, wrapped_key, master_key_id)
SELECT wanted.key_id, wanted.customer_id, wanted.wrapped_key, %(master_key_id)s::text
FROM unnest(%(key_ids)s::uuid[], %(customer_ids)s::uuid[], %(wrapped_keys)s::bytea[])
  AS wanted (key_id, customer_id, wrapped_key)
WHERE NOT EXISTS (
  SELECT FROM event_store
  WHERE event_type = 'orderflow.customers.v1.CustomerErased' AND aggregate_id = wanted.customer_id
)
ORDER BY wanted.customer_id
ON CONFLICT (customer_id) DO NOTHING
