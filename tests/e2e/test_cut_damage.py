"""Cuts over snapshots that were damaged, or go away: an answer is right, or there is an error that names the snapshot; a server lives on."""

import json
import os
import random
import shutil
import threading

import pytest
from engine import Engine
from samples import damage as change_bytes
from samples import must, sell

FLIPS = int(os.environ.get("LEDGERLINE_FLIPS", "20"))
SEED = int(os.environ.get("LEDGERLINE_SEED", "5"))
USERS = 12
PAGE = 4096


@pytest.fixture(scope="module")
def original(tmp_path_factory, binary, ledgerline):
    """A ledger at rest with snapshots of its past, what a journal alone answers about each entry, and its number of entries."""
    place = tmp_path_factory.mktemp("damage")
    engine = Engine(binary, place / "data").start()
    sell(engine)
    for number in range(150):
        must(engine.post("/api/points/charge", {"userId": f"u{number % USERS}", "amount": 1000 + number}), 200)
        if number % 5 == 0:
            must(engine.post("/api/points/use", {"userId": f"u{number % USERS}", "amount": 100}), 200)
    entries = int(engine.status()["position"].split(":")[1]) + 1
    assert engine.stop() == 0
    ledgerline("snapshot", "--data", engine.data, "--every", 80, check=0)
    shutil.move(engine.data / "snapshots", place / "snapshots")
    return place, entries, {}


def questions(dice, entries):
    """One question, as words of the command line and as a path."""
    at, other, user = f"0:{dice.randrange(entries)}", f"0:{dice.randrange(entries)}", f"u{dice.randrange(USERS)}"
    return dice.choice([
        (("totals", "--at", at), f"totals?at={at}"),
        (("state", "account", user, "--at", at), f"accounts/{user}?at={at}"),
        (("state", "schedule", "seoul-1", "--at", at), f"schedules/seoul-1?at={at}"),
        (("state", "popular", "--at", at), f"rankings/popular?at={at}"),
        (("diff", "--from", at, "--to", other), f"diff?from={at}&to={other}"),
        (("explain", at), f"explain/{at}"),
    ])  # fmt: skip


def damage(dice, snapshots):
    """Damages one of the files in some way; says how."""
    files = sorted(path for path in snapshots.rglob("*") if path.is_file())
    small = [path for path in files if path.name != "data.mdb"]
    path = dice.choice(small if dice.randrange(3) == 0 else [path for path in files if path not in small])
    data = bytearray(path.read_bytes())
    at = dice.randrange(len(data))
    kind = dice.choice(["bit", "bit", "bit", "cut", "page", "gone", "swap"])
    if kind == "bit":
        data[at] ^= 1 << dice.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "page":
        at -= at % PAGE
        data[at : at + PAGE] = dice.randbytes(len(data[at : at + PAGE]))
    elif kind == "swap":
        data = dice.choice([one for one in files if one.name == path.name]).read_bytes()
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(data)
    return f"{path}: {kind} at {at}"


class Asking:
    """What is right, by a journal alone; each question once."""

    def __init__(self, original, ledgerline):
        self.place, self.entries, self.known = original
        self.ledgerline = ledgerline

    def right(self, words):
        if words not in self.known:
            done = self.ledgerline("audit", *words, "--json", "--journal", f"local:{self.place}/data/journal")
            self.known[words] = (done.returncode, json.loads(done.stdout) if done.stdout else None)
            assert done.returncode in (0, 1), done.stderr
        return self.known[words]


# By the command line.
def test_by_command(original, ledgerline, tmp_path):
    asking, dice = Asking(original, ledgerline), random.Random(SEED)
    data = tmp_path / "data"
    shutil.copytree(original[0] / "data", data, symlinks=True)
    told = 0
    for _ in range(FLIPS):
        shutil.copytree(original[0] / "snapshots", data / "snapshots")
        how = damage(dice, data / "snapshots")
        for _ in range(3):
            words, _ = questions(dice, asking.entries)
            done = ledgerline("audit", *words, "--json", "--data", data)
            if done.returncode == 3:
                told += 1
                assert str(data / "snapshots") in done.stderr and "ended" not in done.stderr, (how, words, done.stderr)
                assert "the snapshot" in done.stderr and "delete it" in done.stderr, (how, words, done.stderr)
            else:
                assert (done.returncode, json.loads(done.stdout) if done.stdout else None) == asking.right(words), (how, words)
        shutil.rmtree(data / "snapshots")
        assert not list(data.glob("cut-*"))
    print(f"{told} of {3 * FLIPS} questions were refused, all others answered right (seed {SEED})")
    assert told


# By a server, which tells why in its log, answers all questions that other snapshots serve, and all once the damaged one is gone.
def test_by_server(original, ledgerline, engines, tmp_path):
    asking, dice = Asking(original, ledgerline), random.Random(SEED + 1)
    shutil.copytree(original[0] / "data", tmp_path / "data", symlinks=True)
    engine = engines(tmp_path / "data").start()
    snapshots = engine.data / "snapshots"

    def ask(how):
        words, path = questions(dice, asking.entries)
        found = engine.get(f"/api/audit/{path}")
        assert found.status in (200, 404, 500), (how, path, found.body)
        if found.status != 500:
            status, right = asking.right(words)
            assert (found.json if found.status == 200 else None) == right, (how, path, found.body)
        return found.status == 500

    told = 0
    for _ in range(FLIPS):
        shutil.copytree(original[0] / "snapshots", snapshots)
        how = damage(dice, snapshots)
        told += sum(ask(how) for _ in range(4))
        shutil.rmtree(snapshots)
        assert not ask(how)
    assert told and engine.errors().count("audit.failed") == told and str(snapshots) in engine.errors()
    print(f"{told} of {4 * FLIPS} questions were refused, all others answered right (seed {SEED})")
    assert not list(engine.data.glob("cut-*")) and engine.stop() == 0


# A value that was changed reads well, and is told all the same: by command and by a server, whose log says which snapshot it is.
def test_a_changed_value(original, ledgerline, engines, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(original[0] / "data", data, symlinks=True)
    shutil.copytree(original[0] / "snapshots", data / "snapshots")
    place = data / "snapshots" / f"{80:012}"
    change_bytes(place / "balances" / "data.mdb", b"u3")
    done = ledgerline("audit", "state", "account", "u3", "--data", data, "--at", "0:100", check=3)
    assert f"the snapshot {place} cannot be used" in done.stderr
    engine = engines(data).start()
    assert engine.get("/api/audit/accounts/u3?at=0:100").code == "INTERNAL" and str(place) in engine.errors()
    shutil.rmtree(place)
    assert engine.get("/api/audit/accounts/u3?at=0:100").status == 200 and engine.stop() == 0


# A manifest that claims an earlier place than its rows have is not believed: neither by number nor by time.
def test_a_manifest_that_lies(original, ledgerline, tmp_path):
    asking = Asking(original, ledgerline)
    data = tmp_path / "data"
    shutil.copytree(original[0] / "data", data, symlinks=True)
    for change in ({"entries": 30}, {"timeMs": 1}, {"nextOffset": 1}, {"chain": "00" * 32}):
        shutil.rmtree(data / "snapshots", ignore_errors=True)
        (data / "snapshots").mkdir()
        place = data / "snapshots" / f"{change.get('entries', 80):012}"
        shutil.copytree(original[0] / "snapshots" / f"{80:012}", place)
        manifest = json.loads((place / "manifest.json").read_text())
        (place / "manifest.json").write_text(json.dumps(manifest | change))
        at = f"0:{change.get('entries', 80)}"
        if "timeMs" in change:
            at = asking.right(("totals", "--at", "0:20"))[1]["at"]["time"]
        done = ledgerline("audit", "totals", "--data", data, "--at", at, check=3)
        assert str(place) in done.stderr and "delete it" in done.stderr, done.stderr


# A directory whose manifest cannot be read is no snapshot: the one before it is begun at.
def test_a_manifest_that_cannot_be_read(original, ledgerline, tmp_path):
    asking = Asking(original, ledgerline)
    data = tmp_path / "data"
    shutil.copytree(original[0] / "data", data, symlinks=True)
    shutil.copytree(original[0] / "snapshots", data / "snapshots")
    words = ("totals", "--at", f"0:{asking.entries - 1}")
    for text in ("", "{", "[]", '{"format":1}', "\0" * 5000):
        (data / "snapshots" / f"{160:012}" / "manifest.json").write_text(text)
        assert json.loads(ledgerline("audit", *words, "--data", data, "--json", check=0).stdout) == asking.right(words)[1]


# Snapshots that come and go while cuts are opened and open disturb nobody.
def test_thinned_meanwhile(engines, tmp_path):
    engine = engines(tmp_path / "data", options=["--snapshot-every", "10", "--snapshot-keep", "2"]).start()
    stop, wrong = threading.Event(), []
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 200)

    def ask(seed):
        dice = random.Random(seed)
        while not stop.is_set():
            at = dice.randrange(int(engine.status()["position"].split(":")[1]) + 1)
            found = engine.get(f"/api/audit/accounts/kim?at=0:{at}")
            if found.status != 200 or found.json["balance"] != 1000 * (at + 1):
                wrong.append((at, found.status, found.body))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(6):
        for _ in range(15):
            must(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 200)
        engine.wait_for(lambda: engine.errors().count("snapshot.taken") > round_, "a snapshot")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not list(engine.data.glob("cut-*")) and not list((engine.data / "snapshots").glob("*.*"))
