-- Which source columns each column of a view is made from. column_name is NULL for what influences
-- every row of the relation alike (filters, join keys, grouping, order).
CREATE OR REPLACE VIEW lester.column_lineage AS
SELECT relation, name AS column_name, source, source_column, kind, subtype FROM _lester.column_origin;

-- The same, one hop: from the relations a view reads.
CREATE OR REPLACE VIEW lester.column_inputs AS
SELECT relation, name AS column_name, input, input_column, kind, subtype FROM _lester.column_edge;

-- The source columns behind one column of a view; scope tells whether only this column depends on them
-- (column) or every row of the view does (relation).
CREATE OR REPLACE MACRO lester.backward_column(relation_name, column_name) AS TABLE
SELECT o.source, o.source_column, o.kind, o.subtype, CASE WHEN o.name IS NULL THEN 'relation' ELSE 'column' END AS scope
FROM _lester.column_origin AS o
WHERE lower(o.relation) = lower(relation_name) AND (o.name IS NULL OR lower(o.name) = lower(column_name))
ORDER BY ALL;

-- The columns of views that depend on a source column; column_name is NULL where it influences every row.
CREATE OR REPLACE MACRO lester.forward_column(source_name, source_column_name) AS TABLE
SELECT o.relation, o.name AS column_name, o.kind, o.subtype
FROM _lester.column_origin AS o JOIN _lester.relation AS r ON r.name = o.relation AND r.name = r.view
WHERE lower(o.source) = lower(source_name) AND lower(o.source_column) = lower(source_column_name)
ORDER BY r.position, o.name NULLS LAST, o.kind, o.subtype;
