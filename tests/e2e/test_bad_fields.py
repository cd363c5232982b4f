"""What cannot be a command is refused by name, everywhere alike, and leaves no trace.

Every field of every command is sent missing, null, of each wrong type, empty, too long and around each edge, to the command's own
path, as an element of /api/commands, and as msgpack. The rows follow from the description of the commands (bad_values.py): a
field that is added has its rows.
"""

import json
import re
import shutil

import bad_values
import msgpack
import pytest
from answers import Request, pipelined
from bad_values import COMMANDS, HEADERS, NOT_UTF8, PATHS, QUERIES, Row
from contract import DOCUMENT
from engine import Engine

CHUNK = 500


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad")
    engine = Engine(binary, directory / "data").start()
    yield engine
    engine.kill()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def token(server):
    """A waiting-room token that is one: for requests that must get past who may ask."""
    return server.post("/api/queue/token", {"userId": "waiting"}).json["token"]


@pytest.fixture
def unmoved(server, token):
    """Nothing that a test does is journaled."""
    before = server.status()["entries"]
    yield server
    assert server.status()["entries"] == before


def paths():
    """command -> (method, path, fields that do not stand in the body)"""
    import yaml

    document = yaml.load(DOCUMENT.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    found = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if command := operation.get("x-command"):
                elsewhere = [p["name"] for p in operation.get("parameters", []) if p.get("in") in ("path", "query")]
                elsewhere += ["queueToken"] if operation.get("security") == [{"queueToken": []}] else []
                found[command] = (method.upper(), path, elsewhere)
    return document, found


DOCUMENTED, OWN = paths()
EXTRA = bad_values.other_ways()


def told(body, field, label):
    """That an error's body names the field, and says why."""
    assert body["code"] == "VALIDATION_ERROR" and body["details"]["field"] == field, (label, field, body)
    assert body["details"]["reason"] and body["details"]["reason"] in body["message"], (label, body)


def is_forged(row):
    """Whether the row has a waiting-room token that is a text: who may ask comes before what is asked (docs/api.md)."""
    token = json.loads(row.object).get("queueToken") if row.field != "body" else None  # what cannot be read has none
    return isinstance(token, str) and token != ""


def refused(row, status, body):
    """That a bad row is answered as it must be."""
    if is_forged(row):
        assert (status, body["code"]) == (401, "TOKEN_INVALID"), (row.label, body)
        return
    assert status == 400, (row.label, row.body[:300], body)
    told(body, row.field, row.label)


def own_path(path, value="nobody"):
    return re.sub(r"{\w+}", value, path)


def own_request(command, row, key):
    method, path, elsewhere = OWN[command]
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return Request(method, own_path(path), row.object, headers)


def ask(engine, request):
    return engine.http(request.method, request.path, request.body, headers=request.headers)


def body_rows(command):
    """Those that can be sent to the command's own path."""
    method, _, elsewhere = OWN[command]
    if method == "DELETE":
        return [], []
    return bad_values.rows(command, elsewhere) + [r for r in EXTRA.get(command, []) if r.field != "body"], bad_values.doubles(command, elsewhere)


# ---- fields ----


# To its own path: 400, the field by its name, and the key stays free.
@pytest.mark.parametrize("command", COMMANDS)
def test_own_path(unmoved, command):
    rows, doubles = body_rows(command)
    for row in rows + doubles + [r for r in EXTRA.get(command, []) if r.field == "body"]:
        reply = ask(unmoved, own_request(command, row, "bad"))
        refused(row, reply.status, reply.json)
    assert unmoved.get("/api/receipts/bad").status == 404


# As elements of an array: each by itself, in its place; where a name stands twice, the whole is no JSON that is taken.
@pytest.mark.parametrize("command", COMMANDS)
def test_element(unmoved, command):
    rows = bad_values.rows(command) + [r for r in EXTRA.get(command, []) if r.field != "body"]
    small = [row for row in rows if len(row.body) < 20000]
    chunks = [small[at : at + CHUNK] for at in range(0, len(small), CHUNK)] + [[row] for row in rows if len(row.body) >= 20000]
    for chunk in chunks:
        elements = [row.element(command, f"bad-{n}") for n, row in enumerate(chunk)]
        reply = unmoved.post("/api/commands", "[" + ",".join(elements) + "]", headers={"Content-Type": "application/json"})
        assert reply.status == 200, (command, reply)
        for n, (row, receipt) in enumerate(zip(chunk, reply.json)):
            assert (receipt["commandId"], receipt["outcome"]) == (f"bad-{n}", "rejected"), (row.label, receipt)
            refused(row, receipt["status"], receipt["body"])
    for row in bad_values.doubles(command) + [r for r in EXTRA.get(command, []) if r.field == "body"]:
        for text in (row.element(command, "bad"), "[" + row.element(command, "bad") + "]"):
            reply = unmoved.post("/api/commands", text)
            assert reply.status == 400, (row.label, reply)
            told(reply.json, "body", row.label)


# As msgpack, where it can say the same.
@pytest.mark.parametrize("command", COMMANDS)
def test_msgpack(unmoved, command):
    rows, packed = [], []
    for row in bad_values.rows(command):
        if len(row.body) > 20000 or ":-0," in row.body + "," or re.search(r"[:\[,]-0[,}\]]", row.object):
            continue
        try:
            packed.append(msgpack.packb({"id": "bad", "type": command, **json.loads(row.object)}))
            rows.append(row)
        except (OverflowError, ValueError):
            continue  # a number that msgpack does not have
    assert len(rows) > 10
    head = b"\xdc" + len(rows).to_bytes(2, "big")
    reply = unmoved.post("/api/commands", head + b"".join(packed), headers={"Content-Type": "application/msgpack"})
    assert reply.status == 200, reply
    for row, receipt in zip(rows, reply.json, strict=True):
        assert receipt["outcome"] == "rejected", (row.label, receipt)
        refused(row, receipt["status"], receipt["body"])


# What is just right is no error of form: the least and the most of each field, null for what may be absent.
@pytest.mark.parametrize("command", COMMANDS)
def test_edges(engines, tmp_path, command):
    engine = engines(tmp_path / "data").start()
    apart = {"policy.set": {"chargeMin: most": "chargeMin"}}.get(command, {})
    for n, row in enumerate(bad_values.edges(command)):
        receipt = json.loads(engine.post("/api/commands", row.element(command, f"edge-{n}")).body)
        details = receipt["body"].get("details", {}) if receipt["status"] == 400 else {}
        if row.label in apart:
            assert details["field"] == apart[row.label]  # it is above chargeMax
        elif row.label.endswith(": null") and row.field in bad_values.AT_LEAST.get(command, {}):
            told(receipt["body"], "body", row.label)  # nothing is left to change
        else:
            assert (receipt["body"] or {}).get("code") != "VALIDATION_ERROR", (row.label, receipt)
    if apart:
        both = engine.http("PUT", "/api/admin/policies", {"chargeMin": 2**53 - 1, "chargeMax": 2**53 - 1})
        assert both.status == 200
        assert engine.http("PUT", "/api/admin/policies", {"chargeMin": 1, "chargeMax": 1}).status == 200


# ---- around the fields ----

AROUND = [
    ("id empty", {"id": ""}, "id"),
    ("id too long", {"id": "x" * 65}, "id"),
    ("id with a blank", {"id": "a b"}, "id"),
    ("id a number", {"id": 7}, "id"),
    ("id an array", {"id": ["x"]}, "id"),
    ("type missing", {"type": ...}, "type"),
    ("type null", {"type": None}, "type"),
    ("type a number", {"type": 10}, "type"),
    ("type empty", {"type": ""}, "type"),
    ("type unknown", {"type": "points.steal"}, "type"),
    ("type in capitals", {"type": "Points.Use"}, "type"),
    ("type an object", {"type": {}}, "type"),
    ("actor a string", {"actor": "kim"}, "actor"),
    ("actor an array", {"actor": []}, "actor"),
    ("actor empty", {"actor": {}}, "actor.type"),
    ("actor of no type", {"actor": {"id": "kim"}}, "actor.type"),
    ("actor's type null", {"actor": {"type": None, "id": "kim"}}, "actor.type"),
    ("actor's type unknown", {"actor": {"type": "root"}}, "actor.type"),
    ("actor's type a number", {"actor": {"type": 1}}, "actor.type"),
    ("actor's id empty", {"actor": {"type": "user", "id": ""}}, "actor.id"),
    ("actor's id with a blank", {"actor": {"type": "user", "id": "a b"}}, "actor.id"),
    ("actor's id too long", {"actor": {"type": "user", "id": "x" * 65}}, "actor.id"),
    ("actor's id a number", {"actor": {"type": "user", "id": 7}}, "actor.id"),
    ("actor has more", {"actor": {"type": "user", "id": "x", "name": None}}, "actor.name"),
]
NO_COMMANDS = [7, "x", None, True, [], [[]], 1.5]


# An element's id, type and actor, and what is no command at all.
def test_around_the_fields(unmoved):
    good = {"id": "bad", "type": "points.charge", "userId": "kim", "amount": 1000}
    elements = [{k: v for k, v in {**good, **change}.items() if v is not ...} for _, change, _ in AROUND] + NO_COMMANDS
    expected = [(label, field) for label, _, field in AROUND] + [(repr(one), "command") for one in NO_COMMANDS]
    for receipts in (unmoved.command(*elements), [unmoved.command(one) for one in elements[: len(AROUND)]]):
        for (label, field), receipt in zip(expected, receipts):
            assert (receipt["outcome"], receipt["status"]) == ("rejected", 400), (label, receipt)
            told(receipt["body"], field, label)
            assert receipt["commandId"] == ("bad" if field not in ("id", "command") else None), (label, receipt)


CHARGE = '"userId":"kim","amount":1000'
# Bodies that are no JSON that is taken. A name twice is one, at any depth; so is text that is no UTF-8 or stands alone.
NO_JSON = [
    "{", "}", "[", "nonsense", "'{}'", "{userId:1}", '{"userId":"kim",}', '{"userId":"kim" "amount":1}', '{"userId"}', '{"a":1}{}', "{} x", b"\xef\xbb\xbf{}",
    "{'userId':'kim'}", '{"amount":01}', '{"amount":+1}', '{"amount":.5}', '{"amount":1.}', '{"amount":0x10}', '{"amount":NaN}', '{"amount":Infinity}',
    '{"amount":1e}', '{"userId":"a\nb"}', '{"userId":"\\x41"}', '{"userId":"\\u12"}', '{"userId":"\\ud800"}', '{"userId":"\\udc00\\ud800"}', '{"userId":"a',
    '{"a":1/*x*/}', '{"a":tru}', '{"a":True}', '{"":1,"":2}', '{"x":{"a":1,"a":1}}', '{"x":[{"a":null,"a":null}]}',
    b'{"userId":"\xff"}', b'{"userId":"\xc0\x80"}', b'{"userId":"\xed\xa0\x80"}', b'{"userId":"\xf4\x90\x80\x80"}', b'{"\xff":1}', "{" + CHARGE + "}\0", "\0",
    "[" * 17 + "]" * 17, "[" * 100000, '{"a":' * 1000 + "1" + "}" * 1000,
]
NO_OBJECTS = ["[]", "7", '"x"', "null", "true", "[{}]", " [ ] ", "1.5"]


# Bodies that are no objects, on each path that takes one, and on /api/commands.
def test_bodies(unmoved):
    for command, (method, path, _) in OWN.items():
        if method == "DELETE":
            continue
        for body in NO_JSON + NO_OBJECTS:
            reply = unmoved.http(method, own_path(path), body, headers={"Content-Type": "application/json"})
            assert reply.status == 400, (command, body[:100], reply)
            told(reply.json, "body", (command, body[:100]))
    for body in NO_JSON + ["7", '"x"', "null", "true", "", " "]:
        reply = unmoved.post("/api/commands", body)
        assert reply.status == 400, (body[:100], reply)
        told(reply.json, "body", body[:100])
    for body in (b"", b"\xc1", b"\x81", b"\x81\xa1a", b"\x82\xa1a\x01\xa1a\x01", b"\x81\x01\x01", b"\x91", b"\xc7\x01\x01\x00", b"\xd9\x02\xff\xff", b"\xc0\xc0", b"\xdf\xff\xff\xff\xff"):
        reply = unmoved.post("/api/commands", body, headers={"Content-Type": "application/msgpack"})
        assert reply.status == 400, (body, reply)
        told(reply.json, "body", body)


# A field that comes with the path, the query or the token does not stand in the body as well.
def test_given_twice(unmoved):
    for command, (method, path, elsewhere) in OWN.items():
        for name in elsewhere:
            reply = unmoved.http(method, own_path(path), {**bad_values.whole(command, elsewhere), name: "nobody"}, headers={"Authorization": "Bearer x"})
            if reply.code == "TOKEN_INVALID":
                continue  # who may ask comes first
            told(reply.json, name, (command, name))


# ---- URLs and headers ----


def operations():
    for path, item in DOCUMENTED["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


# Path parameters: other characters, escapes, too long, empty, more than one.
def test_paths(unmoved):
    count = 0
    for method, path, operation in operations():
        body = bad_values.whole(operation["x-command"], OWN[operation["x-command"]][2]) if "requestBody" in operation and "x-command" in operation else None
        for name in re.findall(r"{(\w+)}", path):
            rest = path.replace("{seatNo}", "1") if name != "seatNo" else path.replace("{scheduleId}", "nobody")
            for segment, field in PATHS.items():
                reply = unmoved.http(method, rest.replace(f"{{{name}}}", segment), body)
                count += 1
                if field is None:
                    assert reply.status in (404, 405) and reply.code in ("NOT_FOUND", "METHOD_NOT_ALLOWED"), (path, segment, reply)
                else:
                    assert reply.status == 400, (path, segment, reply)
                    told(reply.json, field or name, (path, segment))
            for segment in (".", "..", "x" * 64, "a:b", "%61", "-"):
                reply = unmoved.http(method, rest.replace(f"{{{name}}}", segment), body)
                if name == "seatNo":
                    told(reply.json, name, (path, segment))
                else:
                    assert reply.status == 404 and reply.code not in ("NOT_FOUND",), (path, segment, reply)
    assert count > 200


FREE = {"approver": "text", "at": "cut"}  # parameters that are any text to the document
GOOD = {"userId": "nobody", "concertId": "nobody", "date": "2099-03-01", "limit": "1", "name": "2099", "approver": "a"}


def kind_of(schema, parameter=""):
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        return {"Id": "id", "Position": "position", "Day": "day", "Cut": "cut"}[name]
    return "integer" if schema["type"] == "integer" else FREE.get(parameter, "word")


# Query parameters: of each kind, given twice, unknown, without a value, not UTF-8.
def test_queries(unmoved, token):
    count = 0
    for method, path, operation in operations():
        query = [p for p in operation.get("parameters", []) if p.get("in") == "query"]
        body = [] if path == "/api/commands" else bad_values.whole(operation["x-command"], OWN[operation["x-command"]][2]) if "requestBody" in operation else None
        good = GOOD | {p["name"]: "latest" for p in query if p.get("required") and kind_of(p["schema"]) == "cut"}
        if path == "/api/concerts/seats":
            query = [p for p in query if p["name"] != "scheduleId"]

        def asked(extra, without=None):
            needed = "&".join(f"{p['name']}={good[p['name']]}" for p in query if p["name"] in good and p["name"] != without)
            return unmoved.http(method, f"{own_path(path)}?{needed}&{extra}", body, headers={"Authorization": f"Bearer {token}"})

        for p in query:
            name = p["name"]
            most = [str(p["schema"]["maximum"] + 1)] if kind_of(p["schema"]) == "integer" else []
            wrong = [f"{name}={value}" for value in QUERIES[kind_of(p["schema"], name)] + most + NOT_UTF8]
            for extra in [*wrong, name, f"{name}=1&{name}=1", f"%{ord(name[0]):02x}{name[1:]}="]:
                reply = asked(extra, without=name)
                count += 1
                assert reply.status == 400, (path, extra, reply)
                told(reply.json, name, (path, extra))
            if p.get("required"):
                told(asked("", without=name).json, name, path)
        for extra, field in (("x=1", "x"), ("x", "x"), ("X-Api-Key=1", "X-Api-Key"), ("%ff=1", "query"), ("=1", ""), ("a%20b=1", "a b"), ("userid=x", "userid")):
            reply = asked(extra)
            count += 1
            assert reply.status == 400, (path, extra, reply)
            told(reply.json, field, (path, extra))
    assert count > 400


# The one that takes three parameters: ways of naming a schedule that contradict one another or are not whole.
@pytest.mark.parametrize(
    "query, field",
    [
        ("", "scheduleId"), ("scheduleId=", "scheduleId"), ("scheduleId", "scheduleId"), ("scheduleId=a%20b", "scheduleId"), ("scheduleId=a&scheduleId=a", "scheduleId"),
        ("scheduleId=a&concertId=b", "scheduleId"), ("scheduleId=a&date=2099-03-01", "scheduleId"), ("concertId=a", "date"), ("date=2099-03-01", "concertId"),
        ("concertId=a&date=", "date"), ("concertId=&date=2099-03-01", "concertId"),
    ],
)
def test_seats_query(unmoved, query, field):
    reply = unmoved.get(f"/api/concerts/seats?{query}")
    assert reply.status == 400, reply
    told(reply.json, field, query)


# Headers of commands and reads; a key that stands twice.
def test_headers(unmoved, token):
    for method, path, operation in operations():
        names = [p["$ref"].rpartition("/")[2] for p in operation.get("parameters", []) if "$ref" in p]
        if path == "/api/commands":
            continue
        for name in names:
            for value in HEADERS[name]:
                body = bad_values.whole(operation["x-command"], OWN[operation["x-command"]][2]) if "requestBody" in operation else None
                reply = unmoved.http(method, own_path(path), body, headers={"Authorization": f"Bearer {token}", name: value.encode("utf-8")})
                assert reply.status == 400, (path, name, value, reply)
                told(reply.json, name, (path, name, value))
    twice = lambda name, value: {name: f"{value}\r\n{name}: {value}"}
    charge = {"userId": "kim", "amount": 1000}
    for request, name in (
        (Request("POST", "/api/points/charge", charge, twice("Idempotency-Key", "a")), "Idempotency-Key"),
        (Request("GET", "/api/concerts", None, twice("Ledger-Min-Position", "start")), "Ledger-Min-Position"),
        (Request("GET", "/api/concerts", None, twice("Ledger-Wait-Seconds", "1")), "Ledger-Wait-Seconds"),
    ):
        told(pipelined(unmoved, request)[0].json, name, "twice")
    element = {"type": "points.charge", **charge}
    for headers in (twice("Idempotency-Key", "a"), {"Idempotency-Key": "a b"}, {"Idempotency-Key": ""}):
        told(pipelined(unmoved, Request("POST", "/api/commands", element, headers))[0].json["body"], "Idempotency-Key", headers)
    receipt = pipelined(unmoved, Request("POST", "/api/commands", {"id": "b", **element}, {"Idempotency-Key": "a"}))[0].json
    told(receipt["body"], "Idempotency-Key", "two keys")
    for value, code in (("Bearer", "TOKEN_REQUIRED"), ("Bearer ", "TOKEN_REQUIRED"), ("Basic x", "TOKEN_REQUIRED"), ("", "TOKEN_REQUIRED"), ("Bearerx", "TOKEN_REQUIRED"),
                        ("Bearer x", "TOKEN_INVALID"), ("bearer   tok-1", "TOKEN_INVALID"), ("Bearer tok-1." + "0" * 32, "TOKEN_INVALID"), ("Bearer " + "x" * 9000, "TOKEN_INVALID")):
        for method, path in (("GET", "/api/queue/status"), ("DELETE", "/api/queue/token")):
            reply = unmoved.http(method, path, headers={"Authorization": value})
            assert (reply.status, reply.code) == (401, code), (value[:40], reply)
