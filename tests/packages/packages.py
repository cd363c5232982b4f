"""What tests and measurements need of the world's package registries: fetched once by the registries' own clients into
${XDG_CACHE_HOME:-~/.cache}/ledgerline/NAME, whole or not at all.

	jars("kafka-3.9.1", pom, proof)                 the directory with the jars that a POM names, by Maven
	debian("prometheus", ["usr/bin/promtool"])      the directory with these files of a Debian package, which is not installed, by apt
	python("validators", requirements, proof)       the directory with the packages that a file names, by pip
	node("consumers", project, proof)               the directory with the node_modules that a project's lock file names, by npm

`proof`: names that a whole directory has. All raise Unavailable, with why there is nothing.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FETCH_SECONDS = 900


class Unavailable(Exception):
    """It is not here, and cannot be fetched. The text says why."""


def cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ledgerline"


def there(place, proof):
    return all((place / name).exists() for name in proof)


def run(command, cwd, client):
    try:
        return subprocess.run(
            [*map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FETCH_SECONDS,
            cwd=cwd,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{client} did not fetch it within {FETCH_SECONDS} s") from None


def whole(place, proof, what, fetch):
    """`place`, if need be after fetch(directory) has filled a directory that is then moved there in one step."""
    if there(place, proof):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if there(place, proof):
            return place
        print(f"fetching {what} into {place} (once)", file=sys.stderr, flush=True)
        scratch = Path(tempfile.mkdtemp(prefix="fetching-", dir=place.parent))
        try:
            fetch(scratch / "all")
            if not there(scratch / "all", proof):
                raise Unavailable(f"what was fetched is without {', '.join(proof)}")
            shutil.rmtree(place, ignore_errors=True)
            (scratch / "all").rename(place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return place


def jars(name, pom, proof):
    def fetch(into):
        if not shutil.which("mvn"):
            raise Unavailable("its jars are not in the cache, and there is no mvn; `make deps` installs it")
        command = ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", pom, "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={into}"]
        done = run(command, into.parent, "Maven")
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["no message"]
            raise Unavailable(f"Maven could not fetch it: {errors[0]}")

    if not shutil.which("java"):
        raise Unavailable("there is no java; `make deps` installs one")
    return whole(cache() / name / "libs", proof, f"the jars of {name}", fetch)


def debian(package, proof):
    """For a program out of a package that would start a service where it is installed."""

    def fetch(into):
        into.mkdir()
        for command in (["apt-get", "-q", "download", package], ["sh", "-c", "dpkg-deb --fsys-tarfile *.deb | tar -x"]):
            done = run(command, into, command[0])
            if done.returncode:
                raise Unavailable(f"apt could not fetch {package}: {(done.stdout.splitlines() or ['no message'])[-1]}")

    return whole(cache() / f"debian-{package}", proof, f"the Debian package {package}", fetch)


def python(name, requirements, proof):
    """Of exactly the versions in the file, which names all: nothing else is looked for. Others in the file, another place."""

    def fetch(into):
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
        command += ["--no-deps", "--only-binary", ":all:", "--target", into, "-r", requirements]
        done = run(command, into.parent, "pip")
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line or "No module" in line]
            raise Unavailable(f"pip could not fetch them: {(errors or ['no message'])[-1]} (`make deps` installs python3-pip)")

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(version.encode() + Path(requirements).read_bytes()).hexdigest()[:12]
    return whole(cache() / f"{name}-{key}", proof, f"the Python packages of {name}", fetch)


def node(name, project, proof):
    """Of exactly the versions and digests in its package-lock.json. Another lock file, or another Node.js, another place."""

    def fetch(into):
        if not shutil.which("npm"):
            raise Unavailable("there is no npm: install Debian's npm")
        into.mkdir()
        for manifest in ("package.json", "package-lock.json"):
            shutil.copy(Path(project) / manifest, into)
        done = run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], into, "npm")
        if done.returncode:
            raise Unavailable(f"npm could not fetch them: {done.stdout.strip()[-500:]}")

    if not shutil.which("node"):
        raise Unavailable("there is no node: install Debian's nodejs")
    version = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    key = hashlib.sha256(version.encode() + (Path(project) / "package-lock.json").read_bytes()).hexdigest()[:12]
    return whole(cache() / f"{name}-{key}", proof, f"the packages of {name}", fetch)
