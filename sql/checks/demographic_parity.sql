-- Demographic parity: are all groups predicted positive equally often? The difference between the largest and the
-- smallest selection rate (fairlearn's demographic_parity_difference).
CREATE OR REPLACE MACRO lester.check_demographic_parity(source_name, source_column_name, positive := NULL,
    part_name := 'test', threshold := 0.1) AS TABLE
WITH obstacle AS (SELECT _lester.not_judged(_lester.positive_label(positive), part_name) AS reason),
rate AS (
    SELECT group_value, selection_rate AS rate
    FROM lester.group_fairness(source_name, source_column_name, positive := _lester.positive_label(positive),
        part_name := part_name)
), spread AS (
    SELECT count(rate) AS groups, max(rate) - min(rate) AS difference, arg_max(coalesce(group_value, 'NULL'),
        rate) AS most,
        arg_min(coalesce(group_value, 'NULL'), rate) AS least
    FROM rate
), judged AS (
    SELECT CASE WHEN o.reason IS NULL AND s.groups > 1 THEN s.difference END AS value, o.reason, s.*
        FROM spread AS s CROSS JOIN obstacle AS o
)
SELECT source_name || '.' || source_column_name AS subject, 'demographic_parity_difference' AS metric, value,
    threshold::DOUBLE AS threshold, _lester.verdict(value, value > threshold) AS verdict,
    CASE WHEN value IS NULL THEN coalesce(reason, 'fewer than two groups')
        ELSE concat('most often positive: ', most, ', least often: ', least) END AS detail
FROM judged;
