-- The catalog: what the store holds, how it is computed, and what happened to it.
CREATE SCHEMA IF NOT EXISTS source;
CREATE SCHEMA IF NOT EXISTS lester;
CREATE SCHEMA IF NOT EXISTS _lester;

CREATE TABLE _lester.meta (key VARCHAR, value VARCHAR);

-- the pipeline's texts as they are live: manifest, functions, one row per view
CREATE TABLE _lester.text (part VARCHAR, name VARCHAR, text VARCHAR);

CREATE TABLE _lester.source (
    name VARCHAR, format VARCHAR, path VARCHAR, sha256 VARCHAR, rows_read BIGINT, rows_set_aside BIGINT,
    read_at TIMESTAMP, next_rid BIGINT, next_pos BIGINT
);

-- sources, views and hidden steps, in dependency order
CREATE TABLE _lester.relation (
    position INTEGER, name VARCHAR, view VARCHAR, family VARCHAR, stored VARCHAR, reason VARCHAR,
    schema_name VARCHAR, table_name VARCHAR, definition VARCHAR, fingerprint VARCHAR
);
CREATE TABLE _lester.relation_column (relation VARCHAR, position INTEGER, name VARCHAR, type VARCHAR, role VARCHAR);
CREATE TABLE _lester.order_term (relation VARCHAR, position INTEGER, name VARCHAR, descending BOOLEAN, nulls_last BOOLEAN);

-- column provenance: one hop (input) and transitive (source); indirect edges of a whole relation have name NULL
CREATE TABLE _lester.column_edge (
    relation VARCHAR, name VARCHAR, input VARCHAR, input_column VARCHAR, kind VARCHAR, subtype VARCHAR
);
CREATE TABLE _lester.column_origin (
    relation VARCHAR, name VARCHAR, source VARCHAR, source_column VARCHAR, kind VARCHAR, subtype VARCHAR
);

CREATE TABLE _lester.feature (
    position INTEGER, featurizer VARCHAR, kind VARCHAR, name VARCHAR, category VARCHAR, inputs VARCHAR[], sources VARCHAR[]
);

CREATE TABLE _lester.run (
    id BIGINT, started_at TIMESTAMP, seconds DOUBLE, fingerprint VARCHAR, manifest VARCHAR, counts JSON, metrics JSON,
    versions JSON
);
CREATE TABLE _lester.change (
    id BIGINT, started_at TIMESTAMP, seconds DOUBLE, sources JSON, relations JSON, model VARCHAR
);
CREATE TABLE _lester.model (
    estimator VARCHAR, params VARCHAR, content BLOB, stale BOOLEAN, fitted_at TIMESTAMP, rows_fitted BIGINT,
    matrix_sha256 VARCHAR
);
CREATE TABLE _lester.prediction (_rid BIGINT, value VARCHAR);
CREATE SEQUENCE _lester.row_ids START 1;
