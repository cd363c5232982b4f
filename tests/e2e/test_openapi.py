"""docs/openapi.yaml is what the server does: each request of it, with each status and each code that it promises.

Beside this, every answer of every other test is held against it (contract.py). What is provoked here is counted: a status or a
code that the document promises and that no row leads to is a failure, as is one that the server gives and the document has not.
"""

import copy
import re
import threading
import time
import uuid

import answers
import contract as contracts
import lmdb
import msgpack
import pytest
import validators
from answers import AMOUNT_MAX, ROWS, Request, World, fresh, head, raw
from engine import Engine

BODIES = ("POST", "PUT", "PATCH")
@pytest.fixture(scope="module")
def seen():
    """What this file has led to."""
    return set()


@pytest.fixture
def record(contract, seen):
    """Hands on what was seen while a test ran."""
    contract.seen.clear()
    yield contract
    seen |= contract.seen


def is_command(contract, request):
    return any(p.get("$ref", "").endswith("Idempotency-Key") for p in dict(contract.operations())[request].get("parameters", []))


def requests(contract, wanted=lambda request: True):
    return [request for request, _ in contract.operations() if wanted(request)]


def reads(contract):
    return [r for r, o in contract.operations() if any(p.get("$ref", "").endswith("Min-Position") for p in o.get("parameters", []))]


def at_cuts(contract):
    """What is answered from the journal, at a cut."""
    return [r for r, o in contract.operations() if r.startswith("GET /api/audit/") and "/history/" not in r]


# ---- the document ----


# It is a document of OpenAPI 3.1, and its examples are what its schemas say.
def test_document(contract):
    assert not (wrong := validators.check_document(contracts.DOCUMENT)), wrong
    examples = 0
    for request, operation in contract.operations():
        parts = list(operation["responses"].values()) + ([operation["requestBody"]] if "requestBody" in operation else [])
        for part in parts:
            for content in contract.resolve(part).get("content", {}).values():
                shown = [e["value"] for e in content.get("examples", {}).values()]
                for value in shown + ([content["example"]] if "example" in content else []):
                    assert not (faults := contract.faults(content["schema"], value)), (request, value, faults)
                    examples += 1
    assert examples > 400


# It has each route of the engine's API, and no other.
def test_routes(contract):
    api = contracts.DOCUMENT.parents[1] / "engine" / "api"
    routes = set(re.findall(r'HTTP_VERB_(\w+),\s*(?:\.pattern = )?"(/[^"]*)"', (api / "routes.c").read_text()))
    routes |= {("GET", path) for path in re.findall(r'^\t{"(/[^"]*)",', (api / "reads.c").read_text(), re.M)}
    assert len(routes) > 30
    assert {f"{verb} {path}" for verb, path in routes if not path.startswith(contracts.NO_API)} == set(requests(contract))


# All objects are closed: what is not described is an error.
def test_objects_are_closed(contract):
    def walk(schema, place):
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "oneOf" not in schema:
                assert schema.get("additionalProperties") is False, place
            for name, inner in schema.items():
                walk(inner, f"{place}/{name}")
        elif isinstance(schema, list):
            for index, inner in enumerate(schema):
                walk(inner, f"{place}/{index}")

    walk(contract.document["components"]["schemas"], "schemas")
    walk(contract.document["paths"], "paths")


# The witness sees a field, a code, a status, a header and a type that the document does not have.
@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["components"]["schemas"]["Charged"]["properties"].pop("lotId"),
        lambda d: d["components"]["schemas"]["Charged"]["required"].append("colour"),
        lambda d: d["components"]["schemas"]["Charged"]["properties"].update(balance={"type": "string"}),
        lambda d: d["paths"]["/api/points/charge"]["post"]["responses"].pop("200"),
        lambda d: d["paths"]["/api/points/charge"]["post"]["responses"]["200"]["headers"].pop("Ledger-Position"),
        lambda d: d["paths"]["/api/points/charge"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"].pop("amount"),
        lambda d: d["paths"].pop("/api/points/charge"),
    ],
)
def test_witness_sees(contract, engines, tmp_path, spoil):
    reply = engines(tmp_path / "data").start().post("/api/points/charge", {"userId": "kim", "amount": 1000})
    other = contracts.Contract()
    sent = ("POST", "/api/points/charge", {}, '{"userId":"kim","amount":1000}', reply)
    other.check(*sent)
    spoiled = contracts.Contract()
    spoiled.document = copy.deepcopy(other.document)
    spoil(spoiled.document)
    spoiled.routes = [route for route in spoiled.routes if route[0] in spoiled.document["paths"]]
    with pytest.raises(contracts.Broken):
        spoiled.check(*sent)


# ---- what one engine answers ----


def half(engine, request):
    """Begins a request whose body never comes; it is answered when the engine has waited for 30 seconds."""
    method, path = request.split(" ")
    path = re.sub(r"{\w+}", "x", path)
    return raw(engine, method, path, head(method, path, "Content-Length: 50") + b"{", later=True)


@pytest.fixture(scope="module")
def world(binary, tmp_path_factory):
    engine = Engine(binary, tmp_path_factory.mktemp("openapi") / "data").start()
    world = World(engine)
    world.halves = [half(engine, request) for request in requests(contracts.Contract()) if request.startswith(BODIES)]
    yield world
    engine.kill()


# Every request succeeds, as GET, as a repetition, as msgpack.
def test_successes(record, world):
    for request in requests(record):
        made, key = world.good(request), fresh("key")
        reply = made.send(world.engine, key=key if is_command(record, request) else None)
        # One engine alone has nobody to hand over to; test_follower has.
        assert reply.status < 300 or request == "POST /api/admin/handover", (request, reply)
        if is_command(record, request) and request != "POST /api/commands":
            again = made.send(world.engine, key=key)
            assert (again.status, again.body) == (reply.status, reply.body) and again.headers["Idempotency-Hit"] == "true"
        if request.startswith("GET"):
            shown = world.engine.http("HEAD", made.path, headers=made.headers)
            assert (shown.status, shown.body) == (200, b"")
    name, user = world.schedule(), fresh("user")
    for path, body in ((f"/api/admin/schedules/{name}/cancel", {"reason": "rain"}), ("/api/queue/token", {"userId": user})):
        world.must("POST", path, body)
        assert world.engine.post(path, body).status == 200
    both = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    packed = msgpack.packb([{"type": "user.register", "userId": fresh("user")}])
    assert world.engine.post("/api/commands", packed, headers=both).status == 200
    gone = world.paid()
    world.must("POST", f"/api/payments/{gone[1]['paymentId']}/cancel")
    assert world.must("GET", f"/api/payments/{gone[1]['paymentId']}")["status"] == "CANCELLED"


# Every refusal and rejection that has a row of its own.
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0].replace(' ', '')}:{row[1]}")
def test_codes(record, world, row):
    request, code = row
    reply = ROWS[row](world)
    assert reply.code == code, reply
    assert (request, reply.status, code) in record.seen


# What every request may be answered: a bad query, a URL, headers, a body, a type, an expectation, a key, a wait, too much.
def test_what_all_have(record, world):
    engine = world.engine
    bound = fresh("key")
    world.must("POST", "/api/points/charge", {"userId": "kim", "amount": 1000}, key=bound)
    late = {"Ledger-Min-Position": "0:999999999", "Ledger-Wait-Seconds": "0"}
    for request in requests(record):
        made = world.good(request)
        mark = "&" if "?" in made.path else "?"

        def ask(path="", body=made.body, **options):
            reply = engine.http(made.method, made.path + path, body, **{"headers": made.headers, **options})
            return reply.status, reply.code

        assert ask(f"{mark}x=1") == (400, "VALIDATION_ERROR")
        assert ask(f"{mark}x=" + "1" * 9000) == (414, "URI_TOO_LONG")
        assert ask(headers={"X": "1" * 20000}) == (431, "HEADERS_TOO_LARGE")
        if made.method in BODIES:
            assert ask(body="{}", headers={"Content-Type": "text/plain"}) == (415, "UNSUPPORTED_MEDIA_TYPE")
            assert raw(engine, made.method, made.path, head(made.method, made.path, "Content-Length: 9000000")).code == "BODY_TOO_LARGE"
            lines = ("Content-Length: 2", "Content-Type: application/json", "Expect: miracles")
            assert raw(engine, made.method, made.path, head(made.method, made.path, *lines) + b"{}").code == "EXPECTATION_FAILED"
        if is_command(record, request) and request != "POST /api/commands":
            assert ask(key=bound) == (422, "IDEMPOTENCY_KEY_REUSED")
        if request in reads(record):
            assert ask(headers={**made.headers, **late}) == (504, "POSITION_NOT_REACHED")
    for path in ("/", "/api", "/api/points/charge/", "/api//points/charge", "/api/schedules/", "/API/concerts"):
        assert engine.get(path).code == "NOT_FOUND", path
    assert engine.http("PUT", "/api/points/charge", {}).headers["Allow"] == "POST"
    assert engine.get("/api/schedules/%zz").status == 400


# Sums that would leave int64: 1,024 accounts with as much as one can hold.
def test_ledger_limits(record, engines, tmp_path):
    world = World(engines(tmp_path / "data").start())
    world.must("PUT", "/api/admin/policies", {"chargeMax": AMOUNT_MAX})

    def all_of(kind):
        commands = [{"type": kind, "userId": f"rich-{n}", "amount": AMOUNT_MAX} for n in range(1024)]
        receipts = world.engine.command(*commands[:1000]) + world.engine.command(*commands[1000:])
        assert all(receipt["status"] == 200 for receipt in receipts)
        return receipts[0]["body"]

    def limit(path, **body):
        reply = world.engine.post(path, body)
        assert (reply.status, reply.code) == (422, "LEDGER_LIMIT"), reply

    all_of("points.charge")
    limit("/api/points/charge", userId="kim", amount=2000)
    limit("/api/admin/points/adjust", userId="kim", amount=2000, **answers.ADJUST)
    use = all_of("points.use")["useId"]
    world.must("POST", "/api/points/refund", {"useId": use})
    limit("/api/points/use", userId="rich-0", amount=2000)
    hold = world.must("POST", "/api/points/holds", {"userId": "rich-0", "amount": 2000})["holdId"]
    limit(f"/api/points/holds/{hold}/capture")
    seat = {"scheduleId": world.schedule(price=2000), "userId": "rich-0", "seatNo": 1}
    reservation = world.must("POST", "/api/reservations", seat)["reservationId"]
    limit("/api/payments", reservationId=reservation, userId="rich-0")


# ---- engines that are not well ----


def spoil(data, projection, tables, value=lambda old: b"\xc1"):
    """Puts other bytes into every row of some tables of a projection that nobody has open."""
    place = next((data / "projections" / projection).glob("current"))
    with lmdb.open(str(place), max_dbs=64, map_size=1 << 30) as environment:
        for name in tables:
            table = environment.open_db(name.encode(), create=False)
            with environment.begin(write=True) as txn:
                for key, old in list(txn.cursor(table)):
                    txn.put(key, value(old), db=table)


# Rows that cannot be read: 500 to who asks for them; and a projection that stops tells it in the engine's health.
def test_spoiled_rows(record, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    world = World(engine)
    asked = [world.good(request) for request in reads(record) if request not in at_cuts(record)]
    by_day = Request("GET", f"/api/concerts/seats?concertId={world.concert()}&date=2031-01-01")
    assert engine.stop() == 0
    spoil(engine.data, "balances", ["accounts"])
    spoil(engine.data, "seats", ["concerts", "schedules", "seats", "reservations", "payments"])
    spoil(engine.data, "queue", ["tokens"])
    spoil(engine.data, "rankings", ["ranked"])
    spoil(engine.data, "history", ["account_history", "reservation_history", "seat_history"])
    spoil(engine.data, "receipts", ["receipts"])
    engine.start()
    for made in [*asked, by_day]:
        reply = made.send(engine)
        assert (reply.status, reply.code) == (500, "INTERNAL"), (made, reply)


def spoil_block(data, offset):
    """Damages the end of a block in the embedded journal."""
    with lmdb.open(str(data / "journal"), max_dbs=4, map_size=1 << 30) as environment:
        records = environment.open_db(b"records", create=False)
        with environment.begin(write=True) as txn:
            key = offset.to_bytes(8, "big")
            txn.put(key, txn.get(key, db=records)[:-20] + b"\xc1" * 20, db=records)


# A projection that stopped alone is told by the engine's health; an entry whose block is damaged has no receipt any more.
def test_stopped_projection(record, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    world = World(engine)
    name, key = world.schedule(), answers.received(world)
    cuts = [world.good(request) for request in at_cuts(record)]
    offset = engine.get(f"/api/receipts/{key}").json["offset"]
    world.paid(schedule=name)
    assert engine.stop() == 0
    spoil(engine.data, "rankings", ["ranked"])
    spoil_block(engine.data, offset)
    engine.start()
    lost = engine.get(f"/api/receipts/{key}")
    assert (lost.status, lost.code) == (503, "JOURNAL_UNAVAILABLE"), lost
    for made in cuts:
        past = made.send(engine)
        assert (past.status, past.code) == (500, "INTERNAL"), (made, past)
    closed = world.good("POST /api/admin/periods").send(engine)
    assert (closed.status, closed.code) == (500, "INTERNAL"), closed
    user = world.user(5000)
    world.must("POST", "/api/payments", {"reservationId": world.held(user, name, seat=2), "userId": user})
    for path in ("/healthz", "/readyz"):
        assert engine.wait_for(lambda: (reply := engine.get(path)).status == 503 and reply, path).json["reason"]
    assert engine.status()["projections"]["rankings"]["state"] == "stopped"


def commands_of(contract):
    return requests(contract, lambda request: is_command(contract, request))


# An engine that does not lead takes no command that another one has sent on, and says who does; and what engines of one journal ask
# of one another.
def test_follower(record, engines, kafka_url, tmp_path):
    first = engines(tmp_path / "one", kafka_url).start()
    made = {request: World(first).good(request) for request in commands_of(record)}
    alone = first.post("/api/admin/handover")
    assert (alone.status, alone.code) == (409, "NO_STANDBY")
    second = engines(tmp_path / "two", kafka_url).start()
    handed = first.wait_for(lambda: (reply := first.post("/api/admin/handover")).status == 200 and reply, "the other to lead")
    assert handed.json["leader"]["address"] == second.url and second.post("/api/admin/lead").status == 200
    told = first.post("/api/admin/handover")
    assert (told.status, told.code) == (503, "NOT_LEADER") and told.json["details"]["leader"] == second.url
    mirror = engines(tmp_path / "three", kafka_url).start("--follow").post("/api/admin/lead")
    assert (mirror.status, mirror.code) == (409, "NO_STANDBY")
    for request, one in made.items():
        reply = one.send(first, Ledger_Forwarded="1")
        assert (reply.status, reply.code) == (503, "NOT_LEADER") and reply.json["details"]["leader"], (request, reply)
    period = World(first).good("POST /api/admin/periods")
    reply = period.send(first, Ledger_Forwarded="1")
    assert (reply.status, reply.code) == (503, "NOT_LEADER"), reply
    second.pause()  # many commands at once have no key that all go by: who has sent them on does not do so twice
    lost = []
    threads = [threading.Thread(target=lambda one=one: lost.append(one.send(first))) for one in (made["POST /api/commands"], period)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.status, one.code) for one in lost] == [(503, "OUTCOME_UNKNOWN")] * 2, lost
    second.resume()


# While the brokers stand still: what is under way may have been taken, what waits was not, and too much is not even let in.
def test_brokers_that_stand_still(record, kafka_cluster, engines, ledgerline, tmp_path):
    cluster = kafka_cluster()
    url = f"kafka://{cluster.bootstrap}/still-{uuid.uuid4().hex[:8]}"
    ledgerline("journal", "create", url, check=0)
    engine = engines(tmp_path / "data", url).start()
    made = {request: World(engine).good(request) for request in commands_of(record)}
    replies, threads = {}, []

    def ask(name, request):
        def run():
            replies[name] = request.send(engine)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    fields = {request: World(engine).good(request) for request in made if request != "POST /api/commands"}
    period = World(engine).good("POST /api/admin/periods")
    cuts = {request: World(engine).good(request) for request in at_cuts(record)}
    cluster.node(1).pause()
    for request, one in cuts.items():
        ask(request, one)
    ask("period", period)
    replies["one block"] = answers.pipelined(engine, *fields.values(), later=True)
    time.sleep(0.5)
    for request, one in made.items():
        ask(request, one)
    time.sleep(0.5)
    flood = msgpack.packb([{"type": "points.charge", "userId": "lee", "amount": 1000}] * 10000)
    for _ in range(25):
        ask("flood", Request("POST", "/api/commands", flood, {"Content-Type": "application/msgpack"}))
    engine.wait_for(lambda: engine.status()["leader"]["waiting"] >= 200000, "a full queue")
    assert period.send(engine).code == "OVERLOADED"
    for request, one in made.items():
        reply = one.send(engine)
        assert (reply.status, reply.code) == (429, "OVERLOADED"), (request, reply)
    for thread in threads:
        thread.join()
    assert {reply.code for reply in replies["one block"]()} == {"OUTCOME_UNKNOWN"}
    for request in [*made, *cuts]:
        assert replies[request].code == "JOURNAL_UNAVAILABLE", (request, replies[request])
    cluster.node(1).resume()


# More questions about the past than may wait at once are not taken.
def test_many_cuts(record, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    world = World(engine)
    asked = [world.good(request) for request in at_cuts(record)]
    engine.command(*[{"type": "points.charge", "userId": f"user-{n}", "amount": 1000} for n in range(1000)])
    slow = [Request("GET", f"/api/audit/totals?at=0:{cut}") for cut in range(900, 900 + answers.WAITING_MAX)]
    replies = answers.pipelined(engine, *slow, *asked, *asked)
    assert [(reply.status, reply.code) for reply in replies[-len(asked) :]] == [(429, "OVERLOADED")] * len(asked)


# Requests that were not sent to their end: begun with the first test that wanted the world, and given up since.
def test_timeouts(record, world):
    for finish in world.halves:
        assert finish().code == "REQUEST_TIMEOUT"


# ---- nothing is left out ----


# All that the document promises was seen above: each request with each status, and with each code of it.
def test_whole_document(contract, seen, request, kafka):
    whole = {name for name in vars(request.module) if name.startswith("test_")}
    if whole - {item.originalname for item in request.session.items if item.module is request.module}:
        pytest.skip("only a part of this file was run")
    promised = contract.promised()
    assert not (missing := promised - seen), "\n".join(map(str, sorted(missing, key=str)))
    pairs = {(request, status) for request, status, _ in promised}
    print(f"{len(pairs)} pairs of request and status, {len(promised)} with their codes")
