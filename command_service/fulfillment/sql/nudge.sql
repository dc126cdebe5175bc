-- Has those of the orders looked at now that are open.
WITH hint AS (
  SELECT * FROM unnest(%(order_ids)s::uuid[], %(traceparents)s::text[], %(tracestates)s::text[])
    AS h (order_id, traceparent, tracestate)
),
held AS (
  SELECT order_id FROM open_fulfillment WHERE order_id = ANY (%(order_ids)s::uuid[]) ORDER BY order_id FOR UPDATE
)
UPDATE open_fulfillment
SET due = least(due, clock_timestamp()),
    hints = hints + 1,
    traceparent = hint.traceparent,
    tracestate = hint.tracestate
FROM held JOIN hint USING (order_id)
WHERE open_fulfillment.order_id = held.order_id
