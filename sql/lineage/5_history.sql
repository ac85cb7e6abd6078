CREATE OR REPLACE VIEW lester.relations AS
SELECT r.name, r.family, r.stored, r.reason, r.definition,
    list(c.name ORDER BY c.position) FILTER (WHERE c.role = 'data') AS columns
FROM _lester.relation AS r JOIN _lester.relation_column AS c ON c.relation = r.name
GROUP BY ALL ORDER BY any_value(r.position);

CREATE OR REPLACE VIEW lester.runs AS
SELECT id, started_at, seconds, fingerprint, counts, metrics, versions FROM _lester.run ORDER BY id;

CREATE OR REPLACE VIEW lester.changes AS
SELECT id, started_at, seconds, sources, relations, model FROM _lester.change ORDER BY id;
