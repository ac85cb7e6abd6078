-- orders of open shops from 10 up (lines 17 to 26)
SELECT o.order_id, s.city, s.big, CAST(o.amount AS DOUBLE) AS amount, o.late
FROM order_lines AS o
JOIN shops AS s ON s.shop = o.shop
WHERE CAST(o.amount AS DOUBLE) >= 10
