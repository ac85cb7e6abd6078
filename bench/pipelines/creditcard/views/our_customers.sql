-- customers of the three countries; the last entry of an e-mail address wins
SELECT
  customer_email,
  last(bank ORDER BY _pos) AS bank,
  last(country ORDER BY _pos) AS country,
  last(level = 'premium' ORDER BY _pos) AS is_premium
FROM customers
WHERE country IN ('BE', 'DE', 'NL')
GROUP BY customer_email
