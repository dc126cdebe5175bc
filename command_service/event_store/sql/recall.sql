SELECT digest, contract_version, response
FROM idempotency
WHERE log_shard = %(log_shard)s::smallint AND principal = %(principal)s AND request_id = %(request_id)s
