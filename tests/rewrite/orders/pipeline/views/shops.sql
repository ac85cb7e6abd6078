-- open shops, the last line of a shop wins (lines 10 to 15)
SELECT
  shop,
  last(city ORDER BY s._pos) AS city,
  last(kind ORDER BY s._pos) = 'big' AS big
FROM shop_lines AS s
WHERE kind <> 'closed'
GROUP BY shop
