-- Forgets former master keys that wrap nothing any more.
DELETE FROM personal_data_master_key
WHERE master_key_id <> %(master_key_id)s::text
  AND NOT EXISTS (
    SELECT FROM personal_data_key WHERE personal_data_key.master_key_id = personal_data_master_key.master_key_id
  )
