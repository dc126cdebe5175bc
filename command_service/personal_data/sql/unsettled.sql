-- Who was erased and whose key is not destroyed yet: whoever erased them died before that.
SELECT DISTINCT aggregate_id FROM event_store
WHERE event_type = 'orderflow.customers.v1.CustomerErased'
  AND NOT EXISTS (
    SELECT FROM personal_data_key WHERE customer_id = aggregate_id AND destroyed_at IS NOT NULL
  )
LIMIT %(limit)s::integer
