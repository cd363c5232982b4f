"""Access keys: who may ask what, before anything else is looked at (docs/access.md)."""

import http.client
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import threading

import contract as contracts
import processes
import pytest
from answers import World
from engine import LISTENING, DidNotStart, run
from holders import FORM, ROLES, Holder, Keys, as_role


def answer_of(reply):
    return reply.status, reply.code


# ---- the file ----


# A line has name, role and an argon2id hash; the file is its owner's; a key is shown once and is nowhere else.
def test_file(binary, ledgerline, tmp_path):
    keys = Keys(binary, tmp_path / "keys").all_roles()
    keys.add("shop", "client", "--limit", "500")
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    lines = [line.split() for line in keys.path.read_text().splitlines() if not line.startswith("#")]
    assert [line[:2] for line in lines] == [[f"the-{role}", role] for role in ROLES] + [["shop", "client"]]
    assert all(line[2].startswith("$argon2id$v=19$m=19456,t=2,p=1$") for line in lines)
    assert lines[-1][4] == "limit=500"
    assert not any(FORM.match(key)[2] in keys.path.read_text() for key in keys.of.values())
    shown = run(binary, "keys", "list", "--keys", keys.path, "--json", check=0).stdout
    assert '{"name":"shop","role":"client","limit":500}' in shown.replace(" ", "").replace("\n", "")
    assert not any(key in shown or FORM.match(key)[1] in shown for key in keys.of.values()) and "argon2" not in shown
    assert "shop" in run(binary, "keys", "list", "--keys", keys.path, check=0).stdout
    run(binary, "keys", "revoke", "shop", "--keys", keys.path, check=0)
    assert "shop" not in keys.path.read_text()
    keys.add("shop", "auditor")
    assert [p.name for p in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize(
    "arguments, status, says",
    [
        (("add", "the-client", "client"), 1, "has a key of the name the-client"),
        (("add", "x"), 2, "say the role"),
        (("add", "x", "king"), 2, "there is no role king"),
        (("add", "x", "client", "--role", "client"), 2, "given twice"),
        (("add", "no blanks", "client"), 2, "1 to 64 characters"),
        (("add", "x" * 65, "client"), 2, "1 to 64 characters"),
        (("add", "x", "client", "--limit", "-1"), 2, "limit"),
        (("revoke", "nobody"), 1, "has no key of the name nobody"),
    ],
)
def test_bad_commands(binary, keys, arguments, status, says):
    before = keys.path.read_text()
    done = run(binary, "keys", *arguments, "--keys", keys.path, check=status)
    assert says in done.stderr and keys.path.read_text() == before


HASH = "$argon2id$v=19$m=19456,t=2,p=1$QZyJdoykQFCNKkkvYtUavA$DMpSwQKTRYA0a7O4a7YoCQ73OgSQ1MVIfYNuCWxrTfg"


@pytest.mark.parametrize(
    "text, says",
    [
        ("a client", "line 1: it has not four or five words"),
        (f"\n# x\na client {HASH} id=0123456789abcdef limit=1 x", "line 3"),
        (f"a king {HASH} id=0123456789abcdef", "the role is none of"),
        (f"a! client {HASH} id=0123456789abcdef", "the name has other characters"),
        ("a client $argon2i$x id=0123456789abcdef", "the hash is none of argon2id"),
        (f"a client {HASH} id=0123", "the id is not 16"),
        (f"a client {HASH} id=0123456789abcdef limit=0", "the limit is not from 1"),
        (f"a client {HASH} id=0123456789abcdef limit=1000001", "the limit is not from 1"),
        (f"a client {HASH} id=0123456789abcdef\nb client {HASH} id=0123456789abcdef", "line 2: another line has"),
        (f"a client {HASH} id=0123456789abcdef\na client {HASH} id=0123456789abcdee", "line 2: another line has"),
        ("a\0b", "is no text"),
    ],
)
def test_bad_files(binary, engines, tmp_path, text, says):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    assert says in run(binary, "keys", "list", "--keys", path, check=3).stderr
    assert says in run(binary, "keys", "add", "x", "client", "--keys", path, check=3).stderr
    with pytest.raises(DidNotStart) as caught:
        engines(tmp_path / "data", options=("--keys", path)).start()
    assert caught.value.status == 3 and says in caught.value.err
    assert path.read_text() == text


def test_file_of_others(binary, engines, keys, tmp_path):
    keys.path.chmod(0o662)
    assert "others than its owner may write" in run(binary, "keys", "list", "--keys", keys.path, check=3).stderr
    with pytest.raises(DidNotStart):
        engines(tmp_path / "data", options=("--keys", keys.path)).start()
    with pytest.raises(DidNotStart) as caught:
        engines(tmp_path / "data", options=("--keys", tmp_path / "nowhere")).start()
    assert caught.value.status == 3 and "cannot read the keys" in caught.value.err


# Many at once: each line is there, none is lost.
def test_adding_at_once(binary, tmp_path):
    keys = Keys(binary, tmp_path / "keys")
    threads = [threading.Thread(target=keys.add, args=(f"n{n}", "client")) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(line.split()[0] for line in keys.path.read_text().splitlines()[1:]) == sorted(keys.of)


# ---- where it listens ----


def test_listening(binary, keys, tmp_path):
    everywhere = ("serve", "--data", tmp_path / "data", "--listen", "0.0.0.0:0")
    assert "loopback only" in run(binary, *everywhere, check=2).stderr
    process = processes.spawn([binary, *everywhere, "--keys", keys.path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        port = int(LISTENING.match(process.stdout.readline().decode().rstrip())[3])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/api/concerts")
        assert connection.getresponse().status == 401
        connection.close()
    finally:
        process.terminate()
        assert process.wait(60) == 0


# ---- who may ask ----


def mistaken(engine, key):
    """Every request with what a key can be wrong by: (what, headers)."""
    secret = FORM.match(key)[2]
    other = key[:-43] + ("A" if secret[0] != "A" else "B") + secret[1:]
    nobody = "ll_" + "0" * 16 + "_" + secret
    for wrong in (other, nobody, key[:-1], key + "A", key.upper(), "", "x", "x" * 5000, secret):
        yield {"X-Api-Key": wrong}


# Every route: without a key and with a wrong one 401, with one of another role 403, whatever else is wrong; with the right one neither.
def test_every_route(contract, engines, keys, tmp_path):
    engine = engines(tmp_path / "data", options=("--keys", keys.path)).start()
    world = World(as_role(engine, keys, "admin"))
    for request, operation in contract.operations():
        made, roles = world.good(request), operation["x-roles"] if "x-roles" in operation else []
        asked = [(made.path, made.body, made.headers or {}), (made.path + ("&" if "?" in made.path else "?") + "colour=1", "{", {"Content-Type": "text/plain"})]
        for path, body, headers in asked:
            body = None if request.startswith("GET") else body
            if not roles:
                assert engine.http(made.method, path, body, headers=headers).status != 401
                continue
            assert answer_of(engine.http(made.method, path, body, headers=headers)) == (401, "KEY_REQUIRED"), request
            for wrong in mistaken(engine, keys.of["the-client"]):
                reply = engine.http(made.method, path, body, headers={**headers, **wrong})
                assert answer_of(reply) == (401, "KEY_INVALID"), request
            for role in set(ROLES) - set(roles):
                reply = as_role(engine, keys, role).http(made.method, path, body, headers=headers)
                assert answer_of(reply) == (403, "FORBIDDEN"), (request, role)
        for role in roles:
            reply = as_role(engine, keys, role).http(made.method, made.path, made.body, headers=made.headers)
            assert reply.status not in (401, 403, 429), (request, role, reply)


# Paths and methods that are not there, too large bodies and other types are told to nobody without a key.
def test_before_everything(guarded, keys):
    client = as_role(guarded, keys, "client")
    for method, path, body, headers, code in (
        ("GET", "/nowhere", None, {}, "NOT_FOUND"),
        ("PUT", "/api/points/charge", {}, {}, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/schedules/%zz", None, {}, "VALIDATION_ERROR"),
        ("POST", "/api/points/charge", "x" * (1 << 21), {}, "BODY_TOO_LARGE"),
        ("POST", "/api/points/charge", "{", {"Content-Type": "text/plain"}, "UNSUPPORTED_MEDIA_TYPE"),
    ):
        for key in (None, "x"):
            reply = Holder(guarded, key).http(method, path, body, headers=headers)
            assert answer_of(reply) == (401, "KEY_INVALID" if key else "KEY_REQUIRED"), (path, reply)
            guarded.own.url = None  # a body that was too large ends its connection
        assert client.http(method, path, body, headers=headers).code == code
        guarded.own.url = None
    for path in ("/api/audit/totals", "/api/audit/accounts/kim", "/api/audit/diff?from=start&to=latest", "/api/audit/explain/x"):
        for role in ("client", "operator"):
            assert answer_of(as_role(guarded, keys, role).get(path)) == (403, "FORBIDDEN")
        assert as_role(guarded, keys, "auditor").get(path).status in (200, 404)
    twice = f"GET /api/concerts HTTP/1.1\r\nHost: x\r\nX-Api-Key: {client.key}\r\nX-Api-Key: {client.key}\r\n\r\n"
    with socket.create_connection((guarded.host, guarded.port), timeout=60) as sock:
        sock.sendall(twice.encode())
        assert b"KEY_INVALID" in sock.recv(4096)
    bearer = {"Authorization": f"Bearer {keys.of['the-operator']}"}
    assert guarded.get("/metrics", headers=bearer).status == 200
    assert guarded.get("/api/status", headers=bearer).code == "KEY_REQUIRED"


# ---- who acts ----


def test_actors(guarded, keys):
    client, admin = as_role(guarded, keys, "client"), as_role(guarded, keys, "admin")
    assert client.post("/api/points/charge", {"userId": "kim", "amount": 5000}).status == 200
    adjust = {"userId": "kim", "amount": 5, "reason": "mended", "approver": "lee"}
    assert admin.post("/api/admin/points/adjust", adjust).status == 200

    def outcome(who, type, actor=None, **fields):
        receipt = who.command({"type": type, **({"actor": actor} if actor else {}), **fields})
        return receipt["outcome"], receipt["body"].get("code")

    named = lambda type, id: {"type": type, "id": id}  # noqa: E731
    fine, no = ("accepted", None), ("rejected", "FORBIDDEN")
    use = {"userId": "kim", "amount": 1}
    assert outcome(client, "points.use", **use) == fine
    assert outcome(client, "points.use", named("user", "kim"), **use) == fine
    assert outcome(client, "points.use", named("admin", "kim"), **use) == no
    assert outcome(client, "points.use", named("system", "kim"), **use) == no
    assert outcome(client, "points.adjust", **adjust) == no
    assert outcome(client, "points.adjust", colour=1) == no
    assert outcome(client, "points.adjust", named("user", "kim"), **adjust) == no
    assert outcome(admin, "points.use", **use) == fine
    assert outcome(admin, "points.use", named("user", "kim"), **use) == fine
    assert outcome(admin, "points.use", named("system", "till"), **use) == fine
    assert outcome(admin, "points.use", named("admin", "somebody"), **use) == no
    assert outcome(admin, "points.adjust", **adjust) == fine
    assert outcome(admin, "points.adjust", named("admin", "the-admin"), **adjust) == fine
    assert outcome(admin, "points.adjust", named("admin", "somebody"), **adjust) == no
    assert outcome(admin, "points.adjust", named("user", "kim"), **adjust) == no
    entries = admin.get("/api/points/history?userId=kim&limit=100").json["entries"]
    actors = [(entry["type"], entry["actor"]["type"], entry["actor"]["id"]) for entry in reversed(entries)]
    assert actors == [
        ("point.charged", "user", "the-client"),
        ("point.adjusted", "admin", "the-admin"),
        ("point.used", "user", "the-client"),
        ("point.used", "user", "kim"),
        ("point.used", "admin", "the-admin"),
        ("point.used", "user", "kim"),
        ("point.used", "system", "till"),
        ("point.adjusted", "admin", "the-admin"),
        ("point.adjusted", "admin", "the-admin"),
    ]


# Each command of an administrator stands in the journal with the name of the key that sent it; who has closed a period is the key.
def test_audit_of_administrators(guarded, keys, ledgerline, tmp_path):
    admin = as_role(guarded, keys, "admin")
    world = World(admin)
    sent = {r for r, o in contracts.Contract().operations() if o.get("x-roles") == ["admin"] and o.get("x-command")}
    assert len(sent) == 8
    for request in sorted(sent):
        made = world.good(request)
        assert made.send(admin).status < 300, request
    assert admin.post("/api/admin/periods?name=2026&approver=boss&at=latest").status == 200
    assert guarded.stop() == 0
    lines = ledgerline("audit", "export", "--data", tmp_path / "data", "--format", "jsonl", "--json", check=None)
    text = lines.stdout or ledgerline("audit", "export", "--data", tmp_path / "data", check=0).stdout
    assert '"admin"' in text and '"the-admin"' in text and '"period.closed"' in text
    assert not re.search(r'"actor":\{"type":"admin","id":(?!"the-admin")', text.replace(" ", ""))


# ---- wrong keys, and many of them ----


# A thousand wrong, forged and revoked keys: none gets in, and each request of one who has a key is answered meanwhile.
def test_thousand_wrong(guarded, keys):
    keys.add("gone", "admin")
    run(keys.binary, "keys", "revoke", "gone", "--keys", keys.path, check=0)
    guarded.process.send_signal(signal.SIGHUP)
    client = as_role(guarded, keys, "client")
    assert client.get("/api/concerts").status == 200
    secret = FORM.match(keys.of["the-client"])[2]
    ids = [FORM.match(key)[1] for key in keys.of.values()]
    answered, let_in = [], []

    def attack(worker):
        for n in range(250):
            forged = f"ll_{ids[n % len(ids)]}_{n:06d}{worker}{secret[7:]}"
            reply = Holder(guarded, keys.of["gone"] if n % 50 == 0 else forged).post("/api/points/charge", {"userId": "kim", "amount": 5000})
            if reply.code not in ("KEY_INVALID", "OVERLOADED"):
                let_in.append(reply)
            answered.append(reply.status)

    workers = [threading.Thread(target=attack, args=(worker,)) for worker in range(4)]
    [worker.start() for worker in workers]
    served = 0
    while any(worker.is_alive() for worker in workers):
        assert client.get("/api/concerts").status == 200
        served += 1
    [worker.join() for worker in workers]
    assert len(answered) == 1000 and not let_in and served
    assert client.get("/api/points/balance?userId=kim").code == "USER_NOT_FOUND"
    text = as_role(guarded, keys, "auditor").get("/metrics").body.decode()
    assert 'ledgerline_access_denied_total{code="KEY_INVALID"}' in text
    # A line's own wrong keys do not keep its right one out for longer than they wait.
    assert as_role(guarded, keys, "operator").get("/api/status").status == 200


# The first requests of a key wait for its slow hash in their order; clients that go meanwhile take nothing with them.
def test_first_requests(guarded, keys):
    def request(name, amount):
        body = '{"userId":"kim","amount":%d}' % amount
        head = f"POST /api/points/charge HTTP/1.1\r\nHost: x\r\nX-Api-Key: {keys.of[name]}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def connect():
        return socket.create_connection((guarded.host, guarded.port), timeout=60)

    for _ in range(4):
        with connect() as gone:
            gone.sendall(b"GET /api/concerts HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + keys.of["the-auditor"].encode() + b"\r\n\r\n")
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with connect() as sock:
        sock.sendall(request("the-client", 5000) + request("the-client", 6000) + request("the-client", 7000))
        seen = b""
        while seen.count(b'"balance"') < 3:
            assert (more := sock.recv(65536)), seen
            seen += more
    assert [int(n) for n in re.findall(rb'"balance":(\d+)', seen)] == [5000, 11000, 18000]


# ---- while it runs ----


def test_reload(guarded, keys):
    def answer(name):
        return Holder(guarded, keys.of[name]).get("/api/concerts").status

    keys.add("later", "client")
    guarded.wait_for(lambda: answer("later") == 200, "the key to be known without a signal")
    run(keys.binary, "keys", "revoke", "later", "--keys", keys.path, check=0)
    guarded.process.send_signal(signal.SIGHUP)
    guarded.wait_for(lambda: answer("later") == 401, "the key to be revoked")
    kept = keys.path.read_text()
    keys.path.write_text("nonsense\n")
    guarded.wait_for(lambda: "access.keysNotRead" in guarded.errors(), "what is wrong with the file to be told")
    assert "line 1" in guarded.errors() and answer("the-client") == 200
    text = as_role(guarded, keys, "admin").get("/metrics").body.decode()
    assert "ledgerline_access_stale_info 1" in text
    os.unlink(keys.path)
    guarded.process.send_signal(signal.SIGHUP)
    assert answer("the-client") == 200
    keys.path.write_text(kept.replace("the-client client", "the-client auditor"))
    guarded.process.send_signal(signal.SIGHUP)
    guarded.wait_for(lambda: as_role(guarded, keys, "client").get("/api/audit/totals").status == 200, "another role")


# A limit is of commands: an array takes as many as it has, and may owe some, which the next one waits for.
def test_limit(engines, keys, tmp_path):
    keys.add("slow", "client", "--limit", "1")
    engine = engines(tmp_path / "data", options=("--keys", keys.path)).start()
    slow = Holder(engine, keys.of["slow"])
    many = [{"type": "points.charge", "userId": "kim", "amount": 5000}] * 1000
    assert slow.post("/api/commands", many).status == 200
    for path, body in (("/api/points/charge", many[0]), ("/api/commands", many), ("/api/commands", many[0])):
        reply = slow.post(path, body)
        assert answer_of(reply) == (429, "OVERLOADED") and reply.headers["Retry-After"], reply
    assert slow.get("/api/points/balance?userId=kim").json["balance"] == 5000 * 1000
    assert as_role(engine, keys, "client").command(many[0])["outcome"] == "accepted"


# ---- commands of the command line ----


def test_command_line(guarded, keys, ledgerline, tmp_path):
    line = '{"id":"a","type":"points.charge","userId":"kim","amount":5000}\n'
    admin, operator = keys.file_of("the-admin"), keys.file_of("the-operator")
    denied = ledgerline("load", "--url", guarded.url, stdin=line, check=3)
    assert "401 KEY_REQUIRED" in denied.stderr
    assert "accepted=1" in ledgerline("load", "--url", guarded.url, "--access-key", admin, stdin=line, check=0).stdout
    assert "accepted=0" in ledgerline("load", "--data", tmp_path / "data", "--access-key", admin, stdin=line, check=0).stdout
    assert "401" in ledgerline("status", "--url", guarded.url, check=3).stderr
    assert "leading" in ledgerline("status", "--url", guarded.url, "--access-key", operator, check=0).stdout
    bad = tmp_path / "bad.key"
    bad.write_text("ll_x\n")
    assert "is not one key" in ledgerline("status", "--url", guarded.url, "--access-key", bad, check=3).stderr
    assert "cannot read" in ledgerline("status", "--url", guarded.url, "--access-key", tmp_path / "no", check=3).stderr


# ---- nothing secret anywhere ----


def test_nothing_secret(guarded, keys, ledgerline, tmp_path):
    admin = as_role(guarded, keys, "admin")
    assert admin.post("/api/points/charge", {"userId": "kim", "amount": 5000}).status == 200
    wrong = keys.of["the-client"][:-1] + "-"
    Holder(guarded, wrong).get("/api/concerts")
    limits = open(f"/proc/{guarded.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0", limits)
    said = [admin.get(path).body.decode() for path in ("/api/status", "/metrics", "/api/points/history?userId=kim", "/api/leader")]
    said.append(ledgerline("status", "--url", guarded.url, "--json", "--access-key", keys.file_of("the-admin"), check=0).stdout)
    said += [ledgerline("keys", "list", "--keys", keys.path, "--json", check=0).stdout, "".join(guarded.out)]
    assert guarded.stop() == 0
    said.append(guarded.errors())
    files = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file() and not path.is_symlink()]
    assert files and len(said) == 8
    for key in [*keys.of.values(), wrong]:
        secret = FORM.match(key)[2]
        assert not any(secret in text for text in said)
        assert not any(secret.encode() in content for content in files + [keys.path.read_bytes()])
