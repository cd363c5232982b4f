"""HTTPS: who is trusted and who is not, what is no TLS, large and pipelined requests, certificates that change, engines among themselves.

Requests go through `ssl` of Python, over memory where a test says what lies in which piece on the wire.
"""

import contextlib
import json
import re
import shutil
import signal
import socket
import ssl
import uuid

import pytest
import wire
from certificates import Authority, Pair, make_key, openssl
from endpoint import Endpoint
from engine import DidNotStart, run
from holders import Keys, as_role
from test_failover import Fleet
from test_sink import Sink, event, produce

HERE = ("IP:127.0.0.1", "DNS:localhost")
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
CHARGE = {"userId": "kim", "amount": 5000}


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(ca):
    return ca.sign("engine", *HERE)


@pytest.fixture
def start(engines, ca, pair, tmp_path):
    def begin(*more, certificate=pair, name="data", url=None):
        engine = engines(tmp_path / name, url, [*certificate.options, *more])
        engine.tls = ca.context()
        return engine.start()

    return begin


class Wire:
    """A connection with TLS whose bytes a test carries itself."""

    def __init__(self, engine, context, host="127.0.0.1"):
        self.socket = socket.create_connection((engine.host, engine.port), timeout=60)
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inward, self.outward, server_hostname=host)

    def carry(self, piece=None):
        """Sends what TLS has to send, in pieces of so many bytes."""
        bytes_ = self.outward.read()
        for at in range(0, len(bytes_), piece or len(bytes_) or 1):
            self.socket.sendall(bytes_[at : at + (piece or len(bytes_))])

    def take(self):
        got = self.socket.recv(1 << 16)
        self.inward.write(got) if got else self.inward.write_eof()
        return bool(got)

    def until(self, step, piece=None):
        while True:
            try:
                done = step()
                self.carry(piece)
                return done
            except ssl.SSLWantReadError:
                self.carry(piece)
                self.take()

    def shake_hands(self, piece=None):
        self.until(self.tls.do_handshake, piece)
        return self

    def say(self, bytes_, piece=None):
        self.tls.write(bytes_)
        self.carry(piece)

    def hear_out(self):
        """All that comes until the other side says that no more will. ssl.SSLEOFError when it does not say so."""
        heard = bytearray()
        while True:
            try:
                more = self.until(lambda: self.tls.read(1 << 16))
            except ssl.SSLZeroReturnError:
                return heard
            if not more:
                return heard
            heard += more


def raw(engine, bytes_):
    """What comes back until the end, of what was sent without TLS."""
    with socket.create_connection((engine.host, engine.port), timeout=60) as there:
        there.sendall(bytes_)
        there.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: there.recv(1 << 16), b""))


# Health, metrics, console, commands: all as without; TLS 1.2 and 1.3; HTTP/1.1 is agreed upon; the log has no byte of the key.
def test_serves(start, ca, pair, ledgerline):
    engine = start()
    assert engine.url.startswith("https://")
    assert [engine.get(path).status for path in ("/healthz", "/readyz", "/console", "/metrics")] == [200] * 4
    assert engine.post("/api/points/charge", CHARGE).json["balance"] == 5000
    metrics = engine.metrics()
    assert metrics["ledgerline_http_tls_failures_total"] == 0 and metrics["ledgerline_http_tls_valid_until_seconds"] > 1e9
    for version, protocols, chosen in (
        (ssl.TLSVersion.TLSv1_2, ["h2", "http/1.1"], "http/1.1"),
        (ssl.TLSVersion.TLSv1_3, ["http/1.1"], "http/1.1"),
        (ssl.TLSVersion.TLSv1_3, None, None),
    ):
        context = ca.context()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(protocols) if protocols else None
        there = Wire(engine, context, "localhost").shake_hands()
        assert there.tls.selected_alpn_protocol() == chosen
        there.say(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert there.hear_out().startswith(b"HTTP/1.1 200 ")
    context = ca.context()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        Wire(engine, context).shake_hands()
    ledgerline("status", "--url", engine.url, "--tls-ca", ca.file, check=0)
    secret = pair.key.read_text().splitlines()[1:-1]
    assert secret and not any(line in engine.errors() for line in secret)


# Whoever asks an engine by a command trusts no stranger, no expired certificate and no other host's; nothing is sent then, not even the key.
@pytest.mark.parametrize(
    "what, reason",
    [
        ("stranger", "unable to get local issuer"),
        ("expired", "certificate has expired"),
        ("elsewhere", "IP address mismatch"),
        ("plain", "wrong version number"),
    ],
)
def test_not_trusted(start, engines, ca, pair, ledgerline, tmp_path, what, reason):
    shown = {
        "expired": lambda: ca.sign("expired", *HERE, days=-1),
        "elsewhere": lambda: ca.sign("elsewhere", "DNS:elsewhere.example", "IP:127.0.0.2"),
    }.get(what, lambda: pair)()
    engine = engines(tmp_path / "data").start() if what == "plain" else start(certificate=shown)
    trusted = Authority(tmp_path / "other", "stranger").file if what == "stranger" else ca.file
    key = tmp_path / "key"
    key.write_text("ll_" + "0" * 16 + "_" + "x" * 43)
    url = engine.url.replace("http:", "https:")
    for command in (["status", "--url", url], ["load", "--url", url], ["audit", "close", "--url", url, "--name", "a", "--approver", "b", "--at", "start"]):
        done = ledgerline(*command, "--tls-ca", trusted, "--access-key", key, stdin='{"id":"1","type":"points.charge","userId":"u","amount":5000}\n')
        assert done.returncode == 3 and reason in done.stderr and "nothing was sent" in done.stderr, done
    if what == "expired":
        assert "tls.expired" in engine.errors()


# A pair that cannot be used ends the start, and says which file and why.
@pytest.mark.parametrize(
    "certificate, key, status, said",
    [
        ("gone", "good", 3, "gone: the file of the certificate cannot be read: No such file"),
        ("good", "gone", 3, "gone: the file of the key cannot be read: No such file"),
        ("folder", "good", 3, "cannot be read: Is a directory"),
        ("empty", "good", 3, "is empty"),
        ("garbage", "good", 3, "garbage is no certificate in PEM"),
        ("good", "garbage", 3, "garbage is no private key in PEM"),
        ("good", "cut", 3, "cut is no private key in PEM"),
        ("good", "other", 3, "is not the one of the certificate"),
        ("good", "rsa", 3, "is not the one of the certificate"),
        ("good", "locked", 3, "has a passphrase"),
        ("good", None, 2, "give --tls-key too"),
        (None, "good", 2, "give --tls-cert too"),
    ],
)
def test_bad_pair(engines, pair, tmp_path, certificate, key, status, said):
    place = tmp_path / "files"
    (place / "folder").mkdir(parents=True)
    (place / "garbage").write_bytes(bytes(range(256)))
    (place / "empty").touch()
    (place / "cut").write_text(pair.key.read_text()[:80])
    shutil.copy(pair.certificate, place / "good.certificate")
    shutil.copy(pair.key, place / "good.key")
    make_key(place / "other")
    openssl("genrsa", "-out", place / "rsa", "2048")
    openssl("pkcs8", "-topk8", "-in", pair.key, "-out", place / "locked", "-passout", "pass:secret")
    options = []
    for name, file in (("certificate", certificate), ("key", key)):
        if file:
            options += ["--tls-cert" if name == "certificate" else "--tls-key", place / (f"good.{name}" if file == "good" else file)]
    with pytest.raises(DidNotStart) as caught:
        engines(tmp_path / "data", options=options).start()
    assert caught.value.status == status and said in caught.value.err, caught.value.err
    assert not any(line in caught.value.err for line in pair.key.read_text().splitlines()[1:-1])


def test_bad_ca(engines, pair, ledgerline, tmp_path):
    for file, said in ((tmp_path / "gone", "cannot be read"), (pair.key, "has no certificate of a CA in PEM")):
        with pytest.raises(DidNotStart) as caught:
            engines(tmp_path / "data", options=["--tls-ca", file]).start()
        assert caught.value.status == 3 and said in caught.value.err
        done = ledgerline("status", "--url", "https://127.0.0.1:1", "--tls-ca", file, check=3)
        assert said in done.stderr


# HTTP without TLS is told so in its own language; anything else gets an alert, or nothing; and the engine goes on.
def test_no_handshake(start, ca):
    engine = start()
    assert raw(engine, HEALTH).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert raw(engine, b"DELETE /api/queue/token HTTP/1.1\r\nHost: here\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 300000).startswith(b"HTTP/1.1 400 ")
    hello = Wire(engine, ca.context())
    with pytest.raises(ssl.SSLWantReadError):
        hello.tls.do_handshake()
    first = hello.outward.read()
    hello.socket.close()
    for garbage in (b"\x00" * 100, b"\x16" * 100, b"\xff\x00\x7f", b"\x16\x03\x01\xff\xff" + b"a" * 70000, first[:9] + b"\xff" * 200, b"\x15\x03\x03\x00\x02\x02\x28"):
        said = raw(engine, garbage)
        assert not said or said[:2] == b"\x15\x03", said
    for size in (0, 1, 5, len(first) // 2, len(first)):  # and then nothing more: it is not waited for
        raw(engine, first[:size])
    there = Wire(engine, ca.context()).shake_hands()
    there.say(HEALTH)
    there.socket.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a forged record
    with pytest.raises(ssl.SSLError):
        there.hear_out()
        there.hear_out()
    assert engine.get("/healthz").status == 200
    assert engine.metrics()["ledgerline_http_tls_failures_total"] >= 7
    engine.wait_for(lambda: engine.metrics()["ledgerline_http_connections"] == 1, "all others to be closed")


# Byte by byte, or all at once, and the end said in the same piece: each command is taken and answered, in order, also those that wait for
# room in the queue; and then the end is said.
@pytest.mark.parametrize("piece, count", [(1, 3), (7, 20), (None, 2000)])
def test_pieces(start, ca, piece, count):
    engine = start()
    there = Wire(engine, ca.context()).shake_hands(piece)
    body = json.dumps({"userId": "kim", "amount": 1000})
    there.tls.write(f"POST /api/points/charge HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode() * count)
    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
        there.tls.unwrap()
    there.carry(piece)
    heard = there.hear_out()
    assert heard.count(b"HTTP/1.1 200 OK\r\n") == count and heard.endswith(b"}")
    balances = [int(found) for found in re.findall(rb'"balance":(\d+)', heard)]
    assert balances == [1000 * (n + 1) for n in range(count)]


# 8 MiB there, and twice as much back to somebody who does not take it for a while; others are served meanwhile.
def test_large(start, ca):
    engine = start()
    seats = [{"seatNo": number, "price": 1000, "section": "s" * 40} for number in range(1, 10001)]
    assert engine.post("/api/admin/concerts", {"concertId": "c", "title": "t"}).status == 201
    schedule = {"scheduleId": "s", "concertId": "c", "concertDate": "2040-01-01", "seats": seats}
    body = json.dumps(schedule).encode()
    for size, status in (((8 << 20) + 1, b"413"), (8 << 20, b"201")):  # not by engine.post: to hold 8 MiB against the document takes long
        there = Wire(engine, ca.context()).shake_hands()
        head = f"POST /api/admin/schedules HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        there.say(head.encode() + body + b" " * (size - len(body)))
        assert there.hear_out()[9:12] == status
    there = Wire(engine, ca.context()).shake_hands()
    asks = b"GET /api/concerts/seats?scheduleId=s HTTP/1.1\r\nHost: here\r\n\r\n"
    there.say(asks * 15)
    assert [engine.get("/healthz").status for _ in range(50)] == [200] * 50
    there.say(asks.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    heard = there.hear_out()
    answers = [part.split(b"\r\n\r\n", 1)[1] for part in heard.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert len(answers) == 16 and len(heard) > 16 << 20 and len(json.loads(answers[0])["seats"]) == 10000
    assert len({len(answer) for answer in answers[:-1]} | {len(answers[-1])}) == 1


def shown(engine, context):
    there = Wire(engine, context).shake_hands()
    return ssl.DER_cert_to_PEM_cert(there.tls.getpeercert(True))


# A new certificate is shown once SIGHUP was sent, to new connections; one that cannot be used is said so, and the old one stays.
def test_reload(start, ca, pair, tmp_path):
    place = Pair(tmp_path / "certificate", tmp_path / "key")

    def put(one):
        shutil.copy(one.certificate, place.certificate)
        shutil.copy(one.key, place.key)

    def reload(word):
        before = engine.errors().count(word)
        engine.process.send_signal(signal.SIGHUP)
        engine.wait_for(lambda: engine.errors().count(word) > before, f"another {word}")

    put(pair)
    engine = start(certificate=place)
    old, new = pair.certificate.read_text(), ca.sign("new", *HERE)
    kept = Wire(engine, ca.context()).shake_hands()
    assert shown(engine, ca.context()) == old
    shutil.copy(new.certificate, place.certificate)
    reload("tls.notRead")
    assert "is not the one of the certificate" in engine.errors() and shown(engine, ca.context()) == old
    place.key.unlink()
    reload("tls.notRead")
    assert shown(engine, ca.context()) == old
    put(new)
    reload("tls.read")
    assert shown(engine, ca.context()) == new.certificate.read_text()
    kept.say(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert kept.hear_out().startswith(b"HTTP/1.1 200 ")


# `load` finds the engine of its directory, and a period is closed through it.
def test_commands(start, ca, ledgerline):
    engine = start()
    lines = "".join(json.dumps({"id": f"c{n}", "type": "points.charge", "userId": f"u{n % 7}", "amount": 5000}) + "\n" for n in range(3000))
    for where in (["--data", engine.data], ["--url", engine.url.replace("127.0.0.1", "localhost")]):
        done = ledgerline("load", *where, "--tls-ca", ca.file, stdin=lines, check=0)
    assert "accepted=0 refused=0 repeated=3000" in done.stdout
    ledgerline("audit", "close", "--url", engine.url, "--tls-ca", ca.file, "--name", "p", "--approver", "lee", "--at", "latest", check=0)
    done = run(engine.binary, "status", "--url", engine.url, env={"SSL_CERT_FILE": str(ca.file)}, check=0)
    assert "leading" in done.stdout


# Three engines that know one another by https alone: commands sent on, the lead handed over, and one that trusts nobody says so and does
# not take the lead for that.
def test_engines_among_themselves(start, engines, ca, pair, kafka_url, tmp_path):
    keys = Keys(engines(tmp_path / "x").binary, tmp_path / "keys").all_roles()
    options = ("--tls-ca", ca.file, "--keys", keys.path, "--peer-key", keys.file_of("the-operator"))
    three = [start(*options, name=f"engine-{n}", url=kafka_url) for n in range(3)]
    fleet = Fleet([as_role(one, keys, "admin") for one in three])
    leader = fleet.leader()
    assert leader.get("/api/leader").json["leader"]["address"].startswith("https://")
    for n, one in enumerate(fleet.engines):
        reply = one.post("/api/points/charge", {"userId": "kim", "amount": 5000}, key=f"k{n}")
        assert reply.status == 200 and reply.json["balance"] == 5000 * (n + 1)
    body = json.dumps([{"id": f"b{n}", "type": "points.charge", "userId": "lee", "amount": 1000} for n in range(1000)])
    reply = fleet.others(leader)[0].post("/api/commands", body + " " * ((8 << 20) - len(body)))
    assert reply.status == 200 and all(one["outcome"] == "accepted" for one in reply.json)
    stranger = Authority(tmp_path / "other", "stranger").file
    lonely = engines(tmp_path / "lonely", kafka_url, [*pair.options, "--tls-ca", stranger, *options[2:], "--patience", "60000"])
    lonely.launch()
    lonely.wait_for(lambda: "peer.untrusted" in lonely.errors(), "a word about the leader's certificate")
    assert leader.get("/api/leader").json["leader"]["self"] and "standby.claims" not in lonely.errors()
    lonely.kill()
    leader.wait_for(lambda: leader.get("/api/status").json["leader"]["standbys"], "somebody to stand by")
    assert leader.stop() == 0
    leader.kill()
    fleet.leader(not_this=leader)
    assert fleet.get("/api/points/balance?userId=lee").json["balance"] == 1000 * 1000
    assert not any(key[-43:] in one.errors() for one in three for key in keys.of.values())


# A sink posts to https, once it trusts who is there; until then events wait.
def test_sink(binary, kafka, ca, pair, tmp_path):
    topic, endpoint = f"events-{uuid.uuid4().hex[:8]}", Endpoint(pair)
    wire.create_topic(kafka, topic, 1, 1, {})
    events = [event(number, "kim") for number in range(20)]
    produce(kafka, topic, events)
    stranger = Authority(tmp_path / "other", "stranger").file
    for trusted, word in ((stranger, "sink.endpoint.down"), (ca.file, None)):
        sink = Sink(binary, kafka, topic, endpoint.url, tmp_path, "g", "--tls-ca", trusted, "--back-off-max-ms", "100").start()
        try:
            sink.wait_for(lambda w=word: w in sink.errors() if w else len(endpoint.taken) == 20, "what becomes of events")
            assert word is None or (not endpoint.taken and "certificate" in sink.errors())
            assert sink.stop() == 0
        finally:
            sink.kill()
    endpoint.close()
    assert endpoint.taken == events
    gone = run(binary, "sink", "--from", f"kafka://{kafka}/{topic}", "--to", endpoint.url, "--group", "g", "--tls-ca", tmp_path / "gone")
    assert gone.returncode == 3 and "cannot be read" in gone.stderr
