-- Some keys that another master key wraps, for whoever locks them; another process takes others.
SELECT key_id, customer_id, wrapped_key, master_key_id
FROM personal_data_key
WHERE master_key_id <> %(master_key_id)s::text
LIMIT %(limit)s::integer
FOR UPDATE SKIP LOCKED
