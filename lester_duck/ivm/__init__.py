"""Incremental view maintenance: a change of sources flows through everything derived."""
