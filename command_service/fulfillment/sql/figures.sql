-- How many orders are open at each step, and for how long the one that is most overdue should have been looked at.
SELECT
  step,
  count(*),
  coalesce(extract(epoch FROM clock_timestamp() - min(due) FILTER (WHERE due < clock_timestamp())), 0)::double precision
FROM open_fulfillment
GROUP BY step
