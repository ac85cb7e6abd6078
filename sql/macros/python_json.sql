-- json.loads(text): the text itself where Python reads it, NULL where it raises ValueError. A trailing comma
-- is an error in Python; NaN, lone surrogates and repeated keys are refused.
CREATE OR REPLACE MACRO py_json(x) AS
    CASE
        WHEN NOT json_valid(x) AND regexp_matches(x, '\\u[dD][89a-fA-F]')
            THEN error('py_json: half of a surrogate pair: ' || x)
        WHEN NOT json_valid(x) THEN NULL
        WHEN regexp_matches(regexp_replace(x, '"(\\.|[^"\\])*"', '0', 'g'), ',\s*[}\]]') THEN NULL
        WHEN regexp_matches(regexp_replace(x, '"(\\.|[^"\\])*"', '0', 'g'), 'nan|inf', 'i')
            THEN error('py_json: a number that is none: ' || x)
        WHEN json_type(x) = 'OBJECT' AND len(json_keys(x)) <> len(list_distinct(json_keys(x)))
            THEN error('py_json: a key twice: ' || x)
        ELSE x
    END;

-- The kind of a JSON value: OBJECT, ARRAY, VARCHAR, BIGINT, UBIGINT, DOUBLE, BOOLEAN or NULL; without one, SQL's NULL.
CREATE OR REPLACE MACRO py_json_type(x, path) AS json_type(x, path);

-- Whether there is a value, be it null.
CREATE OR REPLACE MACRO py_json_has(x, path) AS coalesce(json_exists(x, path), FALSE);

-- A JSON text; NULL for any other value.
CREATE OR REPLACE MACRO py_json_text(x, path) AS
    CASE WHEN json_type(x, path) = 'VARCHAR' THEN json_extract_string(x, path) END;

-- A JSON integer; NULL for any other value, and for one of more than 64 bits.
CREATE OR REPLACE MACRO py_json_int(x, path) AS
    CASE WHEN json_type(x, path) IN ('BIGINT', 'UBIGINT') THEN TRY_CAST(json_extract_string(x, path) AS BIGINT) END;

-- A JSON number as a float; NULL for any other value.
CREATE OR REPLACE MACRO py_json_float(x, path) AS
    CASE
        WHEN json_type(x, path) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST(json_extract_string(x, path) AS DOUBLE)
    END;

-- A JSON true or false; NULL for any other value.
CREATE OR REPLACE MACRO py_json_bool(x, path) AS
    CASE WHEN json_type(x, path) = 'BOOLEAN' THEN json_extract_string(x, path) = 'true' END;

-- The elements of a JSON list, whose path ends with [*], as texts, whole numbers or floats.
CREATE OR REPLACE MACRO py_json_texts(x, path) AS coalesce(json_extract_string(x, path), []);
CREATE OR REPLACE MACRO py_json_ints(x, path) AS
    CAST(coalesce(json_extract_string(x, path), []) AS BIGINT[]);
CREATE OR REPLACE MACRO py_json_floats(x, path) AS
    CAST(coalesce(json_extract_string(x, path), []) AS DOUBLE[]);

-- How many keys a JSON object has; NULL for any other value.
CREATE OR REPLACE MACRO py_json_size(x, path) AS
    CASE WHEN json_type(x, path) = 'OBJECT' THEN len(json_keys(x, path)) END;
