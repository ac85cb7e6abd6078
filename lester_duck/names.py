"""Names the store reserves, and the rules for names a pipeline may use."""

from __future__ import annotations

import re

from lester_duck.errors import InputError

RID = "_rid"
POS = "_pos"
CHANGE_TYPE = "_change_type"
PROVENANCE_PREFIX = "_prov_"

SOURCE_SCHEMA = "source"
VIEW_SCHEMA = "main"
QUESTION_SCHEMA = "lester"
INTERNAL_SCHEMA = "_lester"
SCHEMAS = (SOURCE_SCHEMA, VIEW_SCHEMA, QUESTION_SCHEMA, INTERNAL_SCHEMA)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def provenance_column(source: str, occurrence: int = 1) -> str:
    """The provenance column of the n-th occurrence of a source in a view.

    >>> provenance_column("customers"), provenance_column("customers", 2)
    ('_prov_customers', '_prov_customers_2')
    """
    return f"{PROVENANCE_PREFIX}{source}" + (f"_{occurrence}" if occurrence > 1 else "")


def check_name(name: str, what: str, where: str | None = None) -> str:
    """Return ``name`` if a source, view, function or featurizer may carry it.

    >>> check_name("mails_joined", "view")
    'mails_joined'
    """
    if not _NAME.match(name):
        raise InputError(
            f"{what} name {name!r} is not usable",
            where=where,
            hint="names start with a letter and hold letters, digits and underscores; a leading underscore is reserved",
        )
    if name.lower().startswith("py_") and what == "view":
        raise InputError(f"{what} name {name!r} is reserved", where=where, hint="py_ names are SQL macros of the store")
    return name


def is_reserved_column(name: str) -> bool:
    """Whether a column name belongs to the engine: ``_rid``, ``_pos``, ``_pos_2``, ``_prov_x`` ...

    >>> is_reserved_column("_pos_2"), is_reserved_column("position")
    (True, False)
    """
    return name.startswith("_")
