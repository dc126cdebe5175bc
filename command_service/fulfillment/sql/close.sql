-- Forgets a claimed order that is finished.
DELETE FROM open_fulfillment WHERE order_id = %(order_id)s AND leased_until = %(leased_until)s
