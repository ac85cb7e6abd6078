-- what the matrix and the label are made of (lines 32 to 36)
SELECT order_id, city, amount, CASE WHEN late = 'yes' THEN 1 ELSE 0 END AS label
FROM rows
