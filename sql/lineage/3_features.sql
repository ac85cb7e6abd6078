-- One row per matrix column, input column and source column.
CREATE OR REPLACE VIEW lester.feature_lineage AS
SELECT position, name AS feature, featurizer, kind, category, inputs, unnest(sources) AS source_column
FROM _lester.feature;

-- What each featurizer reads, on which rows it is fitted, and whether it learns anything from them.
CREATE OR REPLACE VIEW lester.featurizers AS
SELECT featurizer, kinds, inputs, fit, learns FROM _lester.featurizer ORDER BY position;

-- The cells of sources behind one cell of the matrix: the rows behind the feature row, in the columns behind
-- the feature. What a featurizer learned from other rows (a mean, the categories) is not among them:
-- lester.featurizers says whether it learns, and lester.usage which rows it learned from.
CREATE OR REPLACE MACRO lester.backward_feature(row_id, feature_name) AS TABLE
WITH behind AS (
    SELECT DISTINCT split_part(c, '.', 1) AS source, substr(c, strpos(c, '.') + 1) AS source_column
    FROM (SELECT unnest(sources) AS c FROM _lester.feature WHERE name = feature_name)
)
SELECT DISTINCT e.source, e.source_rid, b.source_column
FROM _lester.feature_edges AS e JOIN behind AS b ON b.source = e.source
WHERE e._rid = row_id ORDER BY ALL;

-- The cells of the matrix that one cell of a source is behind.
CREATE OR REPLACE MACRO lester.forward_feature(source_name, row_id, source_column_name) AS TABLE
SELECT e._rid, f.position, f.name AS feature
FROM (SELECT DISTINCT _rid FROM _lester.feature_edges WHERE lower(source) = lower(source_name)
    AND source_rid = row_id) AS e
CROSS JOIN (
    SELECT position, name FROM _lester.feature WHERE list_contains(list_transform(sources, lambda s: lower(s)),
        lower(source_name || '.' || source_column_name))
) AS f
ORDER BY e._rid, f.position;
