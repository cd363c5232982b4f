"""What must not be served: one clear sentence on standard error, exit status 2 (used wrongly) or 3 (the world failed), nothing changed.

And what is not HTTP, or too much of it: an answer, a closed connection, no harm.
"""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import threading
import uuid
from pathlib import Path

import pytest
from crashing import Load
from engine import DidNotStart, Engine, run
from world import balance, check, rich, verified

NOBODY = 65534
DISK_BYTES = 24 << 20


def tree(path):
    """Every file below, with its content, but for what tells only who is at work."""
    return {
        str(one.relative_to(path)): one.read_bytes() if one.is_file() else None
        for one in sorted(Path(path).rglob("*"))
        if one.name not in ("lock", "lock.mdb", "appender")
    }


def refused(binary, data, *arguments, status=3, says=(), unprivileged=False):
    """`serve` must end with that status and one sentence that has all those words; returns the sentence."""
    listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    command = [binary, "serve", "--data", data, *listen, *arguments]
    if unprivileged:
        command = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--", *command]
    done = run(*command, timeout=120)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ledgerline serve: ")]
    assert (done.returncode, len(lines), done.stdout) == (status, 1, ""), done
    for words in says:
        assert words in lines[0], lines[0]
    return lines[0]


# ---- journals ----


# A URL that names no journal is refused, and the directory that was to belong to it is not even made.
@pytest.mark.parametrize(
    "url, status, says",
    [
        ("nonsense", 2, ["nonsense", "local:DIR", "kafka://"]),
        ("ftp://127.0.0.1/x", 2, ["ftp://127.0.0.1/x", "local:DIR"]),
        ("kafka://127.0.0.1:9092", 2, ["kafka://"]),
        ("kafka://127.0.0.1:9092/not/a/name", 2, ["not/a/name"]),
        ("kafka:///x", 2, ["kafka://"]),
        ("kafka://127.0.0.1:1/x", 3, ["127.0.0.1:1"]),
        ("kafka://no.such.host.invalid:9092/x", 3, ["no.such.host.invalid"]),
    ],
)
def test_wrong_url(binary, tmp_path, url, status, says):
    refused(binary, tmp_path / "data", "--journal", url, status=status, says=says)
    assert tree(tmp_path) == {}


# A directory that is there stays as it was, and can be used with the right URL afterwards.
def test_wrong_url_in_a_directory(binary, tmp_path, engines):
    (tmp_path / "data").mkdir()
    refused(binary, tmp_path / "data", "--journal", "kafka://127.0.0.1:1/x", says=["127.0.0.1:1"])
    assert tree(tmp_path) == {"data": None}
    assert engines(tmp_path / "data").start().stop() == 0


# Settings that belong to the protocol, and addresses that are none or are everybody's, are wrong usage.
def test_wrong_options(binary, tmp_path):
    data = tmp_path / "data"
    refused(binary, data, "--journal", "kafka://127.0.0.1:1/x", "--kafka", "acks=1", status=2, says=["acks"])
    refused(binary, data, "--kafka", "nonsense", status=2, says=["NAME=VALUE"])
    refused(binary, data, "--listen", "127.0.0.1:port", status=2, says=["127.0.0.1:port", "HOST:PORT"])
    refused(binary, data, "--listen", "0.0.0.0:0", status=2, says=["--keys", "loopback"])
    refused(binary, data, "--log-level", "loud", status=2, says=["loud"])
    assert tree(tmp_path) == {}


# A topic that is not there is not made in passing: the sentence says which command makes it.
def test_no_topic(binary, kafka, tmp_path):
    url = f"kafka://{kafka}/absent-{uuid.uuid4().hex[:8]}"
    refused(binary, tmp_path / "data", "--journal", url, says=["absent-", "ledgerline journal create"])
    assert tree(tmp_path) == {}


# A topic that forgets, or takes too little, is refused with the setting and the command that mends it, and untouched.
@pytest.mark.parametrize(
    "name, value",
    [("retention.ms", "60000"), ("retention.bytes", "1000000"), ("cleanup.policy", "compact"), ("max.message.bytes", "1000")],
)
def test_topic_with_wrong_settings(binary, ledgerline, kafka, kafka_url, tmp_path, name, value):
    import wire

    topic, broker = kafka_url.rsplit("/", 1)[1] + ".journal", kafka.split(",")[0]
    wire.alter_topic(broker, topic, {name: value})
    end = wire.offset(broker, topic)
    refused(binary, tmp_path / "data", "--journal", kafka_url, says=[topic, name, value])
    assert tree(tmp_path) == {} and wire.offset(broker, topic) == end
    assert name in ledgerline("journal", "check", kafka_url, check=1).stdout


# A topic without a genesis, or with somebody else's records, is no journal.
def test_topic_that_is_no_journal(binary, kafka, tmp_path):
    import wire

    name = f"plain-{uuid.uuid4().hex[:8]}"
    wire.create_topic(
        kafka.split(",")[0],
        f"{name}.journal",
        settings={"retention.ms": -1, "max.message.bytes": 1048576, "message.timestamp.after.max.ms": 60000},
    )
    url = f"kafka://{kafka}/{name}"
    refused(binary, tmp_path / "data", "--journal", url, says=["ledgerline journal create"])
    feed = ["kcat", "-P", "-b", kafka, "-t", f"{name}.journal", "-p", "0"]
    subprocess.run(feed, input="hello\n", text=True, check=True)
    refused(binary, tmp_path / "data", "--journal", url, says=["not a journal"])
    assert tree(tmp_path) == {}


# A directory belongs to one journal for ever.
def test_directory_of_another_journal(binary, tmp_path, engines):
    assert engines(tmp_path / "data").start().stop() == 0
    before = tree(tmp_path / "data")
    refused(binary, tmp_path / "data", "--journal", f"local:{tmp_path}/other", says=["belongs to", str(tmp_path / "other")])
    assert tree(tmp_path / "data") == before and not (tmp_path / "other").exists()


# Projections that were built from another ledger, or from a log that is longer than this one, are not folded on from.
def test_projections_of_another_ledger(binary, tmp_path, engines):
    for name in ("one", "two"):
        engine = engines(tmp_path / name).start()
        user = rich(engine, 1000 if name == "one" else 2000)
        assert engine.stop() == 0
    journal = tmp_path / "one" / "journal"
    shutil.move(journal, tmp_path / "kept")
    shutil.copytree(tmp_path / "two" / "journal", journal)
    before = tree(tmp_path / "one")
    refused(binary, tmp_path / "one", says=["another", "delete the projections"])
    assert tree(tmp_path / "one") == before
    shutil.rmtree(tmp_path / "one" / "projections")
    assert balance(engines(tmp_path / "one").start(), user)["balance"] == 2000


# A log that is shorter than what the projections have folded was cut: nothing is folded on, nothing is written.
def test_journal_that_was_cut(binary, tmp_path, engines):
    engine = engines(tmp_path / "data").start()
    rich(engine, 1000)
    assert engine.stop() == 0
    shutil.copytree(tmp_path / "data" / "journal", tmp_path / "old")
    rich(engine.start(), 1000)
    assert engine.stop() == 0
    shutil.rmtree(tmp_path / "data" / "journal")
    shutil.copytree(tmp_path / "old", tmp_path / "data" / "journal")
    before = tree(tmp_path / "data")
    refused(binary, tmp_path / "data", says=["cut short", "delete the projections"])
    assert tree(tmp_path / "data") == before


# ---- directories ----


# A second engine on a directory is told who has it; the first does not notice.
def test_second_engine_on_a_directory(binary, engine, ledgerline):
    user = rich(engine, 1000)
    sentence = refused(binary, engine.data, says=[str(engine.data), str(engine.pid)])
    assert "in use" in sentence
    assert engine.post("/api/points/charge", {"userId": user, "amount": 1000}).status == 200
    check(engine, ledgerline, [user], charged=2000)


# A second engine on an embedded journal from another directory is told who appends.
def test_second_engine_on_an_embedded_journal(binary, engines, tmp_path, ledgerline):
    engine = engines(tmp_path / "data").start()
    user = rich(engine, 1000)
    refused(binary, tmp_path / "other", "--journal", f"local:{engine.data}/journal", says=[str(engine.pid), "stop it first"])
    assert engine.post("/api/points/charge", {"userId": user, "amount": 1000}).status == 200
    check(engine, ledgerline, [user], charged=2000)


@contextlib.contextmanager
def unprivileged_place(tmp_path):
    """A directory that nobody else may enter is no place to test rights in: one in /tmp itself."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    place = Path("/tmp") / f"ledgerline-rights-{os.getpid()}"
    place.mkdir(mode=0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def reachable(binary, place):
    """A copy of the program that everybody may run."""
    shutil.copy(binary, place / "ledgerline")
    (place / "ledgerline").chmod(0o755)
    return place / "ledgerline"


# A directory that one may not write to, or not even enter, is named, with the reason; nothing in it changes.
def test_directory_without_rights(binary, tmp_path, engines):
    with unprivileged_place(tmp_path) as place:
        program = reachable(binary, place)
        (place / "closed").mkdir(mode=0o755)
        said = ["Permission denied", str(place / "closed")]
        refused(program, place / "closed", says=said, unprivileged=True)
        refused(program, place / "closed" / "data", says=said, unprivileged=True)
        assert tree(place / "closed") == {}
        assert engines(place / "data").start().stop() == 0
        before = tree(place / "data")
        refused(program, place / "data", says=["Permission denied", str(place / "data")], unprivileged=True)
        os.chmod(place / "data" / "lock", 0o666)
        refused(program, place / "data", says=["Permission denied", str(place / "data")], unprivileged=True)
        assert tree(place / "data") == before
        os.chmod(place / "data", 0o700)
        refused(program, place / "data", says=["Permission denied", str(place / "data")], unprivileged=True)
        assert tree(place / "data") == before


# A file where the directory should be.
def test_file_instead_of_directory(binary, tmp_path):
    (tmp_path / "data").write_text("mine")
    refused(binary, tmp_path / "data", says=["Not a directory", str(tmp_path / "data")])
    assert tree(tmp_path) == {"data": b"mine"}


@contextlib.contextmanager
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk of its own")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", disk], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(disk):
    with open(disk / "ballast", "ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 65536)
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 512)


# On a full disk nothing starts, and it says so.
def test_start_on_a_full_disk(binary, tmp_path):
    with small_disk(tmp_path) as disk:
        fill(disk)
        before = tree(disk)
        refused(binary, disk / "data", says=["No space left on device"])
        assert {name for name in tree(disk)} - set(before) <= {"data"}


@contextlib.contextmanager
def ended_or_serving(engine):
    """What is asked inside is answered, unless the engine ends meanwhile, as one does whose projections cannot be written: with 3."""
    try:
        yield
    except (OSError, http.client.HTTPException):
        assert engine.process.wait(timeout=30) == 3



# A disk that fills under an engine: what was acknowledged is there, what is not taken is told so, and it goes on, or stops
# with a sentence, and after room was made all is as it was acknowledged.
def test_disk_that_fills(engines, tmp_path, ledgerline):
    with small_disk(tmp_path) as disk:
        engine = engines(disk / "data").start()
        user = rich(engine, 1000)
        fill(disk)
        charged, last = 1000, None
        for number in range(400):
            try:
                last = engine.post("/api/points/charge", {"userId": user, "amount": 1000}, key=f"full-{number}")
            except OSError:
                break
            if last.status == 200:
                charged += 1000
            else:
                assert last.status == 503 and last.code in ("JOURNAL_UNAVAILABLE", "OUTCOME_UNKNOWN")
                break
        assert last is not None
        with ended_or_serving(engine):
            assert balance(engine, user)["balance"] in (charged, charged + 1000)
        engine.wait_for(lambda: "No space" in engine.errors() or "no room" in engine.errors() or "full" in engine.errors(), "a word")
        (disk / "ballast").unlink()
        with ended_or_serving(engine):
            engine.wait_for(
                lambda: engine.post("/api/points/charge", {"userId": user, "amount": 1000}, key="after").status == 200,
                "the engine to go on when there is room",
            )
            charged += 1000
        if engine.running:
            assert engine.stop() in (0, 3)
        engine.start()
        for number in range(400):
            known = engine.get(f"/api/receipts/full-{number}").status
            assert known == 200 or number * 1000 + 1000 >= charged - 1000, number
        left = balance(engine, user)["balance"]
        assert left in (charged, charged + 1000)
        assert engine.stop() == 0
        verified(ledgerline, engine.data)


# ---- two engines on one Kafka journal ----


# The newest claim leads; the deposed engine follows it, answers reads of what the other wrote, and takes no commands itself.
def test_second_engine_on_a_kafka_journal(engines, kafka_url, tmp_path, ledgerline):
    first = engines(tmp_path / "one", kafka_url).start()
    user = rich(first, 1000)
    second = engines(tmp_path / "two", kafka_url).start()
    assert balance(second, user)["balance"] == 1000
    assert not second.status()["leader"]["self"] and second.post("/api/admin/lead").status == 200
    first.wait_for(lambda: second.status()["leader"]["self"] and not first.status()["leader"]["self"], "the other to lead")
    reply = second.post("/api/points/charge", {"userId": user, "amount": 1000})
    assert reply.status == 200
    seen = first.get(f"/api/points/balance?userId={user}", headers={"Ledger-Min-Position": reply.position})
    assert (seen.status, seen.json["balance"]) == (200, 2000)
    told = first.post("/api/points/charge", {"userId": user, "amount": 1000}, headers={"Ledger-Forwarded": "1"})
    assert (told.status, told.code) == (503, "NOT_LEADER") and told.headers["Retry-After"]
    one, two = first.status()["leader"], second.status()["leader"]
    assert (one["self"], one["state"], two["self"]) == (False, "following", True)
    assert one["address"] == second.url and one["epoch"] == two["epoch"] == 2
    assert first.get("/healthz").status == 200 and first.get("/readyz").status == 200
    assert first.stop() == 0 and second.stop() == 0
    check(first.start(), ledgerline, [user], charged=2000)


# Engines that depose one another under load: whoever answers, every answer holds.
def test_engines_that_depose_each_other(engines, kafka_url, tmp_path, ledgerline):
    pair = [engines(tmp_path / name, kafka_url) for name in ("one", "two")]
    pair[0].start()
    load = Load(pair[0], clients=3)
    leader = 0
    for _ in range(6):
        before = load.answered
        pair[leader].wait_for(lambda: load.alive() or load.answered > before + 5, "answers")
        leader = 1 - leader
        pair[leader].start()
        assert pair[leader].post("/api/admin/lead").status == 200
        for one in load.clients:
            one.engine = pair[leader]
        pair[1 - leader].wait_for(lambda: not pair[1 - leader].status()["leader"]["self"], "the other to follow")
        assert pair[1 - leader].stop() == 0
    load.finish()
    assert all(codes <= {"NOT_LEADER", "OUTCOME_UNKNOWN", "JOURNAL_UNAVAILABLE"} for codes in (c.unavailable for c in load.clients))
    load.check(ledgerline, pair[leader])


# ---- malformed HTTP ----


def raw(engine, data, half_close=False):
    """What comes back for those bytes, until the engine closes or says nothing for a while."""
    with socket.create_connection((engine.host, engine.port), timeout=5) as sock:
        sock.sendall(data)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while part := sock.recv(65536):
                answer += part
        return answer


POST = b"POST /api/points/charge HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

# Each: bytes, and how the answer's first line begins; b"" where the connection is only closed.
MALFORMED = {
    "no http": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", b"HTTP/1.1 400"),
    "no method": (b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400"),
    "old version": (b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", b"HTTP/1.1 400"),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", b"HTTP/1.1 400"),
    "length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 400"),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
    "huge length": (POST + b"Content-Length: 99999999999999999999\r\n\r\n", b"HTTP/1.1 4"),
    "too long a body": (POST + b"Content-Length: 10485760\r\n\r\n", b"HTTP/1.1 413"),
    "bad chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400"),
    "header without colon": (b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n", b"HTTP/1.1 400"),
    "header without end": (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 200000, b"HTTP/1.1 4"),
    "zero in a header": (b"GET /healthz HTTP/1.1\r\nX: a\0b\r\n\r\n", b"HTTP/1.1 400"),
    "zero in a path": (b"GET /api/schedules/a%00b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 4"),
    "bad escape": (b"GET /api/schedules/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 4"),
    "no utf-8": (POST + b"Connection: close\r\nContent-Length: 19\r\n\r\n{\"userId\":\"\xff\xfe\xfd\xfc\xfb\"} ", b"HTTP/1.1 400"),
    "deep json": (POST + b"Connection: close\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100000, b"HTTP/1.1 400"),
    "half a body": (POST + b"Content-Length: 50\r\n\r\n{\"userId\":", b""),
}


# What is not HTTP gets an answer or a closed connection; the next client is served, and nothing was journaled.
def test_malformed_http(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    entries = engine.status()["entries"]
    for name, (data, begins) in MALFORMED.items():
        answer = raw(engine, data, half_close=not begins)
        assert answer.startswith(begins) and (begins or not answer), (name, answer[:200])
        assert engine.get("/healthz").status == 200, name
    assert engine.status()["entries"] == entries and engine.running
    assert engine.stop() == 0


# Pipelined requests are answered in their order, also when a bad one ends them.
def test_pipelining(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    body = b'{"userId":"kim","amount":1000}'
    one = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = raw(engine, one * 50 + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"rubbish\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 51 and answer.count(b"HTTP/1.1 400") == 1
    balances = [int(part.split(b",")[0].split(b"}")[0]) for part in answer.split(b'"balance":')[1:]]
    assert balances == [1000 * n for n in range(1, 51)]


# Clients that vanish before their answer do no harm: their commands count once, the others are served.
def test_clients_that_vanish(engine, ledgerline):
    user = rich(engine, 1000)
    body = b'{"userId":"%s","amount":1000}' % user.encode()

    def vanish(number):
        for turn in range(20):
            with socket.create_connection((engine.host, engine.port)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, not closed
                key = b"Idempotency-Key: gone-%d-%d\r\n" % (number, turn)
                sock.sendall(POST + key + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    threads = [threading.Thread(target=vanish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [f"gone-{number}-{turn}" for number in range(4) for turn in range(20)]
    for key in keys:  # those that were lost with their connection come now
        assert engine.post("/api/points/charge", {"userId": user, "amount": 1000}, key=key).status == 200
    check(engine, ledgerline, [user], charged=81000)
