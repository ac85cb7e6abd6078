"""External relations -> Arrow tables, with every row accounted for."""

from lester_duck.engine.ingest.read import Ingested, Malformed, read, read_given

__all__ = ["Ingested", "Malformed", "read", "read_given"]
