"""Other programs read a ledger: C, Python twice, Node.js and Go, beside an engine that writes and while generations are swapped."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from reading import EXAMPLES, LANGUAGES, PREFIX, ROOT, Missing, Readers, run
from samples import flushed, sell

SWAPS = int(os.environ.get("LEDGERLINE_SWAPS", "5"))
SEEN_BESIDE = 8  # positions that a reader must have seen beside the writer


@pytest.fixture(scope="session")
def readers(binary):
    if Path(binary).parent != ROOT / "build":
        pytest.skip("a library with a sanitizer in it cannot be loaded into other languages; unit tests read with it")
    return Readers(Path(binary).parent)


def wanted(readers, language):
    try:
        readers.command(language)
    except Missing as why:
        if os.environ.get("CI") == "true" and shutil.which(language):
            pytest.fail(f"{why}, and CI=true", pytrace=False)
        pytest.skip(str(why))


@pytest.fixture
def watches(readers):
    watching = []

    def watch(language, data):
        watching.append(readers.watch(language, data))
        return watching[-1]

    yield watch
    for one in watching:
        one.kill()


class Writer(threading.Thread):
    """Charges, uses, holds seats, pays and cancels, as long as it is let."""

    def __init__(self, engine):
        super().__init__(daemon=True)
        self.engine, self.over, self.failed = engine, threading.Event(), None
        seats = [{"seatNo": n, "price": 1000} for n in range(1, 41)]
        sell(engine)
        schedule = {"scheduleId": "seoul-2", "concertId": "seoul", "concertDate": "2031-03-01T09:00:00Z", "seats": seats}
        assert engine.post("/api/admin/schedules", schedule).status == 201

    def run(self):
        try:
            draw = random.Random(1)
            while not self.over.is_set():
                self.once(draw)
        except Exception as why:
            self.failed = why

    def once(self, draw):
        user = f"user-{draw.randrange(30)}"
        self.engine.post("/api/points/charge", {"userId": user, "amount": draw.randrange(1000, 5000)})
        self.engine.post("/api/points/use", {"userId": user, "amount": draw.randrange(1, 3000)})
        held = self.engine.post("/api/reservations", {"userId": user, "scheduleId": "seoul-2", "seatNo": draw.randrange(1, 41)})
        if held.status == 201:
            reservation = held.json["reservationId"]
            self.engine.post("/api/payments", {"reservationId": reservation, "userId": user})
            if draw.random() < 0.5:
                self.engine.post(f"/api/reservations/{reservation}/cancel", {"userId": user})

    def stop(self):
        self.over.set()
        self.join()
        assert self.failed is None, self.failed


# Every language, beside an engine that writes: at each position that it sees the rows add up to the totals. Afterwards all
# print the same rows as the C program.
@pytest.mark.parametrize("language", LANGUAGES)
def test_beside_a_writer(readers, watches, engines, ledgerline, tmp_path, language):
    wanted(readers, language)
    engine = engines(tmp_path / "data").start()
    writer = Writer(engine)
    flushed(engine, ledgerline)
    reader = watches(language, engine.data)
    writer.start()

    def has_seen_enough():
        reader.must_run()
        assert writer.failed is None, writer.failed
        return len(reader.positions()) >= SEEN_BESIDE

    engine.wait_for(has_seen_enough, f"{SEEN_BESIDE} positions seen by {language}")
    writer.stop()
    assert reader.end() >= SEEN_BESIDE
    positions = reader.positions()
    assert positions == sorted(positions)
    flushed(engine, ledgerline)
    shown = readers.show(language, engine.data)
    assert shown == readers.show("c", engine.data)
    entries = int(engine.status()["position"].split(":")[1]) + 1
    assert shown[0] == f"position {entries}"
    kinds = {line.split()[0] for line in shown}
    assert kinds == {"position", "account", "lot", "totals", "schedule", "seat", "popular"}


# What the C program prints is what the engine answers.
def test_the_rows_are_right(readers, engines, ledgerline, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    flushed(engine, ledgerline)
    shown = readers.show("c", engine.data)
    for user in ("kim", "lee"):
        answer = engine.get(f"/api/points/balance?userId={user}").json
        assert f"account {user} balance {answer['balance']} held 0 debt 0" in shown
        for lot in answer["lots"]:
            assert f"lot {user} {lot['lotId']} {lot['source']} {lot['remaining']}" in shown
    assert "schedule seoul-1 of seoul OPEN seats 2 held 0 reserved 2" in shown
    assert "popular 1 seoul-1 2" in shown


# A snapshot is read like a ledger, also as a copy somewhere else; it stays as it was.
def test_a_snapshot(readers, engines, ledgerline, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    flushed(engine, ledgerline)
    before = readers.show("c", engine.data)
    made = json.loads(ledgerline("snapshot", "--data", engine.data, "--json", check=0).stdout)["path"]
    shutil.copytree(made, tmp_path / "copy")
    assert engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}).status == 200
    flushed(engine, ledgerline)
    assert readers.show("c", made) == readers.show("c", tmp_path / "copy") == before
    assert readers.show("c", engine.data) != before


def swap(ledgerline, engine):
    """Puts new generations of all projections in place, whether the engine runs or not."""
    ledgerline("rebuild", "--data", engine.data, "--all", check=0)


def told(watching):
    """Ends programs that watch, and says what they did."""
    for one in watching:
        snapshots = one.end()
        print(f"{one.name}: {snapshots} snapshots over {SWAPS} swaps, all right")
        assert snapshots > SWAPS


# Generations are swapped under programs that read (LEDGERLINE_SWAPS times, and now and then the engine writes between): every
# snapshot of theirs is right, and they follow to the last one.
def test_swaps_under_readers(readers, watches, engines, ledgerline, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    assert engine.stop() == 0
    before = readers.show("c", engine.data)
    watching = [watches(language, engine.data) for language in ("c", "lmdb", "ctypes")]
    for one in watching:
        engine.wait_for(lambda one=one: one.must_run() or one.positions(), f"{one.name} to read")
    for number in range(1, SWAPS + 1):
        swap(ledgerline, engine)
        assert readers.show("c", engine.data) == before
        for one in watching:
            one.must_run()
        if number % 5 == 0 or number == SWAPS:
            engine.start()
            assert engine.post("/api/points/charge", {"userId": "kim", "amount": 1000 + number}).status == 200
            assert engine.stop() == 0
            before = readers.show("c", engine.data)
    entries = int(before[0].split()[1])
    for one in watching:
        engine.wait_for(lambda one=one: one.must_run() or one.positions()[-1] == entries, f"{one.name} to follow")
    told(watching)


# The same beside an engine that serves and a client that writes all the time: positions only go on.
def test_swaps_beside_a_writer(readers, watches, engines, ledgerline, tmp_path):
    engine = engines(tmp_path / "data").start()
    writer = Writer(engine)
    flushed(engine, ledgerline)
    watching = [watches(language, engine.data) for language in ("c", "lmdb", "ctypes")]
    writer.start()
    for _ in range(SWAPS):
        swap(ledgerline, engine)
        assert writer.failed is None, writer.failed
        assert engine.get("/readyz").status == 200
        for one in watching:
            one.must_run()
    writer.stop()
    flushed(engine, ledgerline)
    entries = int(engine.status()["position"].split(":")[1]) + 1
    for one in watching:
        engine.wait_for(lambda one=one: one.must_run() or one.positions()[-1] == entries, f"{one.name} to follow")
        assert one.positions() == sorted(one.positions())
    told(watching)
    generation = engine.status()["projections"]["balances"]["generation"]
    assert generation > SWAPS


# A program that stands still is told in the status, in the metrics and in the log; killed, its slots are cleared.
def test_a_reader_that_stands_still(readers, engines, ledgerline, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    flushed(engine, ledgerline)
    program = f"""
import sys; sys.path.insert(0, {str(EXAMPLES / "python")!r})
import ledgerline
with ledgerline.Reader({str(engine.data)!r}, ledgerline.BALANCES) as reader, reader.pinned():
	print("pinned", flush=True)
	sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-B", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=readers.env
    ) as pinned:
        assert pinned.stdout.readline() == b"pinned\n"
        assert engine.status()["projections"]["balances"]["readers"] >= 1
        assert engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}).status == 200
        long = engine.wait_for(lambda: engine.status()["projections"]["balances"]["longReaders"], "the reader to be told")
        assert [one["process"] for one in long] == [pinned.pid]
        assert long[0]["seconds"] >= 5 and long[0]["commitsBehind"] >= 1
        assert engine.status()["projections"]["seats"]["longReaders"] == []
        metrics = engine.metrics()
        assert metrics['ledgerline_projection_long_readers{projection="balances"}'] == 1
        assert metrics['ledgerline_projection_reader_held_seconds{projection="balances"}'] >= 5
        assert metrics['ledgerline_projection_dead_readers_total{projection="balances"}'] == 0
        told = [line for line in engine.errors().splitlines() if "reader.long" in line]
        assert len(told) == 1 and f"process={pinned.pid}" in told[0] and "projection=balances" in told[0]
        pinned.send_signal(signal.SIGKILL)
    engine.wait_for(lambda: not engine.status()["projections"]["balances"]["longReaders"], "the dead reader to be cleared")
    assert engine.metrics()['ledgerline_projection_dead_readers_total{projection="balances"}'] >= 1


# Somebody of the files' group may read what the engine wrote, and nobody else; a read-only mount is refused. Each says why.
def test_what_readers_lack(readers, engines, ledgerline):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    place = Path(run(["mktemp", "-d", "/tmp/ledgerline-rights-XXXXXX"]).strip())
    try:
        place.chmod(0o2750)
        os.chown(place, 0, 54321)
        engine = engines(place / "data").start()
        sell(engine)
        flushed(engine, ledgerline)
        program = place / "read_ledger"
        shutil.copy(readers.command("c")[0], program)
        for file in readers.libraries.glob("libledgerline.so*"):
            shutil.copy(file, place)
        env = {"LD_LIBRARY_PATH": str(place)}

        def read(*command):
            return subprocess.run([*command, program, engine.data], capture_output=True, text=True, env=env)

        mine = readers.show("c", engine.data)
        as_somebody = ["setpriv", "--reuid", "54322", "--clear-groups", "--regid"]
        assert read(*as_somebody, "54321").stdout.splitlines() == mine
        (engine.data / "projections").chmod(0o2750)
        place.chmod(0o2755)
        refused = read(*as_somebody, "54322")
        assert refused.returncode == 1 and "Permission denied" in refused.stderr
        script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" "$1"'
        mount = ["unshare", "--mount", "sh", "-c", script, "sh", engine.data / "projections", "true"]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("this machine does not let mounts be made: the read-only mount was not tried")
        script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" "$3"'
        mount = ["unshare", "--mount", "sh", "-c", script, "sh", engine.data / "projections", program, engine.data]
        refused = subprocess.run(mount, capture_output=True, text=True, env=env)
        assert refused.returncode == 1 and "lock.mdb cannot be written (a read-only mount?)" in refused.stderr
    finally:
        shutil.rmtree(place)


# ---- what pages show ----


def code(page, language, number=0):
    """The text of a code block of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)[number]


# The program in the README and the lines of Python on the readers' page do what is said there.
def test_code_of_pages(readers, engines, ledgerline, tmp_path):
    engine = engines(tmp_path / "shop").start()
    sell(engine)
    flushed(engine, ledgerline)
    source = tmp_path / "kim.c"
    source.write_text(code("README.md", "c"))
    compiled = ["gcc", "-Wall", "-Wextra", "-Werror", source, *readers.flags("--cflags", "--libs"), "-o", tmp_path / "kim"]
    run(compiled, env=readers.env)
    balance = engine.get("/api/points/balance?userId=kim").json["balance"]
    assert run([tmp_path / "kim"], env=readers.env, cwd=tmp_path) == f"kim has {balance} won\n"
    python = [sys.executable, "-B", "-c", code("docs/readers.md", "python")]
    rows = run(python, cwd=tmp_path).splitlines()
    assert [row.split()[0] for row in rows] == ["kim", "lee"]


# ---- what is installed ----


def exported(output):
    return sorted(line.split()[-1] for line in output.splitlines() if line and not line.endswith(":"))


# An outside program needs pkg-config alone, also to link the library in; both libraries show what the header declares and no
# other name; the manual page and the header have every call.
def test_what_is_installed(readers, engines, ledgerline, tmp_path):
    header = (readers.root / PREFIX[1:] / "include" / "ledgerline.h").read_text()
    declared = sorted(re.findall(r"^LL_PUBLIC [^;(]*\b(ll_\w+)\(", header, flags=re.MULTILINE))
    assert len(declared) > 25
    shared = run(["nm", "-D", "--defined-only", readers.libraries / "libledgerline.so"])
    static = run(["nm", "-g", "--defined-only", readers.libraries / "libledgerline.a"])
    assert exported(shared) == declared
    assert [name for name in exported(static) if name.startswith("ll_")] == declared == exported(static)
    page = (readers.root / PREFIX[1:] / "share" / "man" / "man3" / "libledgerline.3").read_text()
    assert [name for name in declared if not re.search(rf"\b{name}\b", page)] == []
    cxx = tmp_path / "header.c"
    cxx.write_text("#include <ledgerline.h>\nint main(void) { return ll_version()[0] != '0'; }\n")
    program = tmp_path / "linked_in"
    libraries = self_contained(readers.flags("--static", "--libs"))
    run(["gcc", cxx, *readers.flags("--cflags"), *libraries, "-o", program], env=readers.env)
    assert "libledgerline" not in run(["ldd", program])
    run([program])


def self_contained(flags):
    """The library itself from its archive, what it needs as it comes."""
    return [part for flag in flags for part in (["-Wl,-Bstatic", flag, "-Wl,-Bdynamic"] if flag == "-lledgerline" else [flag])]
