-- Illegal features: features made from source columns that must not be used, named 'source.column', or 'column' for a
-- column of that name in any source (mlinspect's NoIllegalFeatures, by provenance and not by the feature's name).
CREATE OR REPLACE MACRO lester.check_illegal_features(illegal) AS TABLE
WITH named AS (SELECT unnest(illegal) AS subject),
used AS (
    SELECT n.subject, count(DISTINCT f.feature) AS features, min_by(f.feature, f.position) AS first_one
    FROM named AS n LEFT JOIN lester.feature_lineage AS f
        ON lower(n.subject) IN (lower(f.source_column), lower(substr(f.source_column, strpos(f.source_column,
            '.') + 1)))
    GROUP BY ALL
), unknown AS (
    SELECT DISTINCT o.name FROM _lester.column_origin AS o JOIN _lester.target AS t ON t.view = o.relation
    WHERE o.kind = 'UNKNOWN' AND o.name IN (SELECT unnest(inputs) FROM _lester.feature)
), obstacle AS (
    SELECT CASE WHEN NOT EXISTS (FROM _lester.feature) THEN 'the store holds no matrix' END AS reason,
        CASE WHEN EXISTS (FROM unknown) THEN 'it is unknown which source columns are behind '
            || (SELECT string_agg(name, ', ' ORDER BY name) FROM unknown) END AS doubt
), judged AS (
    SELECT u.*, o.*, CASE WHEN o.reason IS NULL
        AND (u.features > 0 OR o.doubt IS NULL) THEN u.features::DOUBLE END AS value
    FROM used AS u CROSS JOIN obstacle AS o
)
SELECT subject, 'features_made_from_it' AS metric, value, 0::DOUBLE AS threshold, _lester.verdict(value,
    value > 0) AS verdict,
    CASE WHEN value IS NULL THEN coalesce(reason, doubt) WHEN value = 0 THEN 'no feature'
        WHEN value = 1 THEN 'the feature ' || first_one
        ELSE format('{} features, the first is {}', features, first_one) END AS detail
FROM judged
UNION ALL
SELECT NULL, 'features_made_from_it', NULL, 0, 'not applicable', 'no column is named' WHERE NOT EXISTS (FROM named);
