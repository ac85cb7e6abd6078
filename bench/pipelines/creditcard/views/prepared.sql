-- what the model sees
SELECT title, text, country, CAST(sentiment = 'negative' AND is_premium AS INTEGER) AS y
FROM mails_joined
