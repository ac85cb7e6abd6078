-- Change of a group's share: does a view lose rows of one group more than of others? For each view and each relation it
-- reads, the share of each group by a column of a source, relative to its share before (mlinspect's
-- NoBiasIntroducedFor: a fall of more than 30 %). The column need not be in any of the views.
CREATE OR REPLACE MACRO lester.group_shares(source_name, source_column_name) AS TABLE
WITH grouped AS (FROM lester.source_values(source_name, source_column_name)),
member AS (
    SELECT e.relation, g.value AS group_value, count(DISTINCT e._rid) AS row_count
    FROM _lester.edges AS e JOIN grouped AS g ON g._rid = e.source_rid
        WHERE lower(e.source) = lower(source_name) GROUP BY ALL
    UNION ALL
    SELECT source_name, value, count(*) FROM grouped GROUP BY ALL
), shared AS (
    SELECT *, row_count / sum(row_count) OVER (PARTITION BY relation) AS share FROM member
)
SELECT r.relation, r.input, b.group_value, b.share AS share_before, coalesce(a.share, 0) AS share,
    coalesce(a.row_count, 0) AS row_count,
    coalesce(a.share, 0) / b.share - 1 AS relative_change
FROM _lester.reads AS r JOIN shared AS b ON lower(b.relation) = lower(r.input)
    LEFT JOIN shared AS a ON a.relation = r.relation AND a.group_value IS NOT DISTINCT FROM b.group_value
    JOIN _lester.relation AS place ON place.name = r.relation
ORDER BY place.position, r.input, b.group_value;

CREATE OR REPLACE MACRO lester.check_group_change(source_name, source_column_name, threshold := 0.3) AS TABLE
WITH fallen AS (
    SELECT relation, input, min(relative_change) AS change, count(*) AS groups,
        min_by(coalesce(group_value, 'NULL'), relative_change) AS fallen_group,
        min_by(share_before, relative_change) AS share_before, min_by(share, relative_change) AS share
    FROM lester.group_shares(source_name, source_column_name) GROUP BY ALL
)
SELECT source_name || '.' || source_column_name || ' in ' || relation AS subject, 'relative_change_of_share' AS metric,
    CASE WHEN groups > 1 THEN change END AS value, -threshold::DOUBLE AS threshold,
    _lester.verdict(CASE WHEN groups > 1 THEN change END, change < -threshold) AS verdict,
    CASE WHEN groups > 1 THEN format('{}: from {:.4f} of {} to {:.4f}', fallen_group, share_before, input, share)
        ELSE 'one group only' END AS detail
FROM fallen
UNION ALL
SELECT source_name || '.' || source_column_name, 'relative_change_of_share', NULL, -threshold::DOUBLE,
    'not applicable', 'no view has rows of ' || source_name
WHERE NOT EXISTS (FROM fallen);
