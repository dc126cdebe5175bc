-- The keys of customers who have one. An erased customer's is as good as destroyed, whatever it still is.
SELECT key_id, customer_id, wrapped_key, master_key_id,
  destroyed_at IS NOT NULL OR EXISTS (
    SELECT FROM event_store
    WHERE event_type = 'orderflow.customers.v1.CustomerErased' AND aggregate_id = customer_id
  ) AS is_destroyed
FROM personal_data_key
WHERE customer_id = ANY (%(ids)s::uuid[])
