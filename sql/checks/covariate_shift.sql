-- Covariate shift: do the columns that features are made from have the same distribution in train and test? Numbers by
-- the Kolmogorov-Smirnov statistic, texts of at most 100 values by the population stability index. A column fails
-- where its statistic is above the threshold and above what chance explains.
CREATE OR REPLACE MACRO lester.check_covariate_shift(threshold := 0.2) AS TABLE
WITH measured AS (
    SELECT column_name, 'kolmogorov_smirnov_statistic' AS metric, distance AS value, by_chance, n, m, NULL AS reason
    FROM _lester.distance('_lester.input_numbers')
    UNION ALL
    SELECT column_name, 'population_stability_index', CASE WHEN value_count <= 100 THEN index END, by_chance, n, m,
        CASE WHEN value_count > 100 THEN format('{} different texts, more than 100', value_count) END
    FROM _lester.stability('_lester.input_texts')
), obstacle AS (
    SELECT coalesce(_lester.not_divided(), CASE
        WHEN NOT EXISTS (FROM measured) THEN 'no feature is made from a number or a text' END) AS reason
)
SELECT column_name AS subject, metric, value, threshold::DOUBLE AS threshold,
    _lester.verdict(value, value > threshold AND value > by_chance) AS verdict,
    coalesce(reason, format('{} and {} rows; chance explains up to {:.4f}', n, m, by_chance)) AS detail
FROM measured WHERE (SELECT reason FROM obstacle) IS NULL
UNION ALL
SELECT NULL, 'kolmogorov_smirnov_statistic', NULL, threshold::DOUBLE, 'not applicable', reason
    FROM obstacle WHERE reason IS NOT NULL;
