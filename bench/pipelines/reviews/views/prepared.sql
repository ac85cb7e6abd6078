-- reviews of four categories; 1 means that a review is NOT helpful
SELECT
  r.review_date,
  r.title_and_text || ' ' || coalesce(p.product_title, 'unknown') AS title_and_text,
  r.stars,
  r.total_votes,
  c.category,
  CASE WHEN r.is_helpful THEN 0 ELSE 1 END AS label
FROM rated AS r
JOIN products AS p ON p.product_id = r.product_id
JOIN categories AS c ON c.category_id = p.category_id
WHERE c.category IN ('Books', 'Games', 'Kitchen', 'Tools')
