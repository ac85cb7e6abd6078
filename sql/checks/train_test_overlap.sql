-- Overlap of train and test: rows of a source that are behind rows of both parts.
CREATE OR REPLACE MACRO lester.check_train_test_overlap(source_name, threshold := 0) AS TABLE
WITH counted AS (
    SELECT count(*) FILTER (WHERE usage = 'train and test') AS both_parts,
        count(*) FILTER (WHERE usage <> 'nothing') AS used,
        _lester.not_divided() AS reason
    FROM lester.usage(source_name)
), judged AS (SELECT *, CASE WHEN reason IS NULL AND used > 0 THEN both_parts::DOUBLE END AS value FROM counted)
SELECT source_name AS subject, 'rows_behind_train_and_test' AS metric, value, threshold::DOUBLE AS threshold,
    _lester.verdict(value, value > threshold) AS verdict,
    CASE WHEN value IS NULL THEN coalesce(reason, 'no row of it reached a part')
        ELSE format('of {} rows that reached a part', used) END AS detail
FROM judged;
