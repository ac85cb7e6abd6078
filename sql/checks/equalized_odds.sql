-- Equalised odds: are both kinds of error equally frequent in all groups? The larger of the differences of true and
-- of false positive rates (fairlearn's equalized_odds_difference).
CREATE OR REPLACE MACRO lester.check_equalized_odds(source_name, source_column_name, positive := NULL,
    part_name := 'test', threshold := 0.1) AS TABLE
WITH obstacle AS (SELECT _lester.not_judged(_lester.positive_label(positive), part_name) AS reason),
rate AS (
    FROM lester.group_fairness(source_name, source_column_name, positive := _lester.positive_label(positive),
        part_name := part_name)
), spread AS (
    SELECT least(count(true_positive_rate), count(false_positive_rate)) AS groups,
        max(true_positive_rate) - min(true_positive_rate) AS of_true,
            max(false_positive_rate) - min(false_positive_rate) AS of_false
    FROM rate
), judged AS (
    SELECT CASE WHEN o.reason IS NULL AND s.groups > 1 THEN greatest(of_true, of_false) END AS value, o.reason, s.*
        FROM spread AS s CROSS JOIN obstacle AS o
)
SELECT source_name || '.' || source_column_name AS subject, 'equalized_odds_difference' AS metric, value,
    threshold::DOUBLE AS threshold, _lester.verdict(value, value > threshold) AS verdict,
    CASE WHEN value IS NULL THEN coalesce(reason, 'fewer than two groups with both labels')
        ELSE format('difference of true positive rates {:.4f}, of false positive rates {:.4f}', of_true,
            of_false) END AS detail
FROM judged;
