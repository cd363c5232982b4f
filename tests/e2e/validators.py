"""The validators of validators.txt: fetched once by pip into ${XDG_CACHE_HOME:-~/.cache}/ledgerline/validators-HASH."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WANTED = Path(__file__).resolve().parent / "validators.txt"
PROOF = ("jsonschema_rs", "openapi_spec_validator")
FETCH_SECONDS = 600


class Unavailable(Exception):
    """They are not here, and cannot be fetched. The text says why."""


def cache():
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(version.encode() + WANTED.read_bytes()).hexdigest()[:12]
    return home / "ledgerline" / f"validators-{key}"


def there(place):
    return all((place / name).is_dir() for name in PROOF)


def fetch(place):
    print(f"openapi: fetching validators into {place} (once)", file=sys.stderr, flush=True)
    whole = Path(tempfile.mkdtemp(prefix="fetching-", dir=place.parent))
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
    command += ["--no-deps", "--only-binary", ":all:", "--target", whole / "packages", "-r", WANTED]
    try:
        done = subprocess.run(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=FETCH_SECONDS
        )
        if done.returncode or not there(whole / "packages"):
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line or "No module" in line] or ["no message"]
            raise Unavailable(f"pip could not fetch them: {errors[-1]} (`make deps` installs python3-pip)")
        shutil.rmtree(place, ignore_errors=True)
        (whole / "packages").rename(place)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip did not fetch them within {FETCH_SECONDS} s") from None
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def packages():
    """The directory with the packages. Raises Unavailable."""
    place = cache()
    if there(place):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there(place):
            fetch(place)
    return place


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
