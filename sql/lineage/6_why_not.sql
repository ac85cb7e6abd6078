-- Why a row of a source did not arrive in a view: the first step, on each way there, at which nothing was left of it,
-- and the join or condition that lost it. outcome is arrived, lost, unknown (a condition cannot be evaluated here),
-- no such row, or not read (no way leads from the source to the view). The first row is the first step.
CREATE OR REPLACE MACRO lester.why_not(source_name, row_id, relation_name) AS TABLE
WITH way AS (
    SELECT position, view, step, input, occurrence, stage
    FROM query(format('FROM _lester."why_not_{}"({})', source_name, row_id))
), target AS (
    SELECT step FROM _lester.below WHERE lower(name) = lower(relation_name)
), tried AS (
    SELECT position, view, step, input, occurrence, min_by(stage, stage.number) AS stage
    FROM way WHERE stage.passed IS DISTINCT FROM true AND step IN (SELECT step FROM target)
    GROUP BY ALL
), answer AS (
    SELECT position, occurrence, view AS relation, input, stage.kind, stage.condition,
        CASE WHEN stage.passed IS NULL THEN 'unknown' ELSE 'lost' END AS outcome
    FROM tried
    WHERE NOT EXISTS (FROM way WHERE stage.kind = 'arrived' AND lower(step) = lower(relation_name))
    UNION ALL
    SELECT position, 0, view, NULL, NULL, NULL, 'arrived'
    FROM way WHERE stage.kind = 'arrived' AND lower(step) = lower(relation_name)
)
SELECT outcome, relation, input, kind, condition FROM (
    FROM answer
    UNION ALL
    SELECT 0, 0, NULL, NULL, NULL, NULL, CASE WHEN NOT EXISTS (FROM way) THEN 'no such row' ELSE 'not read' END
    WHERE NOT EXISTS (FROM answer)
)
GROUP BY ALL ORDER BY min(position), min(occurrence), condition;
