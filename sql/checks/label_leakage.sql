-- Leakage of the label: features made from a source column that the label is made from, or from the label itself.
-- Columns of allowed ('source.column') may be behind both.
CREATE OR REPLACE MACRO lester.check_label_leakage(allowed := []::VARCHAR[]) AS TABLE
WITH label AS (
    SELECT DISTINCT o.source || '.' || o.source_column AS source_column
    FROM _lester.column_origin AS o JOIN _lester.target AS t ON t.view = o.relation AND t.label = o.name
    WHERE o.kind = 'DIRECT' OR o.subtype = 'CONDITIONAL'
), unknown AS (
    SELECT DISTINCT o.name FROM _lester.column_origin AS o JOIN _lester.target AS t ON t.view = o.relation
    WHERE o.kind = 'UNKNOWN' AND (o.name = t.label OR o.name IN (SELECT unnest(inputs) FROM _lester.feature))
), found AS (
    SELECT l.source_column AS subject, count(DISTINCT f.feature) AS features, min_by(f.feature, f.position) AS first_one
    FROM label AS l JOIN lester.feature_lineage AS f ON f.source_column = l.source_column
    WHERE NOT list_contains(allowed, l.source_column) GROUP BY ALL
    UNION ALL
    SELECT t.label, count(*), min_by(f.name, f.position) FROM _lester.feature AS f
        JOIN _lester.target AS t ON list_contains(f.inputs, t.label)
    GROUP BY ALL
), obstacle AS (
    SELECT CASE WHEN NOT EXISTS (FROM _lester.target WHERE label IS NOT NULL) THEN 'the pipeline declares no label'
        WHEN NOT EXISTS (FROM found) AND EXISTS (FROM unknown)
            THEN 'it is unknown which source columns are behind ' || (SELECT string_agg(name, ', ' ORDER BY name)
                FROM unknown) END AS reason
)
SELECT subject, 'features_of_the_label' AS metric, features::DOUBLE AS value, 0::DOUBLE AS threshold,
    'failed' AS verdict,
    CASE WHEN features = 1 THEN 'the feature ' || first_one ELSE format('{} features, the first is {}', features,
        first_one) END AS detail
FROM found WHERE (SELECT reason FROM obstacle) IS NULL
UNION ALL
SELECT (SELECT label FROM _lester.target), 'features_of_the_label', CASE WHEN reason IS NULL THEN 0 END, 0,
    CASE WHEN reason IS NULL THEN 'passed' ELSE 'not applicable' END,
    coalesce(reason, 'no feature is made from a column of the label')
FROM obstacle WHERE reason IS NOT NULL OR NOT EXISTS (FROM found);
