"""DuckDB, out of the cache (tests/packages)."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "packages"))

import packages as cached  # noqa: E402
from packages import Unavailable  # noqa: E402


def duckdb():
    """The module. Raises Unavailable."""
    place = str(cached.python("tables", HERE / "duck.txt", ["duckdb"]))
    if place not in sys.path:
        sys.path.append(place)
    import duckdb as module

    return module


__all__ = ["Unavailable", "duckdb"]
