"""`verify` and single changed bytes: of an archive, and of each projection. A change that it does not tell is one that nobody can read."""

import json
import os
import random
import shutil

import pytest
from engine import Engine
from samples import damage, flushed, sell

FLIPS = int(os.environ.get("LEDGERLINE_FLIPS", "25"))
META_BYTES = 8192  # two pages that name the last two commits
SEED = int(os.environ.get("LEDGERLINE_SEED", "3"))


def verify(ledgerline, *place):
    done = ledgerline("verify", *place, "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


@pytest.fixture(scope="module")
def original(tmp_path_factory, binary, ledgerline):
    """A ledger at rest, with all kinds of rows, and an archive of its journal."""
    place = tmp_path_factory.mktemp("flips")
    engine = Engine(binary, place / "data").start()
    sell(engine)
    for number in range(400):
        engine.post("/api/points/charge", {"userId": f"user-{number % 90}", "amount": 1000 + number, "source": "bonus"})
    engine.post("/api/queue/token", {"userId": "kim"})
    flushed(engine, ledgerline)
    assert engine.stop() == 0
    ledgerline("journal", "copy", f"local:{engine.data}/journal", f"local:{place}/archive", check=0)
    return place


class Flipped:
    """A file with one byte changed, for as long as it is entered."""

    def __init__(self, path, dice):
        self.path, self.at, self.bit = path, dice.randrange(path.stat().st_size), 1 << dice.randrange(8)

    def turn(self):
        with open(self.path, "r+b") as file:
            file.seek(self.at)
            byte = file.read(1)[0]
            file.seek(self.at)
            file.write(bytes([byte ^ self.bit]))

    def __enter__(self):
        self.turn()
        return self

    def __exit__(self, *_):
        self.turn()

    def __str__(self):
        return f"{self.path} byte {self.at} bit {self.bit}"


def campaign(files, look, name):
    """Flips until FLIPS of them were told; look(flipped) says whether it was, after holding the rest against what is right."""
    dice = random.Random(SEED)
    told = unread = 0
    while told < FLIPS:
        with Flipped(dice.choice(files), dice) as flipped:
            if look(flipped):
                told += 1
            else:
                unread += 1
        assert unread < 40 * FLIPS + 400, "hardly any byte matters"
    print(f"{name}: {told} changed bytes told, {unread} in places that nothing reads (seed {SEED})")


# An archive: what cannot be told is not part of any record: cat prints the same bytes.
def test_an_archive(original, ledgerline):
    url = f"local:{original}/archive"
    right = ledgerline("journal", "cat", url, check=0).stdout

    def look(flipped):
        status, report, complaint = verify(ledgerline, "--journal", url)
        if status == 0:
            assert ledgerline("journal", "cat", url, check=0).stdout == right, str(flipped)
            return False
        said = report.get("message") or complaint
        assert status in (1, 3), (str(flipped), status, said)
        assert "offset" in said or str(original) in said, (str(flipped), said)
        return True

    campaign([original / "archive" / "data.mdb"], look, "archive")
    assert verify(ledgerline, "--journal", url)[0] == 0


# Projections: a difference is told with the projection, the table and the key, or the file that cannot be read.
def test_projections(original, ledgerline, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(original / "data", data, symlinks=True)
    right = verify(ledgerline, "--data", data)[1]
    files = sorted(data.glob("projections/*/gen-*/data.mdb"))
    assert len(files) == 6

    def look(flipped):
        status, report, complaint = verify(ledgerline, "--data", data)
        if status == 0 and flipped.at < META_BYTES and report["digest"] is None:
            return False  # LMDB's commit before: a state that was, and equal to the journal's at its own position
        if status == 0:
            assert report["digest"] == right["digest"] and report["rows"] == right["rows"], (str(flipped), json.dumps(report))
            return False
        assert status in (1, 3), (str(flipped), status, complaint)
        name = next(part for part in flipped.path.parts if part in ("balances", "seats", "queue", "receipts", "rankings", "history"))
        assert name in json.dumps(report) + complaint, (str(flipped), report, complaint)
        return True

    campaign(files, look, "projections")
    assert verify(ledgerline, "--data", data)[0] == 0


# A position that lies behind the journal's end is told by the name of its projection.
@pytest.mark.parametrize("name", ["balances", "rankings"])
def test_a_position_behind_the_end(original, ledgerline, tmp_path, name):
    data = tmp_path / "data"
    shutil.copytree(original / "data", data, symlinks=True)
    end = json.loads(ledgerline("journal", "info", "--data", data, "--json", check=0).stdout)["high"]
    file = data / "projections" / name / "gen-000001" / "data.mdb"
    pages, changed = bytearray(file.read_bytes()), 0
    key = pages.find(b"position")
    while key >= 0:
        at = pages.find(b"\xcd" + end.to_bytes(2, "big"), key, key + 300)
        if at >= 0:
            pages[at + 1] ^= 0x40
            changed += 1
        key = pages.find(b"position", key + 1)
    assert changed
    file.write_bytes(pages)
    status, report, complaint = verify(ledgerline, "--data", data)
    assert status == 1 and f"projection {name}" in (report.get("message") or "") + complaint, complaint


# Rows whose position (or all that says what they are) is gone are not taken for nothing: neither by verify nor by an engine, which would fold over them.
def test_a_position_that_is_gone(original, ledgerline, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(original / "data", data, symlinks=True)
    damage(data / "projections" / "seats" / "gen-000001" / "data.mdb", b"position\xdc")
    status, _, complaint = verify(ledgerline, "--data", data)
    assert status == 1 and "projection seats" in complaint and "it was damaged" in complaint
    served = ledgerline("serve", "--data", data, "--listen", "127.0.0.1:0", check=3)
    assert "it was damaged; rebuild" in served.stderr
    ledgerline("rebuild", "--data", data, "seats", check=0)
    assert verify(ledgerline, "--data", data)[0] == 0
