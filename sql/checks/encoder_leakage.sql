-- Leakage through an encoder: featurizers that learn (a mean, the categories) from rows of the part test too.
CREATE OR REPLACE MACRO lester.check_encoder_leakage() AS TABLE
WITH obstacle AS (
    SELECT coalesce(_lester.not_divided(), CASE WHEN NOT EXISTS (FROM _lester.featurizer
        WHERE learns) THEN 'no featurizer learns from rows' END) AS reason
), found AS (
    SELECT featurizer, kinds, (SELECT count(*) FROM _lester.feature_rows WHERE part = 'test') AS test_rows
    FROM _lester.featurizer WHERE learns AND fit <> 'train' AND (SELECT reason FROM obstacle) IS NULL
)
SELECT featurizer AS subject, 'test_rows_learned_from' AS metric, test_rows::DOUBLE AS value, 0::DOUBLE AS threshold,
    'failed' AS verdict, kinds || ' is fitted on all rows' AS detail
FROM found
UNION ALL
SELECT NULL, 'test_rows_learned_from', CASE WHEN reason IS NULL THEN 0 END, 0, CASE
    WHEN reason IS NULL THEN 'passed' ELSE 'not applicable' END,
    coalesce(reason, 'every featurizer that learns is fitted on the part train')
FROM obstacle WHERE reason IS NOT NULL OR NOT EXISTS (FROM found);
