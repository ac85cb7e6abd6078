-- Label shift: do the labels of train and test have the same distribution? The population stability index, for at most
-- 100 values; the Kolmogorov-Smirnov statistic for numbers beyond. It fails where it is above the threshold and
-- above what chance explains.
CREATE OR REPLACE VIEW _lester.label_texts AS SELECT 'label' AS column_name, part, label AS value FROM _lester.outcomes;
CREATE OR REPLACE VIEW _lester.label_numbers AS SELECT 'label' AS column_name, part,
    TRY_CAST(label AS DOUBLE) AS value FROM _lester.outcomes;
CREATE OR REPLACE MACRO lester.check_label_shift(threshold := 0.2) AS TABLE
WITH measured AS (
    SELECT 'population_stability_index' AS metric, index AS value, by_chance, n, m
        FROM _lester.stability('_lester.label_texts') WHERE value_count <= 100
    UNION ALL
    SELECT 'kolmogorov_smirnov_statistic', distance, by_chance, n, m FROM _lester.distance('_lester.label_numbers')
    WHERE (SELECT count(DISTINCT label) FROM _lester.outcomes) > 100
), obstacle AS (
    SELECT CASE WHEN NOT EXISTS (FROM _lester.target WHERE label IS NOT NULL) THEN 'the pipeline declares no label'
        ELSE _lester.not_divided() END AS reason
), judged AS (
    SELECT coalesce(m.metric, 'population_stability_index') AS metric, CASE
        WHEN o.reason IS NULL THEN m.value END AS value, m.by_chance, m.n, m.m, o.reason
    FROM obstacle AS o LEFT JOIN measured AS m ON true
)
SELECT (SELECT label FROM _lester.target) AS subject, metric, value, threshold::DOUBLE AS threshold,
    _lester.verdict(value, value > threshold AND value > by_chance) AS verdict,
    CASE WHEN value IS NULL THEN coalesce(reason, 'more than 100 labels that are no numbers')
        ELSE format('{} and {} rows; chance explains up to {:.4f}', n, m, by_chance) END AS detail
FROM judged;
