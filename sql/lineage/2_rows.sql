-- The source rows that contributed to a row of a view. A row of a source comes from itself.
CREATE OR REPLACE MACRO lester.backward(relation_name, row_id) AS TABLE
SELECT DISTINCT source, source_rid FROM query_table('_lester.edges_' || relation_name)
WHERE _rid = row_id ORDER BY source, source_rid;

-- The rows of all views that a source row contributed to.
CREATE OR REPLACE MACRO lester.forward(source_name, row_id) AS TABLE
SELECT DISTINCT relation, _rid FROM _lester.edges
WHERE lower(source) = lower(source_name) AND source_rid = row_id ORDER BY relation, _rid;

-- The values of one column of a source, as text, by row id.
CREATE OR REPLACE MACRO lester.source_values(source_name, source_column_name) AS TABLE
SELECT _rid, COLUMNS(lambda c: lower(c) = lower(source_column_name))::VARCHAR AS value
FROM query_table('source."' || source_name || '"');

-- For every row of a source: how many rows of the feature view it contributed to, per part.
CREATE OR REPLACE MACRO lester.usage(source_name) AS TABLE
WITH used AS (
    SELECT e.source_rid, count(*) FILTER (WHERE s.part = 'train') AS train_rows,
        count(*) FILTER (WHERE s.part = 'test') AS test_rows
    FROM _lester.feature_edges AS e JOIN _lester.feature_rows AS s ON s._rid = e._rid
    WHERE lower(e.source) = lower(source_name)
    GROUP BY e.source_rid
)
SELECT r._rid, coalesce(u.train_rows, 0) AS train_rows, coalesce(u.test_rows, 0) AS test_rows,
    CASE WHEN u.train_rows > 0 AND u.test_rows > 0 THEN 'train and test'
        WHEN u.train_rows > 0 THEN 'train'
        WHEN u.test_rows > 0 THEN 'test'
        ELSE 'nothing' END AS usage
FROM query_table('source."' || source_name || '"') AS r LEFT JOIN used AS u ON u.source_rid = r._rid;

-- For every row of a source: whether the model was trained on a row made from it.
CREATE OR REPLACE MACRO lester.trained_on(source_name) AS TABLE
SELECT r._rid, r._rid IN (
    SELECT e.source_rid FROM _lester.feature_edges AS e
    WHERE lower(e.source) = lower(source_name) AND e._rid IN (SELECT _rid
        FROM _lester.feature_rows WHERE part = 'train')
) AS trained
FROM query_table('source."' || source_name || '"') AS r;
