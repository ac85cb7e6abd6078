-- The characters that Python's str.isspace() calls white space.
CREATE OR REPLACE MACRO py_white() AS
    chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(28) || chr(29) || chr(30) || chr(31) || ' '
    || chr(133) || chr(160) || chr(5760) || chr(8192) || chr(8193) || chr(8194) || chr(8195) || chr(8196)
    || chr(8197) || chr(8198) || chr(8199) || chr(8200) || chr(8201) || chr(8202) || chr(8232) || chr(8233)
    || chr(8239) || chr(8287) || chr(12288);

-- str.strip(): white space of all kinds, not only blanks.
CREATE OR REPLACE MACRO py_strip(x) AS trim(x, py_white());

-- str.lstrip()
CREATE OR REPLACE MACRO py_lstrip(x) AS ltrim(x, py_white());

-- str.rstrip()
CREATE OR REPLACE MACRO py_rstrip(x) AS rtrim(x, py_white());

-- str.split(): the words of a text, as a list.
CREATE OR REPLACE MACRO py_split(x) AS
    list_filter(
        regexp_split_to_array(
            x,
            '[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
        ),
        lambda w: w <> ''
    );

-- str.lower(): U+0130 becomes two characters; a capital sigma depends on its neighbours and is refused.
CREATE OR REPLACE MACRO py_lower(x) AS
    CASE
        WHEN contains(x, chr(931)) THEN error('py_lower: a Greek capital sigma has no context-free lower case')
        ELSE lower(replace(x, chr(304), 'i' || chr(775)))
    END;

-- str.upper(): the sharp s becomes SS; the other letters whose upper case is several characters are refused.
CREATE OR REPLACE MACRO py_upper(x) AS
    CASE
        WHEN regexp_matches(
            x,
            '[\x{149}\x{1f0}\x{390}\x{3b0}\x{587}\x{1e96}-\x{1e9a}\x{1f50}-\x{1fff}\x{fb00}-\x{fb17}]'
        ) THEN error('py_upper: a letter whose upper case is several characters')
        ELSE upper(replace(x, chr(223), 'SS'))
    END;

-- int(text): NULL where Python raises ValueError; digits of other scripts and 19 digits or more are refused.
CREATE OR REPLACE MACRO py_int(x) AS
    CASE
        WHEN NOT regexp_full_match(py_strip(x), '[+-]?\p{Nd}+(_\p{Nd}+)*') THEN NULL
        WHEN NOT regexp_full_match(py_strip(x), '[+-]?0*[0-9_]{1,18}')
            THEN error('py_int: not a 64-bit integer in ASCII digits: ' || x)
        ELSE CAST(replace(py_strip(x), '_', '') AS BIGINT)
    END;

-- float(text): NULL where Python raises ValueError; digits of other scripts are refused.
CREATE OR REPLACE MACRO py_float(x) AS
    CASE
        WHEN regexp_full_match(
            py_strip(x),
            '[+-]?([0-9]+(_[0-9]+)*\.?([0-9]+(_[0-9]+)*)?|\.[0-9]+(_[0-9]+)*)([eE][+-]?[0-9]+(_[0-9]+)*)?'
        ) THEN CAST(replace(py_strip(x), '_', '') AS DOUBLE)
        WHEN regexp_full_match(py_strip(x), '[+-]?(inf|infinity|nan)', 'i')
            THEN CAST(replace(py_strip(x), '+', '') AS DOUBLE)
        WHEN regexp_matches(regexp_replace(x, '[0-9]', '', 'g'), '\p{Nd}')
            THEN error('py_float: digits of another script: ' || x)
        ELSE NULL
    END;

-- str(bool)
CREATE OR REPLACE MACRO py_str_bool(x) AS CASE WHEN x THEN 'True' WHEN NOT x THEN 'False' END;

-- str(float)
CREATE OR REPLACE MACRO py_str_float(x) AS CASE WHEN isnan(x) THEN 'nan' ELSE CAST(x AS VARCHAR) END;

-- a // b of integers: rounds down; NULL where Python raises (b is 0).
CREATE OR REPLACE MACRO py_floordiv(a, b) AS
    a // nullif(b, 0) - CASE WHEN a % nullif(b, 0) <> 0 AND (a % nullif(b, 0) < 0) <> (b < 0) THEN 1 ELSE 0 END;

-- a % b of integers: has the sign of b; NULL where b is 0.
CREATE OR REPLACE MACRO py_mod(a, b) AS
    a % nullif(b, 0) + CASE WHEN a % nullif(b, 0) <> 0 AND (a % nullif(b, 0) < 0) <> (b < 0) THEN b ELSE 0 END;

-- '%.3f' % x: exact below 1e16; above, DuckDB has not all digits, and it is refused.
CREATE OR REPLACE MACRO py_fixed(x, n) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN isnan(x) THEN 'nan'
        WHEN abs(x) < 1e16 OR isinf(x) THEN printf('%.' || n || 'f', x)
        ELSE error('py_fixed: a number of 1e16 or more with all its digits')
    END;

-- round(x, n) of a float: the decimal nearest to the exact binary value, ties to even.
CREATE OR REPLACE MACRO py_round(x, n) AS
    CASE WHEN abs(x) < 1e15 THEN CAST(printf('%.' || n || 'f', x) AS DOUBLE) ELSE x END;

-- date.fromisoformat(text): YYYY-MM-DD and YYYYMMDD, else NULL; ISO week dates are refused.
CREATE OR REPLACE MACRO py_date(x) AS
    CASE
        WHEN regexp_full_match(x, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND x >= '0001' THEN TRY_CAST(x AS DATE)
        WHEN regexp_full_match(x, '[0-9]{8}') AND x >= '0001' THEN CAST(try_strptime(x, '%Y%m%d') AS DATE)
        WHEN regexp_matches(x, '^[0-9]{4}-?W') THEN error('py_date: an ISO week date: ' || x)
    END;

-- datetime.fromisoformat(text): a date, or date and time with seconds and optional fraction; else NULL.
CREATE OR REPLACE MACRO py_datetime(x) AS
    CASE
        WHEN regexp_full_match(x, '[0-9]{4}-[0-9]{2}-[0-9]{2}(.[0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.([0-9]{3}|[0-9]{6}))?)?)?')
            AND x >= '0001' AND (length(x) < 12 OR substr(x, 12, 2) < '24')
            THEN TRY_CAST(substr(x, 1, 10) || ' ' || CASE WHEN length(x) = 10 THEN '00:00' ELSE substr(x, 12) END AS TIMESTAMP)
        WHEN regexp_matches(x, '^[0-9]{4}') AND x >= '0001'
            THEN error('py_datetime: a form of ISO time that is not supported: ' || x)
    END;

-- date(year, month, day) and datetime(year, month, day, hour, minute, second): NULL where Python raises ValueError.
CREATE OR REPLACE MACRO py_date_of(y, m, d) AS
    CASE
        WHEN y BETWEEN 1 AND 9999 AND m BETWEEN 1 AND 12 AND d BETWEEN 1 AND 31
            THEN TRY_CAST(printf('%04d-%02d-%02d', y, m, d) AS DATE)
    END;
CREATE OR REPLACE MACRO py_datetime_of(y, m, d, h, mi, s) AS
    CASE
        WHEN y BETWEEN 1 AND 9999 AND m BETWEEN 1 AND 12 AND d BETWEEN 1 AND 31
            AND h BETWEEN 0 AND 23 AND mi BETWEEN 0 AND 59 AND s BETWEEN 0 AND 59
            THEN TRY_CAST(printf('%04d-%02d-%02d %02d:%02d:%02d', y, m, d, h, mi, s) AS TIMESTAMP)
    END;

-- datetime.isoformat()
CREATE OR REPLACE MACRO py_isoformat(x) AS
    CASE WHEN epoch_us(x) % 1000000 = 0 THEN strftime(x, '%Y-%m-%dT%H:%M:%S') ELSE strftime(x, '%Y-%m-%dT%H:%M:%S.%f') END;

-- timedelta(unit=x) of a float, where a unit is that many microseconds: rounded to the nearest, ties to even.
CREATE OR REPLACE MACRO py_microseconds_of(whole, rest) AS
    whole + CASE WHEN abs(rest) = 0.5 THEN CAST(sign(rest) AS BIGINT) * (abs(whole) % 2) ELSE CAST(round(rest) AS BIGINT) END;
CREATE OR REPLACE MACRO py_microseconds(x, unit) AS
    py_microseconds_of(
        CAST(trunc(x) AS BIGINT) * unit + CAST(trunc((x - trunc(x)) * unit) AS BIGINT),
        (x - trunc(x)) * unit - trunc((x - trunc(x)) * unit));

-- A cell as csv.writer writes it: quoted where it holds the delimiter, a quote or a line end.
CREATE OR REPLACE MACRO py_csv_cell(x, d) AS
    CASE
        WHEN contains(x, d) OR contains(x, '"') OR contains(x, chr(10)) OR contains(x, chr(13))
            THEN '"' || replace(x, '"', '""') || '"'
        ELSE x
    END;
