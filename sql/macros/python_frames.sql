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
