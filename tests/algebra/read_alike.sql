-- One view per line: its rows are those DuckDB gives for the same text (test_reading.py).
SELECT a AS b, b AS a FROM t
SELECT a + 1 AS a FROM t WHERE a > 0
SELECT a + 1 AS a FROM t ORDER BY a DESC
SELECT -a AS a, k FROM t ORDER BY a, k
SELECT -a AS a, k FROM t ORDER BY t.a, k
SELECT a AS x, x + 1 AS y FROM t
SELECT a AS k, k + 1 AS y FROM t
SELECT a AS x FROM t WHERE x > 0
SELECT a AS x, count(*) AS n FROM t GROUP BY x
SELECT a % 2 AS a, count(*) AS n FROM t GROUP BY a
SELECT a % 2 AS g, count(*) AS n FROM t GROUP BY 1
SELECT a % 2 AS g, count(*) AS n FROM t GROUP BY ALL
SELECT a % 2 AS g, count(*) AS n FROM t GROUP BY ALL HAVING n > 1
SELECT a, count(*) AS n FROM t GROUP BY a HAVING n > 1
SELECT a, count(*) AS a2 FROM t GROUP BY a HAVING count(*) > 1 ORDER BY a2 DESC, a
SELECT a, sum(c) AS c FROM t GROUP BY a HAVING c > 0
SELECT a, b FROM t ORDER BY 2, 1
SELECT a, b FROM t ORDER BY 2 DESC NULLS FIRST, 1
SELECT k, a FROM t ORDER BY ALL
SELECT * FROM t ORDER BY k DESC
SELECT * EXCLUDE (c) FROM t
SELECT * REPLACE (a + 1 AS a) FROM t
SELECT t.* FROM t
SELECT t.*, u.e FROM t JOIN u USING (k)
SELECT k, e FROM t LEFT JOIN u USING (k)
SELECT t.a, o.n FROM t JOIN o ON t.a = o.a
SELECT t.a, o.A AS z, BIG FROM t JOIN o ON t.A = O.a
SELECT a, n FROM o
SELECT "A", "n" FROM o WHERE "big" > 'f'
SELECT T.A FROM t
SELECT x.a FROM t AS X
SELECT o.a, t.k FROM o, t WHERE o.a = t.a
SELECT t.k, u.k AS k2 FROM t, u
SELECT a FROM t WHERE a IN (SELECT a FROM u)
SELECT a FROM t WHERE a NOT IN (SELECT a FROM u WHERE a IS NOT NULL)
SELECT a FROM t WHERE a NOT IN (SELECT a FROM u)
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)
SELECT a FROM t WHERE EXISTS (FROM u WHERE u.k = t.k)
SELECT a, (SELECT max(a) FROM u) AS m FROM t
SELECT k, (SELECT max(e) FROM u WHERE u.k = t.k) AS m FROM t
SELECT k, a FROM t WHERE (k, a) IN (SELECT k, a FROM u)
SELECT k, a FROM t WHERE a = ANY (SELECT a FROM u)
SELECT k, a FROM t WHERE a > ALL (SELECT a FROM u WHERE a < 1)
SELECT count(*) AS n FROM t
SELECT count(*) FILTER (WHERE a > 0) AS n, sum(a) AS s FROM t
SELECT fsum(c) AS s, product(c) AS p FROM t
SELECT a, fsum(c) AS s FROM t GROUP BY ALL
SELECT count() AS n FROM t
SELECT a, mad(k) AS m, entropy(b) AS e, sem(k) AS s, histogram(b) AS h FROM t GROUP BY a
SELECT corr(k, a) AS c, covar_pop(k, a) AS d, regr_slope(k, a) AS r FROM t
SELECT regr_avgx(k, a) AS c, regr_sxy(k, a) AS d FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY k) AS m, quantile_disc(k, 0.5) AS q FROM t
SELECT quantile_cont(k, [0.25, 0.5]) AS q, median(k) AS m FROM t
SELECT bool_and(a > 0) AS x, bool_or(a > 0) AS y, bit_xor(k) AS z FROM t
SELECT max(k, 2) AS m, min(k, 2) AS n FROM t
SELECT arg_min(b, k, 2) AS m FROM t
SELECT count_if(a > 0) AS n FROM t
SELECT any_value(b) AS f FROM t WHERE b IS NOT NULL
SELECT DISTINCT a FROM t
SELECT DISTINCT a % 2 AS m, b FROM t ORDER BY m, b
SELECT DISTINCT ON (a) a, k FROM t ORDER BY a, k DESC
SELECT DISTINCT ON (a) k FROM t ORDER BY k DESC
SELECT a FROM t UNION SELECT a FROM u
SELECT a FROM t UNION ALL SELECT a FROM u
SELECT a, b FROM t UNION ALL SELECT e, k FROM u
SELECT k FROM t UNION ALL SELECT c FROM t
(SELECT a FROM t ORDER BY k DESC) UNION ALL (SELECT a FROM u)
SELECT a FROM t UNION ALL SELECT a FROM u ORDER BY a
SELECT a FROM t UNION SELECT a FROM u ORDER BY 1 DESC
(SELECT a FROM t UNION SELECT a FROM u) UNION SELECT n FROM o
(SELECT a FROM t UNION ALL SELECT a FROM t) UNION ALL SELECT n FROM o
FROM t
FROM t SELECT a
FROM t WHERE a > 0
WITH q AS (SELECT a, k FROM t) SELECT * FROM q
WITH q AS (SELECT a, k FROM t), r AS (SELECT a FROM q WHERE k > 2) SELECT r.a, q.k FROM r JOIN q ON q.a = r.a
WITH t AS (SELECT a, k + 100 AS k FROM t) SELECT * FROM t
WITH q AS MATERIALIZED (SELECT a FROM t) SELECT a FROM q
SELECT a FROM (WITH q AS (SELECT a FROM t) SELECT a FROM q) AS s
WITH q AS (SELECT a FROM u) SELECT a FROM t WHERE a IN (SELECT a FROM q)
SELECT s.a FROM (SELECT a FROM t) AS s
SELECT a FROM (SELECT a FROM t)
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y)
SELECT t.a, m.y FROM t JOIN (VALUES (1, 'one')) AS m(x, y) ON t.a = m.x
SELECT row_number() OVER (ORDER BY k) AS n, k FROM t
SELECT k, lag(a, 1, -1) OVER (ORDER BY k) AS l FROM t
SELECT k, count(*) OVER () AS n FROM t
SELECT k, sum(a) OVER (ORDER BY k ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM t
SELECT k, sum(k) OVER (ORDER BY k RANGE BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) AS s FROM t
SELECT k, CASE a WHEN 0 THEN 'z' WHEN 1 THEN 'o' ELSE b END AS w FROM t
SELECT k, coalesce(b, 'none') AS w, nullif(b, '') AS x, if(a > 0, 1, 0) AS y FROM t
SELECT k, a IS DISTINCT FROM 1 AS w, a IS NOT DISTINCT FROM NULL AS x FROM t
SELECT k, b LIKE 'x%' AS w, b ILIKE 'X%' AS x, b SIMILAR TO '[xy]' AS y, b GLOB 'x*' AS z FROM t
SELECT k, regexp_matches(b, '[a-z]') AS w, regexp_replace(b, 'x', 'z', 'g') AS x, b ~ 'x' AS y FROM t
SELECT k, a::VARCHAR || '!' AS w, CAST(c AS INTEGER) AS x, TRY_CAST(b AS INTEGER) AS y FROM t
SELECT k, a / 2 AS w, a // 2 AS x, a % 2 AS y, -7 // 2 AS z, 2 ** 3 AS p, 2 ^ 3 AS q FROM t
SELECT k, [a, k] AS l, {'x': a} AS s, MAP {'m': a} AS m FROM t
SELECT k, list_transform([a, k], lambda x: x + 1) AS l, [x + 1 for x in [a, k] if x > 1] AS m FROM t
SELECT k, b[1] AS w, b[1:2] AS x, [1, 2, 3][1] AS y, [1, 2, 3][-1] AS z FROM t
SELECT k, string_split(b, '') AS w, split_part(b, 'x', 1) AS x, b.upper() AS y FROM t
SELECT k, substring(b, 1, 1) AS w, b[:1] AS x, left(b, 1) AS y, strpos(b, 'x') AS z FROM t
SELECT k, date '2024-01-31' + INTERVAL 1 MONTH AS d, date_diff('day', date '2024-01-01', date '2024-03-01') AS e FROM t
SELECT k, strftime(date '2024-01-31', '%d.%m') AS d, strptime('01.02.2024', '%d.%m.%Y') AS e, date_trunc('month', date '2024-01-31') AS f FROM t
SELECT k, epoch(timestamp '2024-01-01') AS e, extract(year FROM date '2024-05-01') AS y, dayofweek(date '2024-05-01') AS w, isodow(date '2024-05-01') AS i FROM t
SELECT k, round(c) AS r, round_even(c, 0) AS e, trunc(c) AS t, floor(c) AS f, ceil(c) AS g, sign(c) AS s FROM t
SELECT k, greatest(a, k) AS g, least(a, k) AS l, abs(c) AS b, xor(a, k) AS x, a & k AS y, a | k AS z, a << 1 AS s FROM t
SELECT k, md5(b) AS m, hash(b) % 2 AS h, ('0x' || md5(b))::UHUGEINT AS u FROM t WHERE b IS NOT NULL
SELECT k, concat(b, '-', a) AS c, concat_ws('-', b, a) AS d, b || a AS e FROM t
SELECT k, trim(b) AS m, ltrim(b, 'x') AS l, trim(both 'x' FROM b) AS n, lpad(b, 3, '.') AS p, repeat(b, 2) AS r, reverse(b) AS v FROM t
SELECT k, upper(b) AS u, length(b) AS l, ascii(b) AS a2, chr(65) AS c2, instr(b, 'x') AS i, contains(b, 'x') AS d, starts_with(b, 'x') AS s FROM t
SELECT k, json_extract('{"a": 1}', '$.a') AS j, '{"a": {"b": 2}}'::JSON -> 'a' ->> 'b' AS l FROM t
SELECT k, list_contains([1, 2], a) AS l, a IN (0, 1) AS i, a IN [0, 1] AS j, a BETWEEN 0 AND 1 AS n FROM t
SELECT k, list_sort([3, 1]) AS l, list_sum([a, k]) AS s, list_aggregate([1, 2], 'max') AS m, array_length([1]) AS n, len(b) AS o FROM t
SELECT k, [a, k][i.n] AS item FROM t JOIN (VALUES (1), (2), (3)) AS i(n) ON i.n <= len([a, k])
SELECT k FROM t SEMI JOIN u USING (k)
SELECT k FROM t ANTI JOIN u USING (k)
SELECT t.k FROM t SEMI JOIN u ON t.k = u.k AND u.a > 1
SELECT t.k FROM t ANTI JOIN u ON t.k = u.k JOIN o ON o.a = t.a
SELECT t.k, u.e FROM t JOIN u ON t.k = u.k AND t.a IS NOT NULL
SELECT t.k, u.e FROM t LEFT JOIN u ON t.k = u.k AND u.a > 1 WHERE t.a IS NOT NULL
SELECT t.k, u.e, o.n FROM t LEFT JOIN u ON t.k = u.k JOIN o ON o.a = u.a
SELECT t.k, u.e FROM t CROSS JOIN u
SELECT t.k, u.e FROM t LEFT JOIN u ON true
SELECT t.k, u.e FROM t JOIN u ON t.k <= u.k
SELECT struct_pack(x := a) AS s FROM t
SELECT {'x': a}.x AS s FROM t
SELECT t.k AS "select", b AS "my col" FROM t
SELECT "k" AS Kk, k AS kK FROM t
SELECT 'a' AS s, 1 AS n, NULL AS z FROM t
SELECT a, k FROM t GROUP BY a, k
SELECT a FROM t GROUP BY a, b
SELECT a + k AS s FROM t GROUP BY a + k
SELECT a, count(*) * 2 + a AS s FROM t GROUP BY a
SELECT upper(b) AS b, count(*) AS n FROM t GROUP BY upper(b)
SELECT upper(b) AS b, count(*) AS n FROM t GROUP BY b
SELECT a AS g, sum(k) FILTER (WHERE b = 'x') AS s FROM t GROUP BY g ORDER BY g DESC
SELECT a, sum(k) AS s FROM t GROUP BY a ORDER BY sum(k) DESC, a
SELECT a, grouping(a) AS g FROM t GROUP BY a
SELECT max(a) - min(a) AS r FROM t HAVING count(*) > 100
SELECT 1 AS one FROM t HAVING count(*) > 1
SELECT a FROM t FETCH FIRST 1 ROWS ONLY
SELECT * ILIKE 'A%' FROM t
SELECT a, pg_typeof(a) AS d, typeof(a) AS e FROM t
SELECT approx_count_distinct(k) AS q FROM t
SELECT ALL a FROM t
SELECT k, a FROM t ORDER BY a NULLS FIRST, k DESC
SELECT a.b FROM (SELECT {'b': k} AS a FROM t) AS s
SELECT s.a.b AS w FROM (SELECT {'b': k} AS a FROM t) AS s
SELECT k, (SELECT count(*) FROM u WHERE u.a = t.a) AS n FROM t ORDER BY n DESC, k
SELECT x.k FROM t x, u y WHERE x.k = y.k
SELECT k FROM t ORDER BY (SELECT max(a) FROM u), k DESC
SELECT t.k FROM t JOIN u ON u.k = t.k AND u.a IN (SELECT a FROM o)
SELECT a, count(*) AS n FROM t WHERE a IN (SELECT a FROM u) GROUP BY a
SELECT DISTINCT b FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)
SELECT a, count(DISTINCT b) AS n, count(DISTINCT (b, c)) AS m FROM t GROUP BY a
SELECT k, sum(a) OVER (PARTITION BY b ORDER BY k) AS s FROM t
SELECT k, sum(a) OVER w AS s, max(k) OVER w AS m FROM t WINDOW w AS (PARTITION BY b ORDER BY k)
SELECT k FROM t QUALIFY row_number() OVER (PARTITION BY a ORDER BY k DESC) = 1
SELECT k, row_number() OVER (PARTITION BY a ORDER BY k DESC) AS n FROM t QUALIFY n = 1
SELECT k, rank() OVER (ORDER BY a) AS r FROM t
SELECT a, list(k ORDER BY k DESC) AS l FROM t GROUP BY a
SELECT t.k, u.e FROM t RIGHT JOIN u ON t.k = u.k
SELECT t.k, u.k AS k2, u.e FROM t FULL JOIN u ON t.k = u.k
SELECT k, t.a, u.e, o.n FROM t FULL JOIN u USING (k) LEFT JOIN o ON o.a = t.a
SELECT t.k, u.e, o.n FROM t JOIN u ON t.k = u.k FULL JOIN o ON o.a = u.a WHERE o.n IS NOT NULL
SELECT t.k, u.e, o.n FROM t LEFT JOIN u ON t.k = u.k RIGHT JOIN o ON o.a = u.a
SELECT t.k, u.e FROM t FULL JOIN u ON t.a < u.a AND t.k > 2
SELECT count(*) AS n FROM t FULL JOIN u ON t.k = u.k
SELECT k, t.a, u.e, o.n FROM t FULL JOIN u USING (k) FULL JOIN o ON o.a = t.a
SELECT k, a2.n FROM t FULL JOIN u USING (k) FULL JOIN (SELECT n AS k, n FROM o) AS a2 USING (k)
SELECT a FROM t INTERSECT SELECT a FROM u
SELECT a FROM t INTERSECT ALL SELECT a FROM u
SELECT a FROM t EXCEPT SELECT a FROM u
SELECT a FROM t EXCEPT ALL SELECT a FROM u
SELECT k FROM t EXCEPT SELECT c FROM t
SELECT a, k FROM t EXCEPT ALL SELECT * FROM (SELECT a, k FROM u) AS s ORDER BY k DESC
SELECT a FROM t UNION SELECT a FROM u INTERSECT SELECT A FROM o
(SELECT a FROM t UNION ALL SELECT a FROM u) EXCEPT ALL SELECT A FROM o
SELECT a FROM t UNION SELECT a FROM u UNION ALL SELECT A FROM o
SELECT a FROM t UNION ALL SELECT a FROM u UNION SELECT A FROM o
SELECT a FROM t EXCEPT (SELECT a FROM u UNION ALL SELECT n FROM o)
WITH q AS (SELECT a FROM t EXCEPT SELECT a FROM u) SELECT q.a, t.k FROM q JOIN t ON t.a = q.a
SELECT k FROM t ORDER BY k LIMIT 3
SELECT k FROM t ORDER BY k DESC LIMIT 2 OFFSET 1
SELECT k, a FROM t ORDER BY a, k OFFSET 2
SELECT k FROM t FETCH FIRST 2 ROWS ONLY
(SELECT k FROM t ORDER BY k LIMIT 2) UNION ALL (SELECT k FROM u ORDER BY k DESC, a LIMIT 1)
SELECT k FROM t UNION ALL SELECT k FROM u ORDER BY k LIMIT 4
(SELECT k FROM t ORDER BY k) LIMIT 3
SELECT a, count(*) AS n FROM t GROUP BY a ORDER BY n DESC, a LIMIT 2
SELECT k FROM t LIMIT 0
SELECT s.k FROM (SELECT k FROM t ORDER BY k DESC LIMIT 2) AS s JOIN t ON t.k = s.k
SELECT a, count(*) AS n, row_number() OVER (ORDER BY count(*) DESC, a) AS r FROM t GROUP BY a
SELECT a, sum(sum(k)) OVER () AS s FROM t GROUP BY a
SELECT a, sum(k) * 1.0 / sum(sum(k)) OVER (PARTITION BY a > 0) AS s FROM t GROUP BY a HAVING count(*) > 0 ORDER BY s
SELECT a % 2 AS g, count(*) AS n, lag(count(*)) OVER (ORDER BY a % 2) AS p FROM t GROUP BY g
SELECT a, count(*) FILTER (WHERE b = 'x') AS n, rank() OVER (ORDER BY count(*) FILTER (WHERE b = 'x')) AS r FROM t GROUP BY ALL
SELECT a, max(k) AS m FROM t GROUP BY a QUALIFY row_number() OVER (ORDER BY max(k) DESC) <= 2
SELECT sum(k) AS s, sum(sum(k)) OVER () AS w FROM t
SELECT a, quantile_cont(k, 0.5) AS m, rank() OVER w AS r FROM t GROUP BY a WINDOW w AS (ORDER BY max(k))
SELECT DISTINCT a, count(*) AS n FROM t GROUP BY a
SELECT DISTINCT count(*) AS n FROM t GROUP BY a ORDER BY n DESC
SELECT DISTINCT b, count(*) OVER (PARTITION BY b) AS n FROM t
SELECT DISTINCT ON (n) count(*) AS n, a FROM t GROUP BY a ORDER BY n, a
SELECT DISTINCT ON (b) b, k FROM t QUALIFY row_number() OVER (PARTITION BY a ORDER BY k) = 1 ORDER BY b, k
SELECT a, count(*) AS n FROM t GROUP BY ROLLUP (a)
SELECT a, b, count(*) AS n, grouping(a, b) AS g FROM t GROUP BY ROLLUP (a, b)
SELECT a, b, sum(k) AS n, grouping(b) AS g FROM t GROUP BY CUBE (a, b) HAVING count(*) > 1
SELECT a, b, count(*) AS n FROM t GROUP BY GROUPING SETS ((a, b), a, (), ())
SELECT a, b, count(*) AS n FROM t GROUP BY a, ROLLUP (b)
SELECT coalesce(b, 'all') AS b, count(*) AS n FROM t GROUP BY ROLLUP (b) ORDER BY grouping(b), b
SELECT a FROM t GROUP BY CUBE (a)
SELECT a % 2 AS g, count(*) AS n FROM t GROUP BY ROLLUP (a % 2)
SELECT a % 2 AS g, count(*) AS n FROM t GROUP BY ROLLUP (g)
SELECT a, sum(a) AS s, count(*) AS n FROM t GROUP BY ROLLUP (a)
SELECT a, count(*) AS n FROM t WHERE k > 100 GROUP BY ROLLUP (a)
SELECT a, b, count(*) AS n, row_number() OVER (PARTITION BY grouping(a, b) ORDER BY count(*), a, b) AS r FROM t GROUP BY ROLLUP (a, b)
SELECT b, a, k, count(*) AS n FROM t GROUP BY ROLLUP ((b, a), k)
SELECT t.k, u.e FROM t ASOF JOIN u ON t.k >= u.k AND t.a = u.a
SELECT t.k, u.k AS k2 FROM t ASOF LEFT JOIN u ON t.a = u.a AND t.k > u.k
SELECT t.k, u.k AS k2 FROM t ASOF LEFT JOIN u ON t.a = u.a AND u.k >= t.k
SELECT t.k, u.k AS k2, o.n FROM t ASOF JOIN u ON t.a = u.a AND t.k <= u.k LEFT JOIN o ON o.a = t.a WHERE o.n > 0
SELECT x.* EXCLUDE (c) FROM t AS x
SELECT x.* REPLACE (a + 1 AS a) FROM t AS x
SELECT DISTINCT ON (a) a % 2 AS a, k FROM t ORDER BY k
SELECT DISTINCT ON (1) a, k FROM t ORDER BY k
SELECT DISTINCT ON (m) a % 2 AS m, k FROM t ORDER BY k
SELECT k FROM t LEFT JOIN (SELECT k::DOUBLE AS k FROM u) AS d USING (k)
SELECT k FROM t RIGHT JOIN (SELECT k::DOUBLE AS k FROM u) AS d USING (k)
SELECT typeof(k) AS y FROM t FULL JOIN (SELECT k::DOUBLE AS k FROM u) AS d USING (k)
SELECT typeof(k) AS y, coalesce(t.k, d.k) AS z FROM t JOIN (SELECT k::DOUBLE AS k FROM u) AS d USING (k) JOIN (SELECT k::BIGINT AS k FROM u) AS e USING (k)
SELECT k, typeof(k) AS y FROM t FULL JOIN (SELECT k::BIGINT AS k FROM u) AS d USING (k) RIGHT JOIN (SELECT k::DOUBLE AS k FROM u) AS e USING (k)
SELECT k, t.a AS ta, u.a AS ua, e FROM t FULL JOIN u USING (k)
SELECT typeof(k) AS y FROM (SELECT k FROM t INTERSECT ALL SELECT k::DOUBLE FROM t) AS s
SELECT t.k FROM t RIGHT JOIN u ON t.k = u.k AND t.a IN (SELECT a FROM o)
SELECT unnest([1, 2]) AS n FROM t LIMIT 3
SELECT a, count(*) AS n FROM t FULL JOIN u USING (a) GROUP BY a
SELECT a, count(*) AS n, row_number() OVER (ORDER BY count(*), a) AS r FROM t FULL JOIN u USING (a) GROUP BY ROLLUP (a) ORDER BY n LIMIT 20
SELECT max(k) AS m, (SELECT max(k) FROM u WHERE u.a = t.a) AS x, row_number() OVER (ORDER BY a) AS r FROM t GROUP BY a
SELECT a AS x, grouping(x) AS g FROM t GROUP BY ROLLUP (x)
SELECT a, b FROM t GROUP BY GROUPING SETS ((a), ROLLUP (b))
SELECT a, grouping_id(a) AS g FROM t GROUP BY ROLLUP (a)
SELECT typeof(a) AS y, typeof(grouping(a)) AS g, upper(b) AS u FROM t GROUP BY CUBE (a, b)
SELECT k FROM t WHERE a > 0 ORDER BY b NULLS FIRST, k LIMIT 3
SELECT a FROM t GROUP BY a HAVING a IN (SELECT a FROM u) QUALIFY count(*) OVER () > 0
SELECT DISTINCT ON (n) count(*) AS n, a FROM t GROUP BY a ORDER BY count(*), max(k)
SELECT a, b, count(*) AS n, count(*) OVER () AS w FROM t GROUP BY (a, b)
SELECT a, count(*) AS n, count(*) OVER () AS w FROM t GROUP BY (a)
SELECT (a + 1) AS x, count(*) OVER () AS w FROM t GROUP BY (a + 1)
SELECT count(*) AS n, count(*) OVER () AS w FROM t WHERE k > 99 GROUP BY ()
SELECT a, count(*) AS n, n + 1 AS m, sum(n) OVER () AS w FROM t GROUP BY a
SELECT CASE WHEN grouping(a) = 1 THEN 'all' ELSE a::VARCHAR END AS a, count(*) AS n FROM t GROUP BY ROLLUP (a) ORDER BY 1
SELECT a + 1 AS a1, a, count(*) AS n FROM t GROUP BY ROLLUP (a, a + 1)
SELECT a, count(*) AS n FROM t GROUP BY CUBE (a, a)
WITH f AS (SELECT t.k, u.e FROM t FULL JOIN u ON t.k = u.k) SELECT x.k, y.e FROM f AS x JOIN f AS y ON x.k = y.k
WITH sets AS (SELECT a FROM t), "all" AS (SELECT a FROM sets LIMIT 4), both_sides AS (SELECT a FROM "all" EXCEPT SELECT a FROM u) SELECT a, count(*) AS n FROM both_sides GROUP BY ROLLUP (a) LIMIT 9
PIVOT t ON a IN (0, 1) USING sum(k)
PIVOT t ON a IN (0, 1)
PIVOT t ON a IN (0, 1) USING sum(k) AS s
PIVOT t ON a IN (0, 1) USING sum(k), count(*)
PIVOT t ON a IN (0, 1) USING sum(k) GROUP BY b, c
PIVOT t ON a IN (0), b IN ('x', 'it''s') USING sum(k) GROUP BY c
PIVOT t ON b IN ('x','y') USING list(k ORDER BY c) GROUP BY a
PIVOT t ON b IN ('x','y') USING coalesce(sum(c), 0) GROUP BY a
PIVOT t ON b IN ('x','y', NULL) USING count(*) GROUP BY a
PIVOT t ON c IN (0.5, 2, -1, -1.5) USING max(a) GROUP BY a
PIVOT t ON b IN ('x', 'X') USING max(k) GROUP BY c
PIVOT t ON b IN ('a', 'x') USING max(k) GROUP BY a
PIVOT t ON b IN ('x', 'y') USING max(k), max(k) GROUP BY a
SELECT * FROM t PIVOT (sum(k) FOR a IN (0, 1))
SELECT * FROM t PIVOT (sum(k) AS s, max(c) FOR a IN (0 AS z, 1) b IN ('x') GROUP BY k)
SELECT p.b, p."0" FROM t PIVOT (sum(k) FOR a IN (0, 1) GROUP BY b) AS p WHERE p.b > 'a'
SELECT * FROM (SELECT a, k FROM t) PIVOT (sum(k) FOR a IN (0, 1))
SELECT * FROM (SELECT a, k FROM t WHERE k > 99) PIVOT (sum(k) FOR a IN (0, 1))
PIVOT (SELECT * FROM t WHERE k < 4) ON a IN (0, 1) USING sum(k) GROUP BY b
WITH q AS (SELECT * FROM t) PIVOT q ON a IN (0, 1) USING sum(k) GROUP BY b
WITH p AS (PIVOT t ON a IN (0, 1) USING sum(k) GROUP BY b) SELECT * FROM p JOIN t USING (b)
FROM (PIVOT t ON a IN (0,1) USING sum(k) GROUP BY b) AS p SELECT p.b
SELECT * FROM t UNPIVOT (v FOR n IN (a, k))
UNPIVOT t ON a, k INTO NAME n VALUE v
UNPIVOT t ON a, k
UNPIVOT t ON a, K AS kk
UNPIVOT t ON COLUMNS(* EXCLUDE (b))
UNPIVOT t ON * EXCLUDE (b)
UNPIVOT t ON COLUMNS('a|k')
UNPIVOT t ON a, c
SELECT * FROM t UNPIVOT INCLUDE NULLS (v FOR n IN (a, k))
SELECT * FROM t UNPIVOT (v FOR n IN (a AS 'x', k AS y))
SELECT * FROM t UNPIVOT ((v,w) FOR n IN ((a, k) AS 'ak', (k,a)))
UNPIVOT t ON (a, k), (c, a) AS z INTO NAME n VALUE v, w
UNPIVOT t ON a::VARCHAR AS a, b INTO NAME n VALUE v
SELECT p.n, v FROM t UNPIVOT (v FOR n IN (a, k)) AS p WHERE n = 'a'
UNPIVOT (SELECT a, k FROM t) ON a, k
SELECT COLUMNS('a') FROM t
SELECT COLUMNS('^a$') FROM t
SELECT COLUMNS(*) FROM t
SELECT COLUMNS(t.*) FROM t JOIN u USING (k)
SELECT COLUMNS('k') FROM t JOIN u USING (k)
SELECT COLUMNS('k') FROM t FULL JOIN u USING (k)
SELECT COLUMNS(* EXCLUDE (a)) FROM t
SELECT COLUMNS(* REPLACE (a + 1 AS a)) FROM t
SELECT COLUMNS(['k', 'c']) FROM t
SELECT sum(COLUMNS(['k', 'a'])) FROM t
SELECT COLUMNS(['k', 'a']) + COLUMNS(['k', 'a']) FROM t
SELECT min(COLUMNS('k|a')) AS 'min_\0' FROM t
SELECT coalesce(*COLUMNS(['k', 'a'])) AS m FROM t
SELECT greatest(*COLUMNS(['k', 'a']), 3) AS m, [*COLUMNS(['k', 'a'])] AS l FROM t
SELECT * LIKE 'a%' FROM t
SELECT * NOT LIKE 'a%' FROM t
SELECT * RENAME (a AS b2) FROM t
SELECT t.* EXCLUDE (b) RENAME (A AS b) FROM t
SELECT * FROM t NATURAL JOIN u
SELECT e, b, k FROM t NATURAL FULL JOIN u
SELECT * FROM t NATURAL RIGHT JOIN (SELECT k, e FROM u) AS s
SELECT t.k, s.e FROM t NATURAL LEFT JOIN (SELECT k, e FROM u) AS s
SELECT k, sum(COLUMNS(* EXCLUDE (k, b))) FROM t GROUP BY k
SELECT k FROM t NATURAL SEMI JOIN u
SELECT max(COLUMNS(* EXCLUDE (b))) OVER (PARTITION BY b) FROM t
SELECT k, (SELECT first(e ORDER BY a) FROM u WHERE u.k = t.k) AS m FROM t
SELECT k, (SELECT list(x) FROM unnest([t.a, t.k]) AS n(x)) AS m FROM t
SELECT k, (SELECT a FROM u WHERE u.k = t.k AND u.a = 1) AS m FROM t
SELECT k, EXISTS (SELECT 1 FROM u WHERE u.k = t.k) AS m FROM t
SELECT k, k IN (SELECT k FROM u) AS m FROM t
SELECT k FROM t WHERE k = 2 OR EXISTS (SELECT 1 FROM u WHERE u.k = t.k)
SELECT k FROM t WHERE NOT (a > 1 AND EXISTS (SELECT 1 FROM u WHERE u.k = t.k))
SELECT a, sum(k) AS s FROM t GROUP BY a HAVING sum(k) > (SELECT avg(k) FROM u)
SELECT a, sum(k) AS s FROM t GROUP BY a HAVING EXISTS (SELECT 1 FROM u WHERE u.k < sum(t.k))
SELECT a, (SELECT count(*) FROM u WHERE u.a = t.a) AS s FROM t GROUP BY a
SELECT ARRAY(SELECT k FROM u) AS l FROM t
SELECT k FROM t WHERE a > ANY (SELECT a FROM u)
SELECT k FROM t WHERE a IN (SELECT a FROM u GROUP BY a HAVING count(*) > 0)
SELECT k, (SELECT x.a FROM (SELECT max(a) AS a FROM u WHERE u.k = t.k) AS x) AS m FROM t
SELECT k, (SELECT count(*) FROM u WHERE u.a > (SELECT min(a) FROM o WHERE o.A = t.a)) AS m FROM t
SELECT k FROM t WHERE (SELECT count(*) FROM u) > 1
SELECT k FROM t AS x WHERE a > (SELECT avg(x.a) FROM u AS x)
SELECT k FROM t WHERE a > (SELECT avg(t.a) FROM t)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k UNION ALL SELECT 1 FROM o WHERE o.A = t.a)
SELECT k, (SELECT e FROM u WHERE u.k = t.k ORDER BY a LIMIT 1) AS m FROM t
SELECT k, (SELECT a FROM u ORDER BY k, a DESC LIMIT 1) AS m FROM t
SELECT k FROM t WHERE a IN (SELECT a FROM u EXCEPT SELECT A FROM o)
SELECT k FROM t WHERE a IN (SELECT a FROM u INTERSECT SELECT A FROM o)
SELECT k FROM t WHERE a IN (SELECT a FROM u UNION SELECT A FROM o)
SELECT k FROM t WHERE a NOT IN (SELECT a FROM u WHERE a > 0 UNION SELECT A FROM o)
SELECT a FROM t WHERE a IN (SELECT u.a FROM u FULL JOIN o ON o.a = u.a)
SELECT a FROM t WHERE a IN (SELECT u.a FROM u FULL JOIN o ON o.a = u.a WHERE u.k = t.k)
SELECT a FROM t WHERE a IN (SELECT a FROM u GROUP BY ROLLUP (a))
SELECT a FROM t WHERE a IN (SELECT s.a FROM (SELECT a FROM u ORDER BY k LIMIT 2) AS s)
SELECT a FROM t WHERE a IN (WITH q AS (SELECT a FROM u) SELECT a FROM q)
SELECT a FROM t WHERE a IN (WITH q AS (SELECT a, k FROM u), r AS (SELECT a FROM q WHERE k > 1) SELECT a FROM r UNION SELECT a FROM q)
SELECT x.a FROM t AS x WHERE x.a IN (SELECT x.a FROM u AS x)
SELECT x.a FROM t AS x FULL JOIN u ON u.k = x.k WHERE x.a IN (SELECT x.k FROM t AS x)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k ORDER BY a LIMIT 1)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a > 1)
SELECT k FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a > 7)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u) AND a > 0
SELECT k, EXISTS (FROM u WHERE a > 5) AS f FROM t
SELECT k FROM t WHERE (k, a) IN (SELECT k, max(a) FROM u GROUP BY k)
SELECT a, max(k) AS m FROM t GROUP BY a HAVING a IN (SELECT a FROM u WHERE u.k < max(t.k)) ORDER BY (SELECT count(*) FROM u WHERE u.a = t.a), a
SELECT a, sum((SELECT count(*) FROM u WHERE u.k = t.k)) AS s FROM t GROUP BY a
SELECT (SELECT count(*) FROM u WHERE u.k = t.k) AS g, count(*) AS n FROM t GROUP BY 1
SELECT (SELECT count(*) FROM u WHERE u.k = t.k) AS g, count(*) AS n FROM t GROUP BY ALL
SELECT DISTINCT (SELECT count(*) FROM u WHERE u.k = t.k) AS g FROM t
SELECT DISTINCT ON (a) a, (SELECT max(k) FROM u) AS g FROM t ORDER BY k
SELECT k, row_number() OVER (PARTITION BY a ORDER BY k) AS n, (SELECT max(k) FROM u WHERE u.a = t.a) AS g FROM t
SELECT k FROM t QUALIFY row_number() OVER (ORDER BY k) <= (SELECT count(*) FROM u) - 2
SELECT k FROM t WHERE a = (SELECT max(a) FROM u) UNION ALL SELECT k FROM u WHERE a IN (SELECT A FROM o)
SELECT k FROM t EXCEPT SELECT k FROM u WHERE a IN (SELECT max(A) FROM o)
SELECT t.k, u.e FROM t LEFT JOIN u ON t.k = u.k AND u.a = (SELECT max(a) FROM u)
SELECT k, (SELECT sum(x.n) FROM (SELECT count(*) AS n FROM u GROUP BY k) AS x) AS m FROM t
SELECT k, (SELECT count(*) FROM (SELECT DISTINCT e FROM u WHERE u.k = t.k) AS x) AS m FROM t
SELECT k, CASE WHEN EXISTS (SELECT 1 FROM u WHERE u.k = t.k) THEN 'y' ELSE 'n' END AS m FROM t
SELECT k FROM t WHERE a >= ALL (SELECT a FROM u WHERE a IS NOT NULL)
SELECT k FROM t WHERE a = ANY (SELECT max(a) FROM u)
SELECT k FROM t WHERE a = (SELECT max(x.a) FROM t AS x WHERE x.b = t.b)
SELECT k, (SELECT a FROM u WHERE u.k = t.k UNION SELECT a FROM u WHERE u.k = t.k) AS m FROM t WHERE k > 1
SELECT k, (SELECT count(*) FROM t AS y WHERE y.a IS NOT DISTINCT FROM t.a AND y.k < t.k) + 1 AS n FROM t
SELECT k, (SELECT t.a + 1) AS n FROM t
SELECT k FROM t WHERE a IN (SELECT k FROM u PIVOT (sum(a) FOR k IN (1)))
SELECT k, (SELECT list(e ORDER BY a) FROM u) AS s FROM t
SELECT k, (SELECT a FROM u ORDER BY a DESC NULLS LAST LIMIT 1 OFFSET 1) AS s FROM t
SELECT k FROM t ORDER BY (SELECT max(a) FROM u WHERE u.k = t.k) NULLS FIRST, k LIMIT 4
SELECT k FROM t WHERE a IN (SELECT a FROM u WHERE u.k IN (SELECT k FROM t AS z WHERE z.a > 0))
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.a IN (SELECT o.A FROM o WHERE o.n > t.k))
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k HAVING count(*) > 1)
SELECT k FROM t WHERE k IN (SELECT u.k FROM u SEMI JOIN o ON o.A = u.a)
SELECT k, unnest([1, 2]) AS x, unnest(['a']) AS y FROM t
SELECT k, unnest([k]) AS x, unnest(CASE WHEN a > 0 THEN ['a', 'b'] END) AS y FROM t
SELECT k, unnest([1, 2]) + a AS x FROM t
SELECT upper(unnest(['a'])) AS u FROM t
SELECT k, unnest([1, 2]) AS u, row_number() OVER (ORDER BY k) AS n FROM t
SELECT DISTINCT unnest([1, 2, 1]) AS n FROM t
SELECT DISTINCT ON (n) unnest([1, 2, 1]) AS n, k FROM t ORDER BY k
SELECT unnest(list(k ORDER BY k)) AS x FROM t
SELECT a, unnest(list(k ORDER BY k)) AS x, count(*) AS n FROM t GROUP BY a
SELECT unnest([a, 1]) AS x, count(*) AS n FROM t GROUP BY x
SELECT k, unnest([3, 1]) AS x FROM t ORDER BY x DESC, k LIMIT 3
SELECT k, x FROM t, unnest([1, 2]) AS n(x)
SELECT k, x FROM t, unnest([t.a, t.k]) AS n(x)
SELECT k, n FROM t, unnest([a, k]) AS n WHERE n > 1
SELECT k, unnest FROM t CROSS JOIN unnest([a, k])
SELECT * FROM t, unnest([a, k]) AS n
SELECT k, x FROM t LEFT JOIN unnest(CASE WHEN a > 0 THEN [a, k] END) AS n(x) ON true
SELECT k, x, y FROM t, unnest([a, k]) AS n(x), unnest([x, 7]) AS m(y)
SELECT k, i FROM t, range(k) AS r(i)
SELECT k, i FROM t, generate_series(1, a) AS r(i)
SELECT k, range FROM t, range(k)
SELECT * FROM range(3) AS r(i)
SELECT * FROM range(2) r
SELECT * FROM generate_series(1, 3) AS r(i)
SELECT r.i, t.k FROM range(3) AS r(i) LEFT JOIN t ON t.a = r.i
SELECT x FROM unnest([3, 1]) AS n(x)
SELECT d FROM range(DATE '2024-01-01', DATE '2024-01-04', INTERVAL 1 DAY) AS r(d)
SELECT i FROM range((SELECT max(k) FROM t)) AS r(i)
SELECT 1 AS one
SELECT 1 AS one UNION ALL SELECT 2
SELECT unnest([1, 2]) AS x
SELECT k, (SELECT 5) AS n FROM t
SELECT k, (SELECT list(x ORDER BY x) FROM unnest([t.a, t.k]) AS n(x)) AS m FROM t
SELECT k, (SELECT sum(x) FROM unnest([1, 2]) AS n(x)) AS m FROM t
SELECT * FROM (VALUES (1, 'a'), (2, 'b'))
SELECT col0 FROM (VALUES (1, 'a'), (2, 'b')) AS v
SELECT x, col1 FROM (VALUES (1, 'a')) AS v(x)
SELECT k, x FROM t, LATERAL (SELECT t.a + 1 AS x)
SELECT k, s.x FROM t, (SELECT t.a + 1 AS x) AS s WHERE s.x > 1
SELECT k, x, y FROM t, LATERAL (SELECT a + 1 AS x), LATERAL (SELECT x * 2 AS y)
SELECT k, x FROM t, LATERAL (SELECT unnest([a, k]) AS x) AS s
SELECT k, x FROM t LEFT JOIN LATERAL (SELECT unnest(CASE WHEN a > 0 THEN [a, k] END) AS x) AS s ON true
SELECT t.k, s.e FROM t, LATERAL (SELECT u.e FROM u WHERE u.k = t.k) AS s
SELECT t.k, s.e FROM t CROSS JOIN LATERAL (SELECT u.e FROM u WHERE u.k = t.k) AS s
SELECT t.k, s.e FROM t LEFT JOIN LATERAL (SELECT u.e, u.a FROM u WHERE u.k = t.k) AS s ON s.a > 1
SELECT t.k, s.* FROM t JOIN LATERAL (SELECT e, u.a + t.a AS z FROM u WHERE u.k = t.k) AS s ON true
SELECT t.k, s.m, s.n FROM t, LATERAL (SELECT max(u.e) AS m, count(*) AS n FROM u WHERE u.k = t.k) AS s
SELECT t.k, s.m FROM t LEFT JOIN LATERAL (SELECT max(u.e) AS m FROM u WHERE u.k = t.k) AS s ON true WHERE s.m IS NOT NULL
SELECT t.k, s.e FROM t, LATERAL (SELECT u.e FROM u WHERE u.k <= t.k ORDER BY u.a DESC, u.k LIMIT 2) AS s
SELECT t.k, s.a FROM t LEFT JOIN LATERAL (SELECT u.a FROM u WHERE u.k <= t.k ORDER BY a LIMIT 1) AS s ON true
SELECT t.k, s.e, o.n FROM t, LATERAL (SELECT u.e, u.a FROM u WHERE u.k = t.k) AS s LEFT JOIN o ON o.A = s.a
SELECT t.k, s.m FROM t, LATERAL (SELECT max(a) AS m FROM u) AS s
SELECT count(*) AS n FROM t, LATERAL (SELECT u.e FROM u WHERE u.k = t.k) AS s
SELECT s.e, count(*) AS n FROM t, LATERAL (SELECT u.e FROM u WHERE u.k <= t.k) AS s GROUP BY s.e
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM unnest([t.a]) AS n(x) WHERE x > 1)
SELECT k, unnest(string_split(b, 'x')) AS p FROM t WHERE b IS NOT NULL
SELECT p, q FROM t AS x(p, q)
SELECT x.p, b FROM t AS x(p, q)
SELECT s.x FROM (SELECT a FROM t) AS s(x)
WITH q(x, y) AS (SELECT a, k FROM t) SELECT x, q.y FROM q WHERE y > 1
WITH q(x) AS (SELECT a, k FROM t UNION SELECT a, k FROM u) SELECT * FROM q
SELECT k, (SELECT max(y) FROM (SELECT unnest([t.a, 4]) AS y) AS s) AS m FROM t
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u, LATERAL (SELECT u.a + 1 AS y) AS s WHERE s.y > t.a AND u.k = t.k)
SELECT k FROM t UNION ALL SELECT max(k) FROM u
SELECT k FROM t EXCEPT (SELECT max(k) FROM u)
SELECT 1 AS one UNION ALL SELECT unnest([2, 3])
SELECT DISTINCT y AS x, 1 AS y FROM (SELECT p.k, (SELECT max(q.k) FROM u AS q WHERE q.a = p.a) AS y FROM t AS p) AS p
SELECT t.k, s.e FROM t, LATERAL (SELECT q.e FROM (SELECT e, k FROM u WHERE a > 0) AS q WHERE q.k = t.k) AS s
SELECT a AS x, (SELECT count(*) FROM t AS w WHERE w.k = p.a) AS a FROM t AS p GROUP BY a
SELECT a AS x, (SELECT count(*) FROM t AS w WHERE w.k = p.a) AS y FROM t AS p GROUP BY a
SELECT k AS x, a % 2 AS a, count(*) AS n FROM t GROUP BY a, k
SELECT k, count(*) AS n FROM (SELECT k FROM t AS p NATURAL JOIN (SELECT k FROM u AS q) AS w) AS p GROUP BY k HAVING count(*) >= (SELECT count(*) FROM (SELECT 1 AS k, count(*) AS y FROM t AS p) AS q WHERE q.k = p.k)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM (SELECT * FROM u AS x NATURAL JOIN (SELECT k, e AS z FROM u) AS y) AS q WHERE q.k = t.k)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM (SELECT k, i FROM u AS p, range(p.k) AS n(i)) AS q WHERE q.k = t.k)
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM (SELECT * RENAME (k AS z) FROM u AS p, unnest([p.k]) AS n) AS q WHERE q.z = t.k AND n > 0)
SELECT k, (SELECT max(i) FROM (SELECT p.k, COLUMNS('i') FROM u AS p, LATERAL (SELECT p.a + 1 AS i) AS l) AS q WHERE q.k = t.k) AS m FROM t
SELECT k FROM t WHERE a IN (SELECT q.a FROM (SELECT DISTINCT ON (a) a, k FROM u ORDER BY k DESC, e) AS q WHERE q.k > 0)
SELECT DISTINCT ON (a) a, k FROM (SELECT p.k, p.a FROM t AS p WHERE p.k NOT IN (SELECT q.k FROM u AS q)) AS p ORDER BY k
SELECT w.k, w.i FROM (SELECT p.k, n.i FROM t AS p, range(p.k) AS n(i)) AS w RIGHT JOIN (SELECT p.k, n.i FROM u AS p, range(p.k) AS n(i)) AS p ON p.k = w.k
