"""Pure functions from SQL to SQL: flatten, qualify, compute, provenance, column lineage."""
