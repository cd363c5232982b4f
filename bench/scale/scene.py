"""What the scenes of scale share: an engine of their own, a steady load beside what is measured, and the proofs at the end.

A scene is a function of a directory, a binary and its sizes. It proves what must hold (raising AssertionError with what does
not), and returns its figures. tests/e2e/test_scale.py plays them small, `make torture` and `make bench` as large as they are
meant.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import lmdb
import msgpack

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from engine import Engine, run  # noqa: E402

TOTALS = ("charged", "used", "refunded", "expired", "adjusted", "held", "debt", "balances")


def text_of(seconds):
    """A time as API.md writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def load(binary, data, commands):
    """Puts commands into a ledger that nobody serves, as fast as it goes. All must be accepted."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", dir=data.parent) as file:
        for number, command in enumerate(commands):
            file.write(json.dumps({"id": f"{command['type']}-{number}", **command}, separators=(",", ":")) + "\n")
        file.flush()
        told = run(binary, "load", "--data", data, "--json", file.name, check=0)
    result = json.loads(told.stdout)
    assert result["refused"] == 0 and result["rejected"] == 0, result
    return result


def events(binary, data, *types):
    """The events of these types, in the journal's order."""
    with subprocess.Popen([str(binary), "journal", "cat", "--data", str(data)], stdout=subprocess.PIPE) as cat:
        wanted = [f'"type":"{name}"'.encode() for name in types]
        for line in cat.stdout:
            if any(name in line for name in wanted):
                yield json.loads(line)
    assert cat.returncode == 0


# ---- the load beside ----


class Pace:
    """`commands` a second, ten in a request, until the block ends; then `samples`."""

    def __init__(self, engine, commands, kind="points"):
        self.arguments = [engine.url, str(commands / 10), "10", kind]

    def __enter__(self):
        script = Path(__file__).with_name("pace.py")
        self.process = subprocess.Popen(
            [sys.executable, "-B", script, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        out, told = self.process.communicate()
        assert kind or self.process.returncode == 0, told
        self.samples = [] if kind else json.loads(out)

    def between(self, begin, end):
        """What the requests that were due then looked like."""
        times = sorted(took for due, took, _ in self.samples if begin <= due < end)
        if not times:
            return {"requests": 0}
        at = lambda share: times[min(int(len(times) * share), len(times) - 1)]  # noqa: E731
        return {"requests": len(times), "p50Ms": at(0.5), "p99Ms": at(0.99), "maxMs": times[-1]}

    def all_accepted(self):
        return all(accepted == 10 for _, _, accepted in self.samples)


# ---- proofs ----


def rows(data, projection, table):
    directory = (Path(data) / "projections" / projection / "current").resolve()
    with lmdb.open(str(directory), readonly=True, max_dbs=32, lock=False) as env:
        database = env.open_db(table.encode(), create=False)
        with env.begin(db=database) as txn:
            for key, value in txn.cursor():
                yield key, msgpack.unpackb(value)


def conserved(data):
    """The points of a ledger that nobody serves: what came in and went out is what is there. Returns the totals."""
    [(_, row)] = rows(data, "balances", "totals")
    totals = dict(zip(TOTALS, row))
    assert (
        totals["charged"] - totals["used"] + totals["refunded"] - totals["expired"] + totals["adjusted"] == totals["balances"]
    ), totals
    # registered_at, updated_at, changed_by, lots_total, held, debt
    assert sum(row[3] + row[4] - row[5] for _, row in rows(data, "balances", "accounts")) == totals["balances"], totals
    return totals


def verified(binary, data):
    """The journal is whole and the projections are what it says."""
    return json.loads(run(binary, "verify", "--data", data, "--json", check=0).stdout)


def until(condition, what, seconds=300):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.01)
    return value


def main(play, **sizes):
    """Plays a scene from the command line, in a directory that is removed afterwards; prints its figures as JSON."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--binary", type=Path, default=ROOT / "build" / "ledgerline")
    parser.add_argument("--place", type=Path, help="where its directory is made")
    for name, usual in sizes.items():
        parser.add_argument(f"--{name}", type=type(usual), default=usual)
    given = vars(parser.parse_args())
    binary = given.pop("binary").resolve()
    with tempfile.TemporaryDirectory(prefix="ledgerline-scale-", dir=given.pop("place")) as place:
        print(json.dumps(play(Path(place), binary, **given)))


__all__ = ["Engine", "Pace", "conserved", "events", "load", "main", "rows", "run", "seconds_of", "text_of", "until", "verified"]
