-- Which source columns each column of a view is made from. column_name is NULL for what influences
-- every row of the relation alike (filters, join keys, grouping, order).
CREATE OR REPLACE VIEW lester.column_lineage AS
SELECT relation, name AS column_name, source, source_column, kind, subtype FROM _lester.column_origin;

-- The same, one hop: from the relations a view reads.
CREATE OR REPLACE VIEW lester.column_inputs AS
SELECT relation, name AS column_name, input, input_column, kind, subtype FROM _lester.column_edge;

-- One row per matrix column, input column and source column.
CREATE OR REPLACE VIEW lester.feature_lineage AS
SELECT position, name AS feature, featurizer, kind, category, inputs, unnest(sources) AS source_column
FROM _lester.feature;

CREATE OR REPLACE VIEW lester.relations AS
SELECT r.name, r.family, r.stored, r.reason, r.definition,
    list(c.name ORDER BY c.position) FILTER (WHERE c.role = 'data') AS columns
FROM _lester.relation AS r JOIN _lester.relation_column AS c ON c.relation = r.name
GROUP BY ALL ORDER BY any_value(r.position);

CREATE OR REPLACE VIEW lester.runs AS
SELECT id, started_at, seconds, fingerprint, counts, metrics, versions FROM _lester.run ORDER BY id;

CREATE OR REPLACE VIEW lester.changes AS
SELECT id, started_at, seconds, sources, relations, model FROM _lester.change ORDER BY id;

-- Predictions of the stored model; stale tells that it was fitted before the latest change.
CREATE OR REPLACE VIEW lester.predictions AS
SELECT p._rid, f.part, p.value, m.estimator, m.stale
FROM _lester.prediction AS p LEFT JOIN _lester.feature_rows AS f ON f._rid = p._rid CROSS JOIN _lester.model AS m;

-- The source rows that contributed to a row of a view.
CREATE OR REPLACE MACRO lester.backward(relation_name, row_id) AS TABLE
SELECT DISTINCT source, source_rid FROM _lester.edges
WHERE relation = relation_name AND _rid = row_id ORDER BY source, source_rid;

-- The rows of all views that a source row contributed to.
CREATE OR REPLACE MACRO lester.forward(source_name, row_id) AS TABLE
SELECT DISTINCT relation, _rid FROM _lester.edges
WHERE source = source_name AND source_rid = row_id ORDER BY relation, _rid;

-- For every row of a source: how many rows of the feature view it contributed to, per part.
CREATE OR REPLACE MACRO lester.usage(source_name) AS TABLE
WITH used AS (
    SELECT e.source_rid, count(DISTINCT f._rid) FILTER (WHERE f.part = 'train') AS train_rows,
        count(DISTINCT f._rid) FILTER (WHERE f.part = 'test') AS test_rows
    FROM _lester.edges AS e JOIN _lester.feature_rows AS f ON f.relation = e.relation AND f._rid = e._rid
    WHERE e.source = source_name
    GROUP BY e.source_rid
)
SELECT s._rid, coalesce(u.train_rows, 0) AS train_rows, coalesce(u.test_rows, 0) AS test_rows,
    CASE WHEN coalesce(u.train_rows, 0) > 0 AND coalesce(u.test_rows, 0) > 0 THEN 'train and test'
        WHEN coalesce(u.train_rows, 0) > 0 THEN 'train'
        WHEN coalesce(u.test_rows, 0) > 0 THEN 'test'
        ELSE 'nothing' END AS usage
FROM _lester.source_rows AS s LEFT JOIN used AS u ON u.source_rid = s._rid
WHERE s.source = source_name
ORDER BY s._rid;
