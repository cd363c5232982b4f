"""Programs of other languages that read a ledger (docs/examples), made ready to run: test_readers.py uses them.

Everything is made under build/: what `make install` gives, the built examples, the caches of npm and Go.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

import processes  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PREFIX = "/usr/local"
LANGUAGES = ["c", "lmdb", "ctypes", "node", "go"]


class Missing(Exception):
    """What a language wants is not on this machine."""


def run(command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Readers:
    def __init__(self, build):
        self.place = build / "readers"
        self.root = self.place / "root"
        self.commands = {}
        # Without make's own: this is another make, with goals of its own.
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        shutil.rmtree(self.root, ignore_errors=True)
        run(["make", "-C", ROOT, "install", f"DESTDIR={self.root}", f"PREFIX={PREFIX}"], env=self.env)
        self.libraries = self.root / PREFIX[1:] / "lib"
        self.env["PKG_CONFIG_PATH"] = str(self.libraries / "pkgconfig")
        self.env["PKG_CONFIG_SYSROOT_DIR"] = str(self.root)
        self.env["LD_LIBRARY_PATH"] = str(self.libraries)

    def flags(self, *options):
        return run(["pkg-config", *options, "ledgerline"], env=self.env).split()

    def command(self, language):
        """What runs the example, but for its arguments. Missing, when the machine lacks the language."""
        if language not in self.commands:
            self.commands[language] = getattr(self, f"make_{language}")()
        return self.commands[language]

    def make_c(self):
        program = self.place / "read_ledger"
        source = EXAMPLES / "c" / "read_ledger.c"
        strict = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
        run(["gcc", *strict, source, *self.flags("--cflags", "--libs"), "-o", program], env=self.env)
        return [program]

    def make_lmdb(self):
        return [sys.executable, "-B", EXAMPLES / "python" / "read_with_lmdb.py"]

    def make_ctypes(self):
        return [sys.executable, "-B", EXAMPLES / "python" / "read_with_ctypes.py"]

    def make_node(self):
        for tool in ("node", "npm"):
            if not shutil.which(tool):
                raise Missing(f"no {tool}: install Debian's nodejs and npm")
        place = self.place / "node"
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "read_ledger.js"):
            shutil.copy(EXAMPLES / "node" / name, place)
        if not (place / "node_modules" / "koffi").exists():
            npm = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--cache", self.place / "npm"]
            done = subprocess.run([*map(str, npm)], cwd=place, capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                raise Missing(f"npm could not get koffi: {done.stderr.strip()[-500:]}")
        return ["node", place / "read_ledger.js"]

    def make_go(self):
        if not shutil.which("go"):
            raise Missing("no go: install Debian's golang")
        program = self.place / "read_ledger_go"
        # Nothing is fetched: the example needs the standard library alone.
        env = {**self.env, "GOCACHE": str(self.place / "go"), "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1"}
        run(["go", "build", "-o", program, "."], cwd=EXAMPLES / "go", env=env)
        return [program]

    def show(self, language, data):
        """The lines that the example prints about a ledger."""
        return run([*self.command(language), data], env=self.env).splitlines()

    def watch(self, language, data):
        return Watching(language, [*self.command(language), data, "--watch"], self.env)


class Watching:
    """An example that checks every new position until it is told to end."""

    def __init__(self, name, command, env):
        self.name, self.lines = name, []
        pipe = subprocess.PIPE
        self.process = processes.spawn(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env)
        self.threads = [threading.Thread(target=self.read_out, daemon=True), threading.Thread(target=self.read_errors, daemon=True)]
        self.errors = ""
        for thread in self.threads:
            thread.start()

    def read_out(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def read_errors(self):
        self.errors = self.process.stderr.read()

    def must_run(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.finish()}"

    def positions(self):
        """The numbers of entries at which it found everything right."""
        return [int(line.split()[-1]) for line in self.lines if line.startswith("right at ")]

    def finish(self):
        self.process.stdin.close()
        status = self.process.wait(60)
        for thread in self.threads:
            thread.join()
        return status, self.errors, self.lines[-1:]

    def end(self):
        """Ends it, and says how many snapshots it checked, all of which were right."""
        status, errors, last = self.finish()
        assert status == 0, f"{self.name}: status {status}: {errors}"
        assert last and last[0].startswith("snapshots "), (self.name, last, errors)
        return int(last[0].split()[1])

    def kill(self):
        self.process.kill()
        self.process.wait()
