-- Constant features: columns of the matrix that hold one value in all rows of the part train. Decided where that can be
-- read off what the store keeps: all inputs are constant; a number that is only moved or stretched; a category that
-- no row has, or every row. Whether a word or a hashed column is constant is not looked into.
CREATE OR REPLACE MACRO lester.check_constant_features() AS TABLE
WITH numbered AS (
    SELECT f.*, d.slotwise, d.kinds, row_number() OVER (PARTITION BY f.featurizer ORDER BY f.position) - 1 AS slot
    FROM _lester.feature AS f JOIN _lester.featurizer AS d ON d.featurizer = f.featurizer
), same_input AS (
    SELECT column_name FROM (
        SELECT column_name, value::VARCHAR AS value FROM _lester.input_numbers WHERE part = 'train'
        UNION ALL SELECT column_name, value FROM _lester.input_texts WHERE part = 'train'
    ) GROUP BY column_name
    HAVING count(value) = 0 OR (count(value) = count(*) AND min(value) = max(value))
), sampled AS (
    SELECT featurizer, unnest(range(len(value))) AS slot, unnest(value) AS value FROM _lester.stored_sample
), candidate AS ( -- a few rows tell most columns to be none
    SELECT featurizer, slot FROM sampled GROUP BY ALL
    HAVING count(value) FILTER (WHERE NOT isnan(value)) = 0 OR (count(value) = count(*) AND min(value) = max(value))
), checked AS (
    SELECT c.featurizer, c.slot, r.value[c.slot + 1] AS value
    FROM _lester.stored_rows AS r JOIN candidate AS c ON c.featurizer = r.featurizer WHERE r.part = 'train'
), same_number AS (
    SELECT featurizer, slot FROM checked GROUP BY ALL
    HAVING count(value) FILTER (WHERE NOT isnan(value)) = 0 OR (count(value) = count(*) AND min(value) = max(value))
), counted AS (
    SELECT featurizer, slot, category, n, sum(n) OVER (PARTITION BY featurizer, slot) AS total
        FROM _lester.category_counts
), found AS (
    SELECT DISTINCT n.position, n.name, n.featurizer, CASE
        WHEN len(n.inputs) > 0 AND list_has_all((SELECT coalesce(list(column_name), []) FROM same_input), n.inputs)
            THEN 'its inputs hold one value'
        WHEN n.slotwise AND s.slot IS NOT NULL THEN 'one value'
        WHEN n.kinds = 'one_hot' AND n.category IS DISTINCT FROM 'infrequent_sklearn' AND coalesce(c.n,
            0) = 0 THEN 'no row has the category'
        WHEN n.kinds = 'one_hot' AND c.n = c.total THEN 'every row has the category' END AS reason
    FROM numbered AS n
        LEFT JOIN same_number AS s ON s.featurizer = n.featurizer AND s.slot = n.slot
        LEFT JOIN _lester.featurizer AS d ON d.featurizer = n.featurizer
        LEFT JOIN counted AS c ON c.featurizer = n.featurizer AND c.slot = list_position(d.inputs, n.inputs[1]) - 1
            AND (lower(c.category) IS NOT DISTINCT
                FROM lower(n.category) OR TRY_CAST(c.category AS DOUBLE) = TRY_CAST(n.category AS DOUBLE))
), obstacle AS (
    SELECT CASE WHEN NOT EXISTS (FROM _lester.feature) THEN 'the store holds no matrix'
        WHEN NOT EXISTS (FROM _lester.feature_rows
            WHERE part = 'train') THEN 'no row is in the part train' END AS reason
)
SELECT featurizer AS subject, 'constant_features' AS metric, count(*)::DOUBLE AS value, 0::DOUBLE AS threshold,
    'failed' AS verdict, format('{} ({})', min_by(name, position), min_by(reason, position))
        || CASE WHEN count(*) > 1 THEN format(' and {} more', count(*) - 1) ELSE '' END AS detail
FROM found WHERE reason IS NOT NULL AND (SELECT reason FROM obstacle) IS NULL GROUP BY featurizer
UNION ALL
SELECT NULL, 'constant_features', CASE WHEN reason IS NULL THEN 0 END, 0,
    CASE WHEN reason IS NULL THEN 'passed' ELSE 'not applicable' END, coalesce(reason, 'none found')
FROM obstacle WHERE reason IS NOT NULL OR NOT EXISTS (FROM found WHERE reason IS NOT NULL)
ORDER BY subject;
