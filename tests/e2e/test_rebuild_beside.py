"""Rebuilding beside an engine that serves, and rebuilds that are stopped, killed, cancelled, or rolled back."""

import fcntl
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from samples import flushed, must, sell

NAMES = ["balances", "seats", "queue", "receipts", "rankings", "history"]
KILLS = int(os.environ.get("LEDGERLINE_KILLS", 8))
SWAPS = int(os.environ.get("LEDGERLINE_SWAPS", 5))
EVENTS = 60000


def current(data, name="balances"):
    return int(os.readlink(data / "projections" / name / "current")[4:])


def names_left(data):
    """Generations that are being built or wait, and what lies beside those in use and the ones before."""
    return sorted(path.name for path in (data / "projections").glob("*/*") if path.name in ("building", "ready", "current.new"))


def verify(ledgerline, data):
    done = json.loads(ledgerline("verify", "--data", data, "--json", check=0).stdout)
    assert done["verified"]
    return done


class Rebuild:
    """`ledgerline rebuild` in the background."""

    def __init__(self, binary, data, *arguments):
        self.process = subprocess.Popen(
            [str(binary), "rebuild", "--data", str(data), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def end(self, expected):
        out, err = self.process.communicate(timeout=120)
        assert self.process.returncode == expected, (self.process.returncode, out, err)
        return out, err

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)


class Load:
    """Charges through HTTP from a thread, and reads of what was just answered; nothing may fail."""

    def __init__(self, engine):
        self.engine, self.sent, self.failures, self.ending = engine, 0, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending:
            user = f"user-{self.sent % 50}"
            charged = self.engine.post("/api/points/charge", {"userId": user, "amount": 1000})
            read = self.engine.get(f"/api/points/balance?userId={user}")
            if charged.status != 200 or read.status != 200 or read.json["balance"] != charged.json["balance"]:
                self.failures.append((charged.status, charged.body, read.status, read.body))
            self.sent += 1

    def end(self):
        self.ending = True
        self.thread.join()
        assert self.failures == [] and self.sent > 0


@pytest.fixture
def filled(ledgerline, tmp_path):
    """A journal that takes some time to fold."""
    journal = f"local:{tmp_path / 'journal'}"
    ledgerline("bench", "fill", "--journal", journal, "--events", EVENTS, "--accounts", 5000, check=0)
    return journal


@pytest.fixture
def busy(engines, filled, tmp_path):
    engine = engines(tmp_path / "data", filled).start()
    sell(engine)
    return engine


# While commands are decided and read all the time, all projections are rebuilt, certified and swapped, again and again: no request
# fails, each answer is the newest, and what is served in the end is what the journal says.
def test_beside_a_busy_engine(ledgerline, busy):
    load = Load(busy)
    for swap in range(SWAPS):
        done = json.loads(ledgerline("rebuild", "--data", busy.data, "--json", "--certify", check=0).stdout)
        assert done["certified"] and [one["projection"] for one in done["projections"]] == NAMES
        assert all(one["inUse"] and one["replaced"] for one in done["projections"])
        assert current(busy.data) == swap + 2 and names_left(busy.data) == []
        shown = {name: one["generation"] for name, one in busy.status()["projections"].items()}
        assert shown == {name: swap + 2 for name in NAMES}
    load.end()
    flushed(busy, ledgerline)
    digest = verify(ledgerline, busy.data)["digest"]
    assert busy.stop() == 0
    assert verify(ledgerline, busy.data)["digest"] == digest
    busy.start()
    must(busy.post("/api/points/use", {"userId": "user-1", "amount": 1}), 200)
    assert "projection.notAdopted" not in busy.errors()


# Beside an engine that has nothing to do, on each journal; one projection alone, then back to the generation before, which catches up.
def test_beside_an_idle_engine(ledgerline, engine):
    sell(engine)
    ledgerline("rebuild", "--data", engine.data, "balances", "--certify", check=0)
    assert current(engine.data) == 2 and current(engine.data, "seats") == 1
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 200)
    back = ledgerline("rebuild", "--data", engine.data, "balances", "--rollback", check=0)
    assert "in use again" in back.stdout and current(engine.data) == 1
    assert must(engine.get("/api/points/balance?userId=kim"), 200)["balance"] == 8000
    flushed(engine, ledgerline)
    verify(ledgerline, engine.data)
    assert "no earlier generation" in ledgerline("rebuild", "--data", engine.data, "balances", "--rollback", check=1).stderr


# One rebuild of a projection at a time, another projection's beside it; --cancel ends what runs and leaves nothing behind.
def test_cancel(ledgerline, binary, busy):
    slow = Rebuild(binary, busy.data, "balances", "history", "--rate", 100)
    building = busy.data / "projections" / "history" / "building"
    busy.wait_for(building.is_symlink, "a rebuild to begin")
    second = ledgerline("rebuild", "--data", busy.data, "history", check=3)
    assert str(slow.process.pid) in second.stderr and "--cancel" in second.stderr
    ledgerline("rebuild", "--data", busy.data, "seats", check=0)
    done = ledgerline("rebuild", "--data", busy.data, "--cancel", check=0)
    assert "balances: " in done.stdout and "history: " in done.stdout and "seats" not in done.stdout
    slow.end(3)
    assert names_left(busy.data) == [] and current(busy.data) == 1 and current(busy.data, "seats") == 2
    assert len(list((busy.data / "projections" / "history").glob("gen-*"))) == 1
    assert "nothing is being rebuilt" in ledgerline("rebuild", "--data", busy.data, "--cancel", check=0).stdout


# Interrupted by a person it says so and keeps what it has; called again it goes on.
def test_interrupted(ledgerline, binary, busy):
    slow = Rebuild(binary, busy.data, "--rate", 100)
    busy.wait_for((busy.data / "projections" / "history" / "building").is_symlink, "a rebuild to begin")
    time.sleep(0.3)
    out, err = slow.kill(signal.SIGINT)
    assert slow.process.returncode == 3 and "called again it goes on" in err
    done = json.loads(ledgerline("rebuild", "--data", busy.data, "--json", "--certify", check=0).stdout)
    assert all(one["resumed"] and one["inUse"] for one in done["projections"])
    assert names_left(busy.data) == []


# Killed at random moments, the rebuild or the engine: what is in use is always whole, and the next rebuild ends well.
def test_killed(ledgerline, binary, busy):
    seed = int(os.environ.get("LEDGERLINE_SEED", random.randrange(1 << 30)))
    draw = random.Random(seed)
    print(f"seed {seed}")
    flushed(busy, ledgerline)
    for _ in range(KILLS):
        rebuild = Rebuild(binary, busy.data, "--certify", "--rate", 400000)
        time.sleep(draw.random() * 0.6)
        if draw.random() < 0.7:
            rebuild.kill()
            sound = ledgerline("query", "--data", busy.data, "balance", "kim", "--json")
            assert sound.returncode == 0 and json.loads(sound.stdout)["balance"] == 7000, (seed, sound.stderr)
            must(busy.get("/api/points/balance?userId=kim"), 200)
        else:
            busy.kill()
            busy.start()
            assert must(busy.get("/api/points/balance?userId=kim"), 200)["balance"] == 7000
            rebuild.process.communicate(timeout=120)
    ledgerline("rebuild", "--data", busy.data, "--certify", check=0)
    assert names_left(busy.data) == []
    flushed(busy, ledgerline)
    verify(ledgerline, busy.data)


# What a killed rebuild left and somebody damaged is not built on.
def test_left_and_damaged(ledgerline, binary, busy):
    slow = Rebuild(binary, busy.data, "history", "receipts", "--rate", 20000)
    sorting = [busy.data / "projections" / name / "building" for name in ("history", "receipts")]
    busy.wait_for(lambda: all(path.is_symlink() for path in sorting), "a rebuild to begin")
    slow.kill()
    (sorting[0] / "guard").write_text("rubbish\n")
    done = ledgerline("rebuild", "--data", busy.data, "history", "receipts", "--json", "--certify", check=0)
    assert "beginning anew" in done.stderr and names_left(busy.data) == []
    assert [one["resumed"] for one in json.loads(done.stdout)["projections"]] == [False, False]


# Held by something that is no engine it waits; what it left ready is taken by the next engine, at its start.
def test_taken_at_start(ledgerline, binary, busy):
    assert busy.stop() == 0
    with open(busy.data / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rebuild = Rebuild(binary, busy.data, "seats")
        ready = busy.data / "projections" / "seats" / "ready"
        busy.wait_for(ready.is_symlink, "the rebuild to be ready")
        time.sleep(1.3)
        _, err = rebuild.kill()
        assert "waiting for process" in err
    assert ready.is_symlink() and current(busy.data, "seats") == 1
    busy.start()
    assert not ready.is_symlink() and current(busy.data, "seats") == 2
    verify(ledgerline, busy.data)


# A generation that is not of the journal is refused by the engine, which says why and serves on; the rebuild tells it.
def test_refused(ledgerline, binary, busy, engines, tmp_path):
    other = engines(tmp_path / "other").start()
    sell(other)
    assert other.stop() == 0
    busy.pause()
    rebuild = Rebuild(binary, busy.data, "seats")
    folder = busy.data / "projections" / "seats"
    busy.wait_for((folder / "ready").is_symlink, "the rebuild to be ready")
    for name in ("data.mdb", "guard"):
        (folder / "ready" / name).write_bytes((other.data / "projections" / "seats" / "current" / name).read_bytes())
    busy.resume()
    _, err = rebuild.end(3)
    assert "does not take the new generation" in err and "journal" in err
    assert current(busy.data, "seats") == 1 and names_left(busy.data) == []
    must(busy.get("/api/concerts/seats?scheduleId=seoul-1"), 200)
    assert "projection.notAdopted" in busy.errors()
