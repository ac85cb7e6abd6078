-- Unnormalised features: dense numbers that no step scales, whose values in the part train neither lie within
-- [-threshold, threshold] nor have mean 0 and standard deviation 1 (within 0.1). Counts of words are not looked into.
CREATE OR REPLACE MACRO lester.check_unnormalized_features(threshold := 1) AS TABLE
WITH numbered AS (
    SELECT f.position, f.name, f.featurizer, d.scaled,
        row_number() OVER (PARTITION BY f.featurizer ORDER BY f.position) - 1 AS slot
    FROM _lester.feature AS f JOIN _lester.featurizer AS d ON d.featurizer = f.featurizer WHERE d.slotwise
), large AS ( -- most blocks are done with by their extremes
    SELECT r.featurizer FROM _lester.stored_rows AS r WHERE r.part = 'train'
    GROUP BY ALL HAVING max(list_max(r.value)) > threshold OR min(list_min(r.value)) < -threshold
), listed AS (
    SELECT featurizer, unnest(range(len(value))) AS slot, unnest(value) AS value
    FROM _lester.stored_rows WHERE part = 'train' AND featurizer IN (SELECT featurizer FROM large)
        AND featurizer IN (SELECT featurizer FROM _lester.featurizer WHERE slotwise AND NOT scaled)
), moments AS (
    SELECT featurizer, slot, min(value) AS low, max(value) AS high, avg(value) AS mean, stddev_pop(value) AS deviation
    FROM listed WHERE NOT isnan(value) GROUP BY ALL
), found AS (
    SELECT n.position, n.name, n.featurizer, greatest(abs(m.low), abs(m.high)) AS largest, m.mean, m.deviation
    FROM numbered AS n JOIN moments AS m ON m.featurizer = n.featurizer AND m.slot = n.slot
    WHERE NOT n.scaled AND greatest(abs(m.low), abs(m.high)) > threshold AND NOT (abs(m.mean) <= 0.1
        AND abs(m.deviation - 1) <= 0.1)
), obstacle AS (
    SELECT CASE WHEN NOT EXISTS (FROM numbered) THEN 'no feature is a dense number' END AS reason
), summed AS (
    SELECT featurizer, max(largest) AS largest, min_by(name, position) AS name, min_by(mean, position) AS mean,
        min_by(deviation, position) AS deviation, count(*) AS features
    FROM found GROUP BY featurizer
)
SELECT featurizer AS subject, 'largest_absolute_value' AS metric, largest AS value, threshold::DOUBLE AS threshold,
    'failed' AS verdict, format('{} (mean {:.6g}, standard deviation {:.6g})', name, mean, deviation)
        || CASE WHEN features > 1 THEN format(' and {} more', features - 1) ELSE '' END AS detail
FROM summed
UNION ALL
SELECT NULL, 'largest_absolute_value', CASE WHEN reason IS NULL THEN 0 END, threshold::DOUBLE,
    CASE WHEN reason IS NULL THEN 'passed' ELSE 'not applicable' END,
    coalesce(reason, 'every dense number is scaled, or small')
FROM obstacle WHERE reason IS NOT NULL OR NOT EXISTS (FROM found)
ORDER BY subject;
