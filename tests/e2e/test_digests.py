"""One state, one digest: live, rebuilt, built anew, from an archive of the journal, and whatever the size of commits."""

import json
import random
import shutil
import subprocess

import pytest
from crashing import Load
from world import verified

# With a wall clock that stands still, the same commands in the same order are the same state, to the last time in it.
STILL_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int status = real(id, now);
	if (id == CLOCK_REALTIME)
		*now = (struct timespec){1788000000, 0};
	return status;
}
"""


def digest(ledgerline, data):
    report = verified(ledgerline, data)
    assert len(report["digest"]) == 64 and report["differences"] == 0
    return report["position"], report["digest"]


def live_digest(engine, ledgerline):
    """Of the serving engine's projections, as soon as all that it answered is on disk. Before their first flush there is none."""
    last = engine.status()["position"]
    engine.wait_for(lambda: verified(ledgerline, engine.data)["position"] == last, f"a flush of {last}")
    return digest(ledgerline, engine.data)


# The digest of the serving engine's projections is that of their rebuild, of new ones, and of those of an archive.
def test_digest_is_the_same(engine, engines, ledgerline, tmp_path):
    load = Load(engine, policies=False)
    engine.wait_for(lambda: load.alive() or load.answered >= 400, "a state worth it")
    load.finish()
    live = live_digest(engine, ledgerline)
    assert engine.stop() == 0
    assert digest(ledgerline, engine.data) == live

    ledgerline("rebuild", "--data", engine.data, "--all", "--certify", check=0)
    assert digest(ledgerline, engine.data) == live

    shutil.rmtree(engine.data / "projections")
    assert engine.start("--follow").stop() == 0
    assert digest(ledgerline, engine.data) == live

    archive = f"local:{tmp_path / 'archive'}"
    ledgerline("journal", "copy", engine.journal, archive, check=0)
    copy = engines(tmp_path / "other", archive)
    assert copy.start("--follow").stop() == 0
    assert digest(ledgerline, copy.data) == live
    ledgerline("journal", "copy", engine.journal, archive, check=0)  # a second time there is nothing to copy
    assert digest(ledgerline, copy.data) == live


# However many entries one LMDB commit takes of a journal of small blocks, the state is the same.
def test_flush_sizes(engine, ledgerline, tmp_path):
    for begin in range(0, 600, 3):
        engine.command(*commands(600)[begin : begin + 3])
    assert engine.stop() == 0
    found = {digest(ledgerline, engine.data)[1]}
    for size in (1, 7, 1000, 1000000):
        done = ledgerline(
            *("bench", "fold", "--journal", engine.journal, "--digest", "--json"),
            *("--commit-entries", size, "--to", tmp_path / f"commits-of-{size}", "all"),
            check=0,
        )
        found.add(json.loads(done.stdout)["digest"])
    assert len(found) == 1, found


# The digest tells states apart: one more point, and it is another one.
def test_digest_differs(engine, ledgerline):
    engine.post("/api/points/charge", {"userId": "kim", "amount": 1000})
    first = live_digest(engine, ledgerline)
    engine.post("/api/points/charge", {"userId": "kim", "amount": 1000})
    assert live_digest(engine, ledgerline)[1] != first[1]


def commands(count=3000):
    """Commands of many kinds, accepted and refused. What they name by the ledger's own ids is there at times: those come from
    the entry's number, and what names nothing makes no entry."""
    chance, lines, held = random.Random(4), [], []
    clock = "2027-01-01T12:00:00.000Z"
    seats = [{"seatNo": number, "price": 100 * number} for number in range(1, 201)]
    setting = [
        {"type": "concert.create", "concertId": "c", "title": "Commits"},
        {"type": "schedule.create", "scheduleId": "s", "concertId": "c", "concertDate": clock, "seats": seats},
        {"type": "policy.set", "seatsPerReservation": 10},
    ]
    for sequence in range(count):
        user, kind = f"user-{chance.randrange(60)}", chance.random()
        if sequence < len(setting):
            command = setting[sequence]
        elif kind < 0.35:
            command = {"type": "points.charge", "userId": user, "amount": chance.randrange(1000, 20000)}
        elif kind < 0.6:
            command = {"type": "points.use", "userId": user, "amount": chance.randrange(1, 4000)}
        elif kind < 0.8:
            seat = chance.choice(seats)["seatNo"]
            command = {"type": "reservation.create", "userId": user, "scheduleId": "s", "seatNos": [seat]}
            held.append((f"reservation-{sequence}", user))
        elif kind < 0.9 and held:
            name, owner = chance.choice(held)
            command = {"type": "payment.create", "reservationId": name, "userId": owner}
        elif held:
            command = {"type": "reservation.cancel", "reservationId": chance.choice(held)[0]}
        else:
            command = {"type": "user.register", "userId": f"registered-{sequence}"}
        lines.append({"id": f"command-{sequence}", **command})
    return lines


@pytest.fixture
def still_clock(binary, tmp_path):
    if "asan" in subprocess.run(["ldd", binary], capture_output=True, text=True).stdout:
        pytest.skip("the sanitizer must come first")
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(STILL_CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}


# The same commands in commits of 1, 7, 1,000 and as many as fit are the same entries and the same state.
def test_commit_sizes(engines, ledgerline, still_clock, tmp_path, monkeypatch):
    lines, found, blocks = commands(), {}, {}
    for name, value in still_clock.items():
        monkeypatch.setenv(name, value)
    for size in (1, 7, 1000):
        engine = engines(tmp_path / f"size-{size}").start()
        for begin in range(0, len(lines), size):
            receipts = engine.command(*lines[begin : begin + size])
            receipts = receipts if isinstance(receipts, list) else [receipts]
            assert all(receipt["outcome"] in ("accepted", "refused", "rejected") for receipt in receipts)
        assert engine.stop() == 0
        found[size] = digest(ledgerline, engine.data)
        blocks[size] = json.loads(ledgerline("journal", "info", "--data", engine.data, "--json", check=0).stdout)["blocks"]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    data = tmp_path / "loaded"
    ledgerline("load", "--data", data, "--keep-going", stdin=text)
    found["load"] = digest(ledgerline, data)
    assert len(set(found.values())) == 1, found
    assert blocks[1] > 2000 > 500 > blocks[7] > 300 > 20 > blocks[1000]
