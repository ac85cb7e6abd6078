-- What several checks share. A check answers rows of: subject, metric, value, threshold, verdict, detail. The
-- verdict is passed, failed or not applicable; a check whose inputs are missing never passes.
CREATE OR REPLACE MACRO _lester.verdict(value, failed) AS
CASE WHEN value IS NULL THEN 'not applicable' WHEN failed THEN 'failed' ELSE 'passed' END;

-- The label that counts as positive: the one given, else 1 or true where labels are of that kind.
CREATE OR REPLACE MACRO _lester.positive_label(given) AS
coalesce(given, (SELECT CASE WHEN bool_and(label IN ('0', '1')) THEN '1'
    WHEN bool_and(label IN ('false', 'true')) THEN 'true' END FROM _lester.outcomes WHERE label IS NOT NULL));

-- Why predictions cannot be judged; NULL where they can.
CREATE OR REPLACE MACRO _lester.not_judged(positive, part_name) AS
CASE
    WHEN NOT EXISTS (FROM _lester.target WHERE label IS NOT NULL) THEN 'the pipeline declares no label'
    WHEN NOT EXISTS (FROM _lester.model) THEN 'the store holds no fitted model'
    WHEN EXISTS (FROM _lester.model WHERE stale) THEN 'the model is older than the data'
    WHEN NOT EXISTS (FROM _lester.outcomes WHERE part = part_name AND label IS NOT NULL AND prediction IS NOT NULL)
        THEN 'no row of the part ' || part_name || ' has a label and a prediction'
    WHEN positive IS NULL THEN 'it is not said which label is positive'
    WHEN NOT EXISTS (FROM _lester.outcomes WHERE part = part_name AND label = positive)
        THEN 'no row of the part ' || part_name || ' has the label ' || positive
END;

-- Why the parts of the split cannot be compared; NULL where they can.
CREATE OR REPLACE MACRO _lester.not_divided() AS
CASE
    WHEN NOT EXISTS (FROM _lester.target) THEN 'the pipeline declares no features'
    WHEN NOT EXISTS (FROM _lester.feature_rows WHERE part = 'train') THEN 'no row is in the part train'
    WHEN NOT EXISTS (FROM _lester.feature_rows WHERE part = 'test') THEN 'no row is in the part test'
END;

-- The population stability index of two samples of a text per column: sum((p - q) * ln(p / q)) over its values, shares
-- floored at 1/10000; by_chance is what two samples of one population exceed in 5 of 100 cases (a chi-square
-- quantile, by Wilson and Hilferty's formula).
CREATE OR REPLACE MACRO _lester.stability(column_rows) AS TABLE
WITH counted AS (
    SELECT column_name, value, count(*) FILTER (WHERE part = 'train') AS n, count(*) FILTER (WHERE part = 'test') AS m
    FROM query_table(column_rows) WHERE part IN ('train', 'test') GROUP BY ALL
), total AS (
    SELECT column_name, sum(n) AS n, sum(m) AS m, count(*) AS k, count(*) - 1 AS freedom
        FROM counted GROUP BY column_name
), share AS (
    SELECT t.column_name, greatest(c.n / t.n, 0.0001) AS p, greatest(c.m / t.m, 0.0001) AS q
    FROM counted AS c JOIN total AS t ON t.column_name = c.column_name WHERE t.n > 0 AND t.m > 0
)
SELECT t.column_name, t.n, t.m, t.k AS value_count, sum((s.p - s.q) * ln(s.p / s.q)) AS index,
    CASE WHEN t.freedom = 0 THEN 0 ELSE (1 / t.n + 1 / t.m) * t.freedom
        * pow(1 - 2 / (9 * t.freedom) + 1.6448536269514722 * sqrt(2 / (9 * t.freedom)), 3) END AS by_chance
FROM share AS s JOIN total AS t ON t.column_name = s.column_name
GROUP BY t.column_name, t.n, t.m, t.k, t.freedom;

-- The Kolmogorov-Smirnov statistic of two samples of a number per column: the largest distance of their distribution
-- functions; by_chance is its critical value at 5 %.
CREATE OR REPLACE MACRO _lester.distance(column_rows) AS TABLE
WITH counted AS (
    SELECT column_name, value, count(*) FILTER (WHERE part = 'train') AS n, count(*) FILTER (WHERE part = 'test') AS m
    FROM query_table(column_rows)
    WHERE part IN ('train', 'test') AND value IS NOT NULL AND NOT isnan(value) GROUP BY ALL
), running AS (
    SELECT column_name, sum(n) OVER up AS below_n, sum(m) OVER up AS below_m,
        sum(n) OVER whole AS n, sum(m) OVER whole AS m
    FROM counted
    WINDOW up AS (PARTITION BY column_name ORDER BY value), whole AS (PARTITION BY column_name)
)
SELECT column_name, any_value(n) AS n, any_value(m) AS m, max(abs(below_n / n - below_m / m)) AS distance,
    1.3581015157406195 * sqrt((any_value(n) + any_value(m)) / (any_value(n) * any_value(m))) AS by_chance
FROM running WHERE n > 0 AND m > 0 GROUP BY column_name;
