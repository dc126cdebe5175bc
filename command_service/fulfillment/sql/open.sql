-- Has orders looked at now, also those that were not known yet. In order of their ids, so that two never wait in a ring.
INSERT INTO open_fulfillment (order_id, due, traceparent, tracestate)
SELECT hint.order_id, clock_timestamp(), hint.traceparent, hint.tracestate
FROM unnest(%(order_ids)s::uuid[], %(traceparents)s::text[], %(tracestates)s::text[])
  AS hint (order_id, traceparent, tracestate)
ORDER BY hint.order_id
ON CONFLICT (order_id) DO UPDATE
SET due = least(open_fulfillment.due, excluded.due),
    hints = open_fulfillment.hints + 1,
    traceparent = excluded.traceparent,
    tracestate = excluded.tracestate
