-- Takes some orders that are due, the longest first, for as long as the lease.
UPDATE open_fulfillment
SET leased_until = clock_timestamp() + %(lease_seconds)s * interval '1 second'
WHERE order_id IN (
  SELECT order_id FROM open_fulfillment
  WHERE due <= clock_timestamp() AND leased_until <= clock_timestamp()
  ORDER BY due LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING order_id, hints, leased_until, traceparent, tracestate
