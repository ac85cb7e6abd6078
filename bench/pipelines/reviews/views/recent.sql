-- reviews since 2013 with a title, if only an empty one
SELECT
  review_id,
  product_id,
  review_date::DATE AS review_date,
  coalesce(title, '') || ' ' || text AS title_and_text
FROM reviews
WHERE review_date::DATE >= DATE '2013-01-01'
