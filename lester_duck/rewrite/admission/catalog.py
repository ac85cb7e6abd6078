"""Which functions of DuckDB a proposal may call: known to be pure, and no other.

The list is made from DuckDB's own catalog: scalar, aggregate and window functions without side
effects whose value depends on their arguments alone, less a few by name, plus macros by name. A
function that a newer DuckDB brings is judged by the same marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from lester_duck.db import connect
from lester_duck.engine.plan import install_macros

TABLE_FUNCTIONS = frozenset({"unnest", "generate_series", "range"})
VALUE_NAMES = frozenset({
    "current_catalog", "current_date", "current_localtime", "current_localtimestamp", "current_role", "current_schema",
    "current_time", "current_timestamp", "current_user", "localtime", "localtimestamp", "session_user", "user",
})  # fmt: skip
"""Names that DuckDB reads as a function where no column has them."""

_CLOCK = frozenset({
    "ago", "current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp",
    "get_current_time", "get_current_timestamp", "localtime", "localtimestamp", "now", "today",
    "transaction_timestamp", "txid_current",
})  # fmt: skip
_CHANCE = frozenset({
    "gen_random_uuid", "random", "rand", "setseed", "uuid", "uuidv4", "uuidv7", "approx_quantile", "approx_top_k",
    "approx_count_distinct", "list_approx_count_distinct", "reservoir_quantile",
})  # fmt: skip
_STATE = frozenset({"currval", "nextval", "setval", "sleep_ms", "pg_sleep", "write_log", "stats", "vector_type"})
_SURROUNDINGS = re.compile(
    r"(getenv|getvariable|current_|session_user|in_search_path|version|which_secret|duckdb_|pragma_|pg_|has_|inet_"
    r"|col_description|obj_description|shobj_description|txid_|get_block_size|sql_auto_complete|parse_duckdb_)"
)
_FILES = re.compile(
    r"(read_|parquet_|sniff_csv|glob$|query$|query_table$|seq_scan|arrow_scan|pandas_scan|python_|json_execute"
    r"|json_deserialize_sql|json_serialize|checkpoint|force_checkpoint|from_substrait|copy_|load_|iceberg_|delta_"
    r"|sqlite_|postgres_|mysql_|http_|st_read|read$|(create|register|deregister|destroy)_external|enable_|disable_)"
)
_INTERNAL = re.compile(r"(icu_|collate_|st_|variant_|constant_or_null|create_sort_key|combine|finalize|to_aggregate)")
_MACROS = frozenset({
    "array_append", "array_pop_back", "array_pop_front", "array_prepend", "array_push_back", "array_push_front",
    "array_reverse", "array_to_string", "array_to_string_comma_default", "assert_true", "date_add", "days_in_month",
    "fdiv", "fmod", "geomean", "geometric_mean", "json_group_array", "json_group_object", "list_any_value",
    "list_append", "list_avg", "list_bit_and", "list_bit_or", "list_bit_xor", "list_bool_and", "list_bool_or",
    "list_count", "list_entropy", "list_first", "list_histogram", "list_kurtosis", "list_kurtosis_pop", "list_last",
    "list_mad", "list_max", "list_median", "list_min", "list_mode", "list_prepend", "list_product", "list_reverse",
    "list_sem", "list_skewness", "list_stddev_pop", "list_stddev_samp", "list_string_agg", "list_sum",
    "list_var_pop", "list_var_samp", "map_contains_entry", "map_contains_value", "md5_number_lower",
    "md5_number_upper", "nullif", "regexp_split_to_table", "split_part", "wavg", "weighted_avg", "if",
})  # fmt: skip
_SYNTAX = frozenset({
    "error", "unnest", "grouping", "try", "coalesce", "count_star", "row", "ifnull", "list_comprehension",
})  # fmt: skip
"""Not in the catalog, or marked as having an effect (``error`` ends the query) and needed."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names of all functions, in lower case, and of those that may be called."""

    every: frozenset[str]
    allowed: frozenset[str]
    relations: frozenset[str]
    """Relations of the system, which no relation of a pipeline may be named like."""


@lru_cache(maxsize=1)
def known() -> Known:
    """What the catalog of an empty store holds."""
    db = connect()
    try:
        db.execute("CREATE SCHEMA _lester")
        install_macros(db)
        rows = db.rows("SELECT lower(function_name), function_type, stability, internal FROM duckdb_functions()")
        views = db.rows("SELECT DISTINCT lower(view_name) FROM duckdb_views() WHERE internal")
    finally:
        db.close()
    macros = frozenset(name for name, kind, _, internal in rows if kind == "macro" and not internal)
    kinds: dict[str, set[tuple[str, str | None]]] = {}
    for name, kind, stability, _ in rows:
        if kind in ("scalar", "aggregate", "window"):
            kinds.setdefault(name, set()).add((kind, stability))
    pure = {name for name, found in kinds.items() if {stability for _, stability in found} == {"CONSISTENT"}}
    allowed = frozenset(name for name in pure if not why_not(name)) | _MACROS | _SYNTAX | macros
    every, relations = frozenset(name for name, *_ in rows), frozenset(name for (name,) in views)
    return Known(every=every, allowed=allowed, relations=relations)


def why_not(name: str) -> str:
    """Why a function of that name may not be called; nothing where the name says nothing.

    >>> why_not("read_csv_auto")
    'reads or writes outside of the pipeline'
    >>> why_not("median")
    ''
    """
    if name in _CLOCK:
        return "is not deterministic: it asks the clock"
    if name in _CHANCE:
        return "is not deterministic: its value changes from run to run"
    if name in _STATE:
        return "has a side effect, or shows the engine's own state"
    if _SURROUNDINGS.match(name):
        return "shows what surrounds the query: settings, secrets, environment or catalog"
    if _FILES.match(name):
        return "reads or writes outside of the pipeline"
    return "is no function for data" if _INTERNAL.match(name) else ""
