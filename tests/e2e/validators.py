"""The validators of validators.txt, out of the cache (tests/packages)."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "packages"))

import packages as cached  # noqa: E402
from packages import Unavailable  # noqa: E402


def packages():
    """The directory with the packages. Raises Unavailable."""
    return cached.python("validators", HERE / "validators.txt", ["jsonschema_rs", "openapi_spec_validator"])


def jsonschema_rs():
    """The module. It needs nothing of the others, so the rest of the directory stays out of this process's way."""
    place = str(packages())
    if place not in sys.path:
        sys.path.append(place)
    import jsonschema_rs as module

    return module


def check_document(path):
    """Whether it is a document of its OpenAPI version: None, or what is wrong. In a process of its own: it needs many."""
    environment = {**os.environ, "PYTHONPATH": str(packages())}
    done = subprocess.run(
        [sys.executable, "-B", "-m", "openapi_spec_validator", str(path)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    return None if done.returncode == 0 else done.stdout


__all__ = ["Unavailable", "check_document", "jsonschema_rs", "packages"]
