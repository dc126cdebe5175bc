-- Gives a claimed order back until it is due again: at once where a hint came meanwhile. Whoever lost the lease says
-- nothing. A moment is either told as such or as seconds from now.
UPDATE open_fulfillment
SET step = coalesce(%(step)s, step),
    due = CASE
      WHEN hints = %(hints)s
      THEN coalesce(%(due)s::timestamptz, clock_timestamp() + %(in_seconds)s * interval '1 second')
      ELSE clock_timestamp()
    END,
    leased_until = '-infinity'
WHERE order_id = %(order_id)s AND leased_until = %(leased_until)s
