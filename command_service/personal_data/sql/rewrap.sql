UPDATE personal_data_key
SET wrapped_key = fresh.wrapped_key, master_key_id = %(master_key_id)s::text
FROM unnest(%(key_ids)s::uuid[], %(wrapped_keys)s::bytea[]) AS fresh (key_id, wrapped_key)
WHERE personal_data_key.key_id = fresh.key_id
