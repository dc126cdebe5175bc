SELECT wrapped_key IS NOT NULL, destroyed_at IS NOT NULL FROM personal_data_key WHERE customer_id = %(customer_id)s::uuid
