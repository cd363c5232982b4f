"""Several engines on one Kafka journal: standing by, sending commands on, taking over, handing over, and leaders that come back
from the dead. Clients go on through all of it with their keys: nothing acknowledged is lost, nothing is done twice.

LEDGERLINE_ROUNDS=200 makes test_rounds a torture, on three brokers that die and stand still, too. How long there was no leader
is printed, and never judged: that is the machine's business.
"""

import http.client
import itertools
import os
import random
import signal
import statistics
import threading
import time
import uuid

import msgpack
import pytest
import wire
from answers import World, fresh
from crashing import Load
from world import balance, check, rich

ROUNDS = int(os.environ.get("LEDGERLINE_ROUNDS", 5))
TORTURE = "LEDGERLINE_ROUNDS" in os.environ


class Fleet:
    """Engines of one journal, as clients see them: each request goes to the next one, whatever it is."""

    def __init__(self, engines):
        self.engines, self.turn = list(engines), itertools.count()

    def http(self, *arguments, **options):
        for _ in self.engines:
            one = self.engines[next(self.turn) % len(self.engines)]
            if one.url:
                return one.http(*arguments, **options)
        raise ConnectionRefusedError("none of them listens")

    def post(self, path, body=None, **options):
        return self.http("POST", path, body, **options)

    def get(self, path, **options):
        return self.http("GET", path, **options)

    def alive(self):
        return [one for one in self.engines if one.url]

    def leading(self):
        """Those that say that they lead. A zombie says it too, until it has read on."""
        found = []
        for one in self.alive():
            try:
                if one.get("/api/leader").json["leader"]["self"]:
                    found.append(one)
            except (OSError, http.client.HTTPException):
                pass
        return found

    def leader(self, not_this=None):
        """Waits until one leads."""
        first = self.engines[0]
        try:
            return first.wait_for(lambda: next((one for one in self.leading() if one is not not_this), None), "a leader")
        except AssertionError as failure:
            raise AssertionError("\n".join([str(failure)[:200], *self.last_words()])) from None

    def last_words(self):
        return [f"{one.data.name} {one.url} {'runs' if one.running else 'is dead'}:\n{one.errors()[-3000:]}" for one in self.engines]

    def others(self, leader):
        return [one for one in self.alive() if one is not leader]


@pytest.fixture
def fleet(engines, kafka_url, tmp_path):
    def start(count=3, url=kafka_url, options=()):
        made = [engines(tmp_path / f"engine-{n}", url, options) for n in range(count)]
        for one in made:
            one.start()
        return Fleet(made)

    return start


def goes_on(fleet, load, count=30):
    before = load.answered
    fleet.engines[0].wait_for(lambda: load.alive() or load.answered >= before + count, "answers")


def settle(fleet):
    """Until every engine follows the same leader, or is it, and has read as far as it."""
    leader = fleet.leader()

    def same():
        seen = [one.status() for one in fleet.alive()]
        return len({(s["leader"]["epoch"], s["position"]) for s in seen}) == 1 and all(s["leader"]["known"] for s in seen)

    leader.wait_for(same, "all to follow one leader")
    return fleet.leader()


def agree(fleet, load, ledgerline):
    """What every test ends with: the log explains all answers, and every engine has the same state."""
    leader = settle(fleet)
    load.check(ledgerline, leader, sample=400)
    settle(fleet)
    for one in fleet.others(leader):
        for client in load.clients:
            path = f"/api/points/balance?userId={client.user}"
            assert one.get(path).body == leader.get(path).body
    for one in fleet.others(leader):
        assert one.stop() == 0
    assert leader.stop() == 0
    check_stopped(fleet, ledgerline)


def check_stopped(fleet, ledgerline):
    for one in fleet.engines:
        ledgerline("verify", "--data", one.data, check=0)


# ---- standing by ----


# Whoever is started beside a living leader stands by; its death makes another one lead; started anew, it stands by.
def test_standby(fleet, ledgerline):
    both = fleet(2)
    first, second = both.engines
    user = rich(first, 1000)
    told = second.status()["leader"]
    assert (told["self"], told["role"], told["state"], told["known"], told["address"]) == (False, "standby", "following", True, first.url)
    first.wait_for(lambda: first.status()["leader"]["standbys"] == [second.url], "the standby to be known")
    assert first.status()["leader"]["epoch"] == 1 and first.metrics()["ledgerline_standbys"] == 1
    assert second.get("/readyz").status == 200
    first.kill()
    second.wait_for(lambda: second.status()["leader"]["self"], "the standby to take over")
    assert second.status()["leader"]["takeovers"] == 1 and second.status()["leader"]["epoch"] == 2
    assert second.metrics()["ledgerline_takeovers_total"] == 1
    reply = second.post("/api/points/charge", {"userId": user, "amount": 1000})
    first.start()
    assert first.status()["leader"]["role"] == "standby" and first.status()["leader"]["address"] == second.url
    seen = first.get(f"/api/points/balance?userId={user}", headers={"Ledger-Min-Position": reply.position})
    assert (seen.status, seen.json["balance"]) == (200, 2000)
    check(second, ledgerline, [user], charged=2000)


# One that was told to follow never leads, and sends commands on; the journal without a leader is led by the next that may.
def test_follow(fleet, engines, kafka_url, tmp_path):
    leader = fleet(1).engines[0]
    mirror = engines(tmp_path / "mirror", kafka_url).start("--follow")
    user = rich(mirror, 1000)
    mirror.wait_for(lambda: mirror.status()["leader"]["known"] and mirror.get("/readyz").status == 200, "the leader to be seen")
    assert mirror.status()["leader"]["role"] == "follower" and leader.status()["leader"]["standbys"] == []
    leader.kill()
    mirror.wait_for(lambda: not mirror.status()["leader"]["known"], "the leader to be missed")
    assert mirror.get("/readyz").status == 503 and mirror.metrics()["ledgerline_leader_known_info"] == 0
    reply = mirror.post("/api/points/charge", {"userId": user, "amount": 1000}, key="nobody")
    assert (reply.status, reply.code, reply.headers["Idempotency-Key"]) == (503, "NOT_LEADER", "nobody") and reply.headers["Retry-After"]
    assert balance(mirror, user)["balance"] == 1000 and mirror.status()["leader"]["epoch"] == 1
    assert mirror.stop() == 0 and balance(mirror.start("--follow"), user)["balance"] == 1000  # reads need no leader
    assert not mirror.status()["leader"]["known"]
    leader.start()
    mirror.wait_for(lambda: mirror.status()["leader"]["known"], "the leader to be seen again")
    assert mirror.post("/api/points/charge", {"userId": user, "amount": 1000}, key="nobody").status == 200


# Two that are started at once on a journal that nobody has led: in the end one leads, the other stands by.
def test_started_at_once(engines, kafka_url, tmp_path, ledgerline):
    both = Fleet([engines(tmp_path / name, kafka_url) for name in ("one", "two")])
    for _ in range(3):
        for one in both.engines:
            one.launch()
        for one in both.engines:
            one.await_listening()
        leader = settle(both)
        assert len(both.leading()) == 1 and both.others(leader)[0].status()["leader"]["role"] == "standby"
        assert both.post("/api/points/charge", {"userId": "kim", "amount": 1000}).status == 200
        for one in both.engines:
            one.kill()
    ledgerline("verify", "--data", both.engines[0].data, check=0)


# ---- sending commands on ----


def commands_of(contract):
    operations = dict(contract.operations())
    return [r for r, o in operations.items() if any(p.get("$ref", "").endswith("Idempotency-Key") for p in o.get("parameters", []))]


def same(one, other):
    headers = ("Ledger-Position", "Idempotency-Key", "Content-Type", "Retry-After")
    return (one.status, one.body, *(one.headers[h] for h in headers)) == (other.status, other.body, *(other.headers[h] for h in headers))


# Every command that is sent to a standby is answered as the leader answers it, and read at once where it was sent.
def test_every_command_is_sent_on(fleet, contract):
    leader, standby = fleet(2).engines
    made = 0
    for request in commands_of(contract):
        if request == "POST /api/commands":
            continue
        one, key = World(leader).good(request), fresh("sent-on")
        reply, again = one.send(standby, key=key), one.send(leader, key=key)
        assert reply.status < 300 and same(reply, again) and again.headers["Idempotency-Hit"] == "true", (request, reply)
        hit = one.send(standby, key=key)
        assert same(hit, again) and hit.headers["Idempotency-Hit"] == "true"
        receipt = standby.get(f"/api/receipts/{key}", headers={"Ledger-Min-Position": reply.position})
        assert receipt.status == 200 and receipt.json["position"] == reply.position
        made += 1
    assert made > 15
    metrics = standby.metrics()
    assert metrics['ledgerline_forwarded_total{end="answered"}'] >= 2 * made and metrics["ledgerline_claims_total"] == 0


# What is refused or rejected there is so here, word for word; without a key the standby makes one.
def test_refusals_are_sent_on(fleet):
    leader, standby = fleet(2).engines
    user = rich(leader, 1000)
    asked = [
        ("POST", "/api/points/use", {"userId": user, "amount": 5000}, {}, 402),
        ("POST", "/api/points/charge", {"userId": user, "amount": 0}, {}, 400),
        ("POST", "/api/points/charge", b"{", {}, 400),
        ("POST", "/api/points/charge", {"userId": user, "amount": 1000}, {"Idempotency-Key": "not a key"}, 400),
        ("POST", "/api/points/refund", {"useId": "use-999"}, {}, 404),
        ("DELETE", "/api/queue/token", None, {}, 401),
        ("DELETE", "/api/queue/token", None, {"Authorization": "Bearer forged"}, 401),
        ("DELETE", "/api/reservations/reservation-999?userId=kim&x=1", None, {}, 400),
        ("POST", "/api/commands?onRejected=never", [], {}, 400),
        ("POST", "/api/commands", [{}] * 1001, {}, 413),
        ("POST", "/api/commands", [], {}, 200),
    ]
    for method, path, body, headers, status in asked:
        here, there = standby.http(method, path, body, headers=headers), leader.http(method, path, body, headers=headers)
        assert here.status == there.status == status and here.code == there.code if status != 200 else here.body == there.body, (path, here, there)
        assert (here.json["details"] == there.json["details"]) if status != 200 else True
    made = standby.post("/api/points/charge", {"userId": user, "amount": 1000})
    assert made.status == 200 and len(made.headers["Idempotency-Key"]) == 36
    assert leader.get(f"/api/receipts/{made.headers['Idempotency-Key']}").json["position"] == made.position
    reused = standby.post("/api/points/charge", {"userId": user, "amount": 2000}, key=made.headers["Idempotency-Key"])
    assert (reused.status, reused.code) == (422, "IDEMPOTENCY_KEY_REUSED")


# Commands in bulk, as JSON and as msgpack, keep their order and their form.
def test_bulk_is_sent_on(fleet):
    _, standby = fleet(2).engines
    user = fresh("user")
    many = [{"id": fresh("bulk"), "type": "points.charge", "userId": user, "amount": 1000 + n} for n in range(500)]
    receipts = standby.command(*many)
    assert [r["commandId"] for r in receipts] == [c["id"] for c in many]
    assert [r["body"]["balance"] for r in receipts] == list(itertools.accumulate(c["amount"] for c in many))
    kinds = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    packed = standby.post("/api/commands", msgpack.packb(many), headers=kinds)
    assert packed.status == 200 and packed.headers["Content-Type"] == "application/msgpack"
    assert all(r["hit"] for r in msgpack.unpackb(packed.body)) and packed.position == receipts[-1]["position"]
    single = standby.post("/api/commands", {"type": "points.use", "userId": user, "amount": 1}, key="single")
    assert single.status == 200 and single.json["commandId"] == "single"


# What was sent on once is not sent on again, and what nobody can take is told so.
def test_one_hop(fleet):
    leader, standby = fleet(2).engines
    reply = standby.post("/api/points/charge", {"userId": "kim", "amount": 1000}, headers={"Ledger-Forwarded": "1"}, key="hop")
    assert (reply.status, reply.code, reply.json["details"]["leader"]) == (503, "NOT_LEADER", leader.url)
    assert standby.get("/api/receipts/hop").status == 404


# ---- leaders that come back from the dead ----


# A leader that stood still while another one took over: its block is void, its clients' commands are decided by the new one.
def test_zombie(fleet, ledgerline):
    three = fleet(3)
    load = Load(three, clients=6)
    for _ in range(2):
        goes_on(three, load)
        zombie = three.leader()
        zombie.pause()
        others = Fleet(three.others(zombie))
        leader = others.leader()
        user = rich(leader, 1000)
        zombie.resume()
        zombie.wait_for(lambda z=zombie, n=leader: z.status()["leader"]["address"] == n.url, "the zombie to follow")
        reply = zombie.post("/api/points/charge", {"userId": user, "amount": 1000}, key=fresh("to-the-zombie"))
        assert reply.status == 200 and leader.get(f"/api/receipts/{reply.headers['Idempotency-Key']}").status == 200
    goes_on(three, load)
    load.finish()
    agree(three, load, ledgerline)


# Commands that were sent on to a leader that stands still: one with a key is decided by the next leader, once; of many in one request
# nobody knows, and that is said.
def test_sent_to_a_zombie(fleet, ledgerline):
    leader, standby = fleet(2).engines
    user = rich(leader, 1000)
    leader.pause()
    answers = {}

    def ask(name, path, body, key):
        answers[name] = standby.post(path, body, key=key)

    charge = {"userId": user, "amount": 1000}
    asked = [
        threading.Thread(target=ask, args=("keyed", "/api/points/charge", charge, "keyed")),
        threading.Thread(target=ask, args=("unkeyed", "/api/points/charge", charge, None)),
        threading.Thread(target=ask, args=("many", "/api/commands", [{"id": "many", "type": "points.charge", **charge}], None)),
    ]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert answers["keyed"].status == answers["unkeyed"].status == 200
    assert (answers["many"].status, answers["many"].code) in ((503, "OUTCOME_UNKNOWN"), (200, None))
    leader.resume()
    leader.wait_for(lambda: leader.status()["leader"]["address"] == standby.url, "the zombie to follow")
    settle(Fleet([leader, standby]))
    again = leader.post("/api/points/charge", charge, key="keyed")
    assert same(again, answers["keyed"]) and again.headers["Idempotency-Hit"] == "true"
    leader.command({"id": "many", "type": "points.charge", **charge})
    assert balance(standby, user)["balance"] == 4000
    check(standby, ledgerline, [user], charged=4000)


# ---- handing over ----


# The lead is handed over under load, by a request, by a signal and by stopping: no block becomes void, and nobody is told 503 by
# engines that stay.
def test_hand_over(fleet, ledgerline, capsys):
    three = fleet(3)
    load, took = Load(three, clients=6), []
    for number in range(6):
        goes_on(three, load)
        leader = settle_known(three)
        began = time.monotonic()
        if number % 2:
            os.kill(leader.pid, signal.SIGUSR1)
        else:
            wanted = three.others(leader)[0]
            reply = leader.post(f"/api/admin/handover?to={wanted.url}")
            assert reply.status == 200 and reply.json["leader"]["address"] == wanted.url, reply
        three.leader(not_this=leader)
        took.append(time.monotonic() - began)
    goes_on(three, load)
    leader = settle_known(three)
    assert leader.stop() == 0 and "handover.done" in leader.errors()
    leader.url = None
    goes_on(three, load)
    leader.start()
    load.finish()
    with capsys.disabled():
        print(f" [hand-over: median {statistics.median(took) * 1000:.0f} ms, max {max(took) * 1000:.0f} ms]", end="")
    assert three.leader().status()["journal"]["void"] == {"stale": 0, "foreign": 0}
    assert set().union(*(one.unavailable for one in load.clients)) <= {"JOURNAL_UNAVAILABLE"}  # of the one that stopped
    agree(three, load, ledgerline)


def settle_known(fleet):
    """The leader, once it knows all others."""
    leader = fleet.leader()
    leader.wait_for(lambda: len(leader.status()["leader"]["standbys"]) == len(fleet.alive()) - 1, "all to stand by")
    return leader


# To an engine that is not there, or not that: no, and the leader goes on.
def test_hand_over_to_nobody(fleet):
    leader, standby = fleet(2).engines
    leader.wait_for(lambda: leader.status()["leader"]["standbys"], "the standby")
    reply = leader.post("/api/admin/handover?to=http://127.0.0.1:1")
    assert (reply.status, reply.code) == (409, "NO_STANDBY")
    standby.pause()  # it is known, and says nothing
    reply = leader.post("/api/admin/handover")
    assert (reply.status, reply.code) == (409, "NO_STANDBY")
    assert leader.post("/api/points/charge", {"userId": "kim", "amount": 1000}).status == 200
    standby.resume()


# ---- all of it, under load ----


class Damage:
    """Something happens to an engine (or a broker), and is mended a round later."""

    def __init__(self, fleet, load, cluster, chance):
        self.fleet, self.load, self.cluster, self.chance = fleet, load, cluster, chance
        self.mend = []
        self.without = {}

    def kinds(self):
        kinds = [self.kill_leader, self.kill_leader, self.kill_follower, self.pause_leader, self.hand_over]
        return kinds + ([self.kill_broker, self.pause_broker] if self.cluster else [])

    def round(self, number):
        kind = self.kinds()[number % 5] if not self.cluster else self.chance.choice(self.kinds())
        leader = self.fleet.leader()
        goes_on(self.fleet, self.load, 10)
        time.sleep(self.chance.random() * 0.3)
        began = time.monotonic()
        try:
            if kind(leader):
                self.fleet.leader(not_this=leader)
                self.without.setdefault(kind.__name__, []).append(time.monotonic() - began)
            goes_on(self.fleet, self.load, 10)
        except AssertionError as failure:
            what = f"round {number}, {kind.__name__}, led by {leader.data.name}, partitions {self.partitions()}"
            raise AssertionError(f"{what}: {failure}") from None
        while self.mend:
            self.mend.pop()()

    def partitions(self):
        topics = wire.metadata(self.cluster.any())["topics"] if self.cluster else {}
        return [partition for name, topic in topics.items() if name.endswith(".journal") for partition in topic.values()]

    def all_in_sync(self):
        """One broker's loss is borne, that of a second one before the first has caught up is not promised to be: two replicas must have a
        block, and no other may be elected. A broker that runs again is not in sync at once."""

        def done():
            return all(len(one["isr"]) == len(one["replicas"]) for one in self.partitions())

        self.fleet.engines[0].wait_for(done, "all replicas to be in sync")

    def kill_leader(self, leader):
        leader.kill()
        self.mend.append(leader.start)
        return True

    def kill_follower(self, leader):
        one = self.chance.choice(self.fleet.others(leader))
        one.kill()
        self.mend.append(one.start)
        return False

    def pause_leader(self, leader):
        leader.pause()
        url, leader.url = leader.url, None  # clients that have not asked it go elsewhere

        def resume():
            leader.url = url
            leader.resume()

        self.mend.append(resume)
        return True

    def hand_over(self, leader):
        known = bool(leader.status()["leader"]["standbys"])
        os.kill(leader.pid, signal.SIGUSR1)
        return known

    def kill_broker(self, leader):
        self.all_in_sync()
        node = self.chance.choice(self.cluster.nodes)
        node.kill()
        self.mend.append(lambda: (node.start(), self.cluster.wait_ready()))
        return False

    def pause_broker(self, leader):
        self.all_in_sync()
        node = self.chance.choice(self.cluster.nodes)
        node.pause()
        self.mend.append(node.resume)
        return False


# Three engines, whose leaders and followers are killed, paused, and hand over, one after the other.
def test_rounds(fleet, kafka_cluster, ledgerline, capsys, request):
    if TORTURE:
        cluster = kafka_cluster(nodes=3)
        url = f"kafka://{cluster.bootstrap}/rounds-{uuid.uuid4().hex[:8]}"
        ledgerline("journal", "create", url, check=0)
        three = fleet(3, url)
    else:
        cluster, three = None, fleet(3)
    load = Load(three, clients=4)
    damage = Damage(three, load, cluster, random.Random(ROUNDS))
    for number in range(ROUNDS):
        damage.round(number)
    load.finish()
    with capsys.disabled():
        print(f"\n{ROUNDS} rounds, {load.answered} commands answered; ms without a leader:")
        for kind, times in sorted(damage.without.items()):
            times = sorted(t * 1000 for t in times)
            print(f"  {kind:<14} {len(times):>4} times  median {statistics.median(times):>5.0f}  max {times[-1]:>5.0f}")
    agree(three, load, ledgerline)


# Whether a moment is over is for the leader to say: asked at a standby, a moment that has passed is answered at once, and one to come is not.
def test_moments_are_asked_of_the_leader(fleet):
    both = fleet(2)
    leader, standby = both.engines
    user = rich(leader, 1000)
    time.sleep(0.05)
    now = time.time() - 0.01
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
    found = standby.get(f"/api/audit/accounts/{user}?at={moment}")
    assert found.status == 200 and found.json["balance"] == 1000, found.body
    assert found.json == leader.get(f"/api/audit/accounts/{user}?at={moment}").json
    assert standby.get(f"/api/audit/accounts/{user}?at=2090-01-01T00:00:00Z").code == "CUT_NOT_FINAL"
