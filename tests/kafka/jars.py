"""Apache Kafka's jars: fetched once by Maven into ${XDG_CACHE_HOME:-~/.cache}/ledgerline/kafka-3.9.1/libs."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "3.9.1"
POM = Path(__file__).resolve().parent / "pom.xml"
# A directory that has these is whole: it was moved into its place in one step.
PROOF = [f"kafka_2.13-{VERSION}.jar", f"kafka-clients-{VERSION}.jar", "slf4j-reload4j-1.7.36.jar"]
FETCH_SECONDS = 900


class Unavailable(Exception):
    """There is no Kafka here, and none can be fetched. The text says why."""


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "ledgerline" / f"kafka-{VERSION}"


def there(libs):
    return all((libs / name).is_file() for name in PROOF)


def fetch(libs):
    print(f"kafka: fetching Apache Kafka {VERSION} into {libs} (once)", file=sys.stderr, flush=True)
    whole = Path(tempfile.mkdtemp(prefix="fetching-", dir=libs.parent))
    command = ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", POM]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(
            [*map(str, command), f"-DoutputDirectory={whole / 'libs'}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FETCH_SECONDS,
            cwd=whole,
        )
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["no message"]
            raise Unavailable(f"Maven could not fetch it: {errors[0]}")
        if not there(whole / "libs"):
            raise Unavailable(f"Maven fetched other jars than {', '.join(PROOF)}")
        shutil.rmtree(libs, ignore_errors=True)
        (whole / "libs").rename(libs)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"Maven did not fetch it within {FETCH_SECONDS} s") from None
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def jars():
    """The directory with the jars. Raises Unavailable."""
    if not shutil.which("java"):
        raise Unavailable("there is no java; `make deps` installs one")
    libs = cache() / "libs"
    if there(libs):
        return libs
    if not shutil.which("mvn"):
        raise Unavailable("its jars are not in the cache, and there is no mvn; `make deps` installs it")
    libs.parent.mkdir(parents=True, exist_ok=True)
    with open(libs.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there(libs):
            fetch(libs)
    return libs
