-- a / b of NumPy floats, where 0 / 0 is missing and not an error.
CREATE OR REPLACE MACRO py_quotient(a, b) AS nullif(a / b, CAST('nan' AS DOUBLE));

-- str.title(): each run of letters with a capital first.
CREATE OR REPLACE MACRO py_title(x) AS
    array_to_string(
        list_transform(
            regexp_extract_all(x, '\p{L}+|[^\p{L}]+'), lambda w: py_upper(substr(w, 1, 1)) || py_lower(substr(w, 2))
        ),
        ''
    );

-- str.capitalize()
CREATE OR REPLACE MACRO py_capitalize(x) AS py_upper(substr(x, 1, 1)) || py_lower(substr(x, 2));

-- numpy.round(x, n): scaled, rounded to even, scaled back.
CREATE OR REPLACE MACRO py_np_round(x, n) AS
    CASE WHEN isfinite(x) THEN round_even(x * pow(10.0e0, n), 0) / pow(10.0e0, n) ELSE x END;

-- numpy.log1p(x): exact near 0 too, where 1 + x has lost the digits of x.
CREATE OR REPLACE MACRO py_log1p(x) AS
    CASE WHEN 1 + x = 1 OR isinf(x) AND x > 0 THEN CAST(x AS DOUBLE) ELSE ln(1 + x) * x / ((1 + x) - 1) END;

-- numpy.expm1(x), exact near 0 too.
CREATE OR REPLACE MACRO py_expm1(x) AS
    CASE
        WHEN exp(x) = 1 THEN CAST(x AS DOUBLE)
        WHEN abs(x) > 1 THEN exp(x) - 1
        ELSE (exp(x) - 1) * x / ln(exp(x))
    END;

-- a % b of NumPy floats: has the sign of b; missing where b is 0.
CREATE OR REPLACE MACRO py_np_mod(a, b) AS
    CASE
        WHEN b = 0 OR isinf(a) OR isnan(a) THEN NULL
        WHEN (a % b <> 0) AND (a % b < 0) <> (b < 0) THEN a % b + CAST(b AS DOUBLE)
        ELSE a % b + 0e0
    END;

-- a // b of NumPy floats: an infinity where b is 0, missing for 0 // 0.
CREATE OR REPLACE MACRO py_np_floordiv(a, b) AS
    CASE WHEN b = 0 THEN nullif(a / b, CAST('nan' AS DOUBLE)) ELSE round((a - py_np_mod(a, b)) / b) END;

-- a ** b of NumPy floats: missing to the power of 0 is 1, as is 1 to the power of what is missing.
CREATE OR REPLACE MACRO py_np_pow(a, b) AS
    CASE WHEN b = 0 OR a = 1 THEN 1e0 ELSE nullif(pow(a, b), CAST('nan' AS DOUBLE)) END;
