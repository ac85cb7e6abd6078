-- Predictions of the stored model; stale tells that it was fitted before the latest change.
CREATE OR REPLACE VIEW lester.predictions AS
SELECT p._rid, f.part, p.value, m.estimator, m.stale
FROM _lester.prediction AS p LEFT JOIN _lester.feature_rows AS f ON f._rid = p._rid CROSS JOIN _lester.model AS m;

-- Label and prediction of each row of the feature view, as texts that can be compared.
CREATE OR REPLACE VIEW lester.outcomes AS
SELECT _rid, part, label, prediction FROM _lester.outcomes;

-- The source rows behind a prediction.
CREATE OR REPLACE MACRO lester.backward_prediction(row_id) AS TABLE
SELECT DISTINCT e.source, e.source_rid FROM _lester.feature_edges AS e
WHERE e._rid = row_id AND e._rid IN (SELECT _rid FROM _lester.prediction) ORDER BY ALL;

-- The predictions made of rows that a source row is behind. Rows of the part train also shaped the model itself.
CREATE OR REPLACE MACRO lester.forward_prediction(source_name, row_id) AS TABLE
SELECT p._rid, p.part, p.value, p.stale
FROM lester.predictions AS p
WHERE p._rid IN (SELECT _rid FROM _lester.feature_edges WHERE lower(source) = lower(source_name)
    AND source_rid = row_id)
ORDER BY p._rid;

-- Of each group of rows, by a column of a source: how many there are, and how often the model is right. The
-- column need not have reached the feature view. positive is the label, as text, that a person would wish for;
-- a row made from several source rows counts in each of their groups; one made from none has the group NULL.
CREATE OR REPLACE MACRO lester.group_fairness(source_name, source_column_name, positive := '1',
    part_name := 'test') AS TABLE
WITH judged AS (
    SELECT _rid, label = positive AS truly, prediction = positive AS guessed
    FROM _lester.outcomes WHERE part = part_name AND label IS NOT NULL AND prediction IS NOT NULL
), edge AS (
    SELECT _rid, source_rid FROM _lester.feature_edges WHERE lower(source) = lower(source_name)
), grouped AS (
    SELECT DISTINCT j._rid, v.value, j.truly, j.guessed
    FROM judged AS j LEFT JOIN edge AS e ON e._rid = j._rid
        LEFT JOIN lester.source_values(source_name, source_column_name) AS v ON v._rid = e.source_rid
)
SELECT value AS group_value, count(*) AS row_count, count(*) FILTER (WHERE truly) AS positives,
    avg(guessed::INTEGER) AS selection_rate,
    avg(guessed::INTEGER) FILTER (WHERE truly) AS true_positive_rate,
    avg((NOT guessed)::INTEGER) FILTER (WHERE truly) AS false_negative_rate,
    avg(guessed::INTEGER) FILTER (WHERE NOT truly) AS false_positive_rate,
    avg((guessed = truly)::INTEGER) AS accuracy
FROM grouped GROUP BY value ORDER BY value;
