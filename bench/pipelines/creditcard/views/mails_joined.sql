-- mails since 2022 about accounts or complaints, with their sender
SELECT
  lower(m.mail_subject) AS title,
  lower(m.mail_text) AS text,
  c.bank,
  c.country,
  get_sentiment(m.mail_text) AS sentiment,
  c.is_premium
FROM mails AS m
JOIN our_customers AS c ON c.customer_email = m.email
WHERE
  strptime(m.raw_date, '%d/%m/%Y %H:%M') >= TIMESTAMP '2022-01-01'
  AND (contains(m.mail_text, 'complaint') OR contains(m.mail_text, 'account'))
