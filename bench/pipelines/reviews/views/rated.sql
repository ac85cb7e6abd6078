-- their ratings; a review that was rated twice is there twice
SELECT
  r.product_id,
  r.review_date,
  r.title_and_text,
  g.stars::INTEGER AS stars,
  g.total_votes::INTEGER AS total_votes,
  g.helpful_votes::INTEGER > g.total_votes::INTEGER / 2 AS is_helpful
FROM recent AS r
JOIN ratings AS g ON g.review_id = r.review_id
