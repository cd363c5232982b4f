"""`ledgerline relay`: the journal's events on public topics, each once, whatever happens to the relay."""

import json
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

import pytest
import validators
import wire
from engine import parse_metrics
from public import BESIDE, ROOT, TYPES, Relay, check_topics, count, expected, records
from world import fresh, hold, open_schedule, pay, policy, rich


@pytest.fixture
def relays(binary, kafka, tmp_path):
    """relays(journal, *options): relays with a prefix of their own, killed at the end; the topics' prefix is .prefix."""
    made = []

    def make(journal, *options, brokers=None, prefix=None):
        prefix = prefix or f"t{uuid.uuid4().hex[:8]}."
        relay = Relay(binary, journal, brokers or kafka, tmp_path, "--prefix", prefix, *options)
        relay.prefix, relay.brokers = prefix, brokers or kafka
        made.append(relay)
        return relay

    yield make
    for relay in made:
        relay.kill()


def topics(relay):
    return [relay.prefix + kind for kind in TYPES + BESIDE]


def settle(relay, wanted):
    relay.wait_for(lambda: count(relay.brokers, topics(relay)) >= len(wanted), f"{len(wanted)} events on the topics")


def check(relay, wanted, ledger):
    return check_topics(relay.brokers, wanted, ledger, lambda kind: relay.prefix + kind)


def soon(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def everything(engine):
    """One of every public event at least."""

    def must(*commands):
        for command in commands:
            receipt = engine.command({"id": fresh("c"), "actor": {"type": "admin", "id": "root"}, **command})
            assert receipt["status"] in (200, 201, 202, 204), receipt
        return receipt["body"]

    schedule = open_schedule(engine, seats=4, price=1000)
    other = open_schedule(engine, seats=2, price=500)
    user = rich(engine, 100000)
    must({"type": "user.register", "userId": fresh("known")})
    must({"type": "schedule.addSeats", "scheduleId": schedule, "seats": [{"seatNo": 9, "price": 0, "section": "뒤", "grade": "S"}]})
    must({"type": "schedule.update", "scheduleId": schedule, "bookingClosesAt": soon(86400)})
    use = must({"type": "points.use", "userId": user, "amount": 300, "reference": "Buch \"1\""})
    must({"type": "points.refund", "useId": use["useId"], "amount": 100})
    must({"type": "points.charge", "userId": user, "amount": 50, "source": "bonus", "expiresAt": soon(2)})
    must({"type": "points.adjust", "userId": user, "amount": -5, "reason": "counted wrong", "approver": "boss"})
    held = must({"type": "points.hold", "userId": user, "amount": 70})
    must({"type": "points.capture", "holdId": held["holdId"], "amount": 20})
    policy(engine, holdSeconds=1)
    assert hold(engine, user, schedule, 1).status == 201
    policy(engine, holdSeconds=300)
    kept = hold(engine, user, schedule, 2, 3).json["reservationId"]
    paid = pay(engine, user, kept).json["paymentId"]
    must({"type": "payment.cancel", "paymentId": paid})
    free = hold(engine, user, schedule, 9).json["reservationId"]
    assert pay(engine, user, free).status == 200
    given_up = hold(engine, user, other, 1).json["reservationId"]
    must({"type": "reservation.cancel", "reservationId": given_up})
    assert hold(engine, user, other, 2).status == 201
    must({"type": "schedule.cancel", "scheduleId": other, "reason": "rain"})
    token = engine.post("/api/queue/token", {"userId": user}).json["token"]
    engine.wait_for(
        lambda: engine.get("/api/queue/status", headers={"Authorization": f"Bearer {token}"}).json["status"] == "ACTIVE", "its turn"
    )
    assert engine.http("DELETE", "/api/queue/token", headers={"Authorization": f"Bearer {token}"}).status == 204
    return user


def journaled(engine, ledgerline):
    """What must be published, once every kind of event is in the journal."""

    def complete():
        wanted, ledger = expected(ledgerline, engine.journal)
        return (wanted, ledger) if {one["type"] for one in wanted} == set(TYPES + BESIDE) else None

    return engine.wait_for(complete, "every kind of event")


def schemas():
    try:
        validator = validators.jsonschema_rs()
    except validators.Unavailable as why:
        pytest.skip(f"no validators: {why}")
    files = {path.stem: json.loads(path.read_text()) for path in (ROOT / "docs" / "schemas").glob("*.json")}
    for schema in files.values():  # closed for the test: what is not described is not sent
        schema["properties"]["payload"]["additionalProperties"] = schema["additionalProperties"] = False
    return {name: validator.validator_for(schema) for name, schema in files.items()}


# Every public event, of an embedded journal and of one on Kafka: its topic, key, place, id, and a payload that is what the journal
# says and what docs/schemas/ describes; the topics are made as they should be; stopped and started again, nothing is doubled.
def test_every_event(engine, relays, ledgerline):
    relay = relays(engine.journal).start()
    everything(engine)
    wanted, ledger = journaled(engine, ledgerline)
    settle(relay, wanted)
    assert relay.stop() == 0
    assert check(relay, wanted, ledger) == 0
    described, by_id = schemas(), {one["id"]: one for one in wanted}
    for record in records(relay.brokers, topics(relay)):
        described[by_id[record["event"]["eventId"]]["event"]].validate(record["event"])
    made = wire.metadata(relay.brokers)["topics"]
    assert all(len(made[topic]) == 3 for topic in topics(relay))
    assert "topics.replicas" in relay.errors()
    assert relay.start().process.poll() is None
    rich(engine, 1000)
    wanted, _ = expected(ledgerline, engine.journal)
    settle(relay, wanted)
    assert relay.stop() == 0
    assert check(relay, wanted, ledger) == 0


def payments(engine, stop, buyers=40):
    """Buyers who charge, hold and pay until they are told to stop."""
    schedule = open_schedule(engine, seats=10000, price=1000)
    users = [rich(engine, 1000000) for _ in range(buyers)]
    seat = 0
    while not stop.is_set() and seat < 9900:
        commands = []
        for user in users:
            seat += 1
            commands.append({"id": fresh("h"), "type": "reservation.create", "userId": user, "scheduleId": schedule, "seatNos": [seat]})
        held = engine.command(*commands)
        paid = engine.command(*[
            {"id": fresh("p"), "type": "payment.create", "userId": one["body"]["userId"], "reservationId": one["body"]["reservationId"]}
            for one in held
        ])
        assert all(one["status"] == 200 for one in paid), paid


# Killed again and again while payments pass: each event is there, in order, and none twice; whatever the position topic says, which
# is deleted on the way.
def test_killed_again_and_again(engines, kafka_url, relays, ledgerline, tmp_path):
    engine = engines(tmp_path / "data", kafka_url).start()
    stop, relay = threading.Event(), relays(kafka_url)
    buying = threading.Thread(target=payments, args=(engine, stop))
    buying.start()
    for number in range(12):
        relay.start()
        time.sleep(0.3 + 0.07 * number)
        relay.kill()
        if number == 6:
            name = next(n for n in wire.metadata(relay.brokers)["topics"] if n.startswith(relay.prefix) and n.endswith(".relay"))
            wire.delete_topic(relay.brokers, name)
    stop.set()
    buying.join()
    relay.start()
    wanted, ledger = expected(ledgerline, kafka_url)
    settle(relay, wanted)
    assert relay.stop() == 0
    assert sum(one["type"] == "payment.completed" for one in wanted) > 100
    assert check(relay, wanted, ledger) == 0


# Two relays of one ledger and prefix: the later one takes over, the earlier one stands by, and goes on when the later one is gone.
def test_two_relays(engines, kafka_url, relays, ledgerline, tmp_path):
    engine = engines(tmp_path / "data", kafka_url).start()
    stop, first = threading.Event(), relays(kafka_url)
    second = relays(kafka_url, prefix=first.prefix)
    buying = threading.Thread(target=payments, args=(engine, stop))
    buying.start()
    first.start()
    first.wait_for(lambda: "relay.begins" in first.errors(), "the first one")
    time.sleep(0.5)
    second.start()
    first.wait_for(lambda: "relay.stands.by" in first.errors(), "the first one to stand by")
    assert "relay.fenced" in first.errors()
    stop.set()
    buying.join()
    wanted, ledger = expected(ledgerline, kafka_url)
    settle(second, wanted)
    second.kill()
    rich(engine, 1000)
    wanted, ledger = expected(ledgerline, kafka_url)
    settle(first, wanted)
    assert first.errors().count("relay.begins") == 2 and first.stop() == 0
    assert check(first, wanted, ledger) == 0


# A relay that is paused in the middle of its work, while another one does it, and wakes: nothing that it still sends is in the topics.
def test_paused_and_woken(engine, relays, ledgerline, tmp_path):
    lines = tmp_path / "charges.jsonl"
    charges = ({"id": fresh("c"), "type": "points.charge", "userId": f"u{number % 50}", "amount": 1000} for number in range(20000))
    lines.write_text("".join(json.dumps(one) + "\n" for one in charges))
    ledgerline("load", "--url", engine.url, lines, check=0)
    wanted, ledger = expected(ledgerline, engine.journal)
    for _ in range(2):
        paused = relays(engine.journal)
        other = relays(engine.journal, prefix=paused.prefix)
        paused.start()
        paused.wait_for(lambda: count(paused.brokers, topics(paused)) > 0, "its first events")
        paused.process.send_signal(signal.SIGSTOP)
        other.start()
        settle(other, wanted)
        other.wait_for(lambda: "relay.begins" in other.errors(), "the other one to begin")
        paused.process.send_signal(signal.SIGCONT)
        paused.wait_for(lambda: "relay.fenced" in paused.errors(), "a word that it was taken over from")
        assert other.stop() == 0 and other.errors().count("relay.begins") == 1
        assert check(paused, wanted, ledger) == 0
        paused.kill()


# A consumer that comes later reads from the beginning and arrives at the ledger's own ranking, and at its balances.
def test_later_consumer(engine, relays, ledgerline):
    schedule = [open_schedule(engine, seats=30) for _ in range(3)]
    users = [rich(engine, 100000) for _ in range(10)]
    for number in range(45):
        kept = hold(engine, users[number % 10], schedule[number % 3 if number < 30 else 1], number // 3 + 1)
        if kept.status == 201 and pay(engine, users[number % 10], kept.json["reservationId"]).status == 200 and number % 7 == 0:
            assert engine.http("DELETE", f"/api/reservations/{kept.json['reservationId']}").status == 200
    relay = relays(engine.journal).start()
    wanted, _ = expected(ledgerline, engine.journal)
    settle(relay, wanted)
    counts, seen = {}, set()
    for topic, by in (("reservation.confirmed", 1), ("reservation.cancelled", -1)):
        for record in records(relay.brokers, relay.prefix + topic):
            event = record["event"]
            assert event["eventId"] not in seen
            seen.add(event["eventId"])
            payload = event["payload"]
            if by > 0 or payload["paymentId"]:
                counts[payload["concertScheduleId"]] = counts.get(payload["concertScheduleId"], 0) + by * len(payload["seatIds"])
    ranking = engine.get("/api/rankings/popular").json["rankings"]
    assert {one["scheduleId"]: one["reservationCount"] for one in ranking} == counts and len(counts) == 3
    balances = {}
    for record in records(relay.brokers, [relay.prefix + kind for kind in ("point.charged", "point.used", "point.refunded")]):
        place = (record["event"]["sequence"], int(record["headers"]["ledger-index"]))
        user = record["event"]["payload"]["userId"]
        balances[user] = max(balances.get(user, ((-1, 0), 0)), (place, record["event"]["payload"]["balanceAfter"]))
    for user in users:
        assert engine.get(f"/api/points/balance?userId={user}").json["balance"] == balances[user][1]


# --from publishes again from a cut on: into other topics as into the same ones, where a killed one goes on without it.
def test_from(engine, relays, ledgerline):
    for _ in range(30):
        rich(engine, 1000)
    wanted, ledger = expected(ledgerline, engine.journal)
    relay = relays(engine.journal).start()
    settle(relay, wanted)
    assert relay.stop() == 0
    cut = wanted[9]["sequence"]
    later = [one for one in wanted if one["sequence"] > cut]
    again = relays(engine.journal, prefix=relay.prefix)
    again.start("--from", f"0:{cut}")
    again.wait_for(lambda: count(relay.brokers, topics(relay)) >= len(wanted) + len(later), "the later ones once more")
    again.kill()
    again.start()
    again.wait_for(lambda: again.errors().count("relay.begins") == 2, "the second start")
    assert again.stop() == 0
    assert check(relay, wanted, ledger) == len(later)
    elsewhere = relays(engine.journal).start("--from", f"0:{cut}")
    settle(elsewhere, later)
    assert elsewhere.stop() == 0 and check(elsewhere, later, ledger) == 0
    at = relays(engine.journal).start("--from", wanted[9]["time"])
    after = [one for one in wanted if one["time"] > wanted[9]["time"]]
    settle(at, after)
    assert at.stop() == 0 and check(at, after, ledger) == 0
    new = relays(engine.journal).start("--from", "latest")
    new.wait_for(lambda: "relay.begins" in new.errors(), "its start")
    rich(engine, 1000)
    all_of_it, _ = expected(ledgerline, engine.journal)
    newest = [one for one in all_of_it if one["sequence"] > wanted[-1]["sequence"]]
    settle(new, newest)
    assert new.stop() == 0 and newest and check(new, newest, ledger) == 0


# --map sends types where they are wanted: here the seed's `point_events`.
def test_map(engine, relays, ledgerline):
    relay = relays(engine.journal)
    together = f"{relay.prefix}point_events"
    relay.start("--map", f"point.charged={together}", "--map", f"point.used={together}")
    user = rich(engine, 5000)
    assert engine.post("/api/points/use", {"userId": user, "amount": 1000}).status == 200
    wanted, ledger = expected(ledgerline, engine.journal)
    relay.wait_for(lambda: count(relay.brokers, [together]) >= 2, "two events")
    assert relay.stop() == 0
    assert check_topics(relay.brokers, wanted, ledger, lambda kind: together) == 0


# Records of somebody else at the ends of topics are told of and passed over: nothing is doubled for them.
def test_foreign_records(engine, relays, ledgerline):
    users = [rich(engine, 1000) for _ in range(20)]
    wanted, ledger = expected(ledgerline, engine.journal)
    relay = relays(engine.journal).start()
    settle(relay, wanted)
    relay.kill()
    for partition in range(3):
        feed = ["kcat", "-P", "-b", relay.brokers, "-t", f"{relay.prefix}point.charged", "-p", str(partition)]
        subprocess.run(feed, input="hello\n" * 100, text=True, check=True)
    relay.start()
    assert users and rich(engine, 1000)
    wanted, _ = expected(ledgerline, engine.journal)
    settle(relay, list(range(len(wanted) + 300)))
    assert relay.stop() == 0
    assert check(relay, wanted, ledger) == 0 and "relay.foreign" in relay.errors()


# Topics with settings that would lose events: each is named with what mends it, and nothing is published.
@pytest.mark.parametrize("name, settings, partitions, said", [
    ("payment.completed", {"cleanup.policy": "compact"}, 3, "cleanup.policy=compact, should be delete"),
    ("point.charged", {"retention.ms": "60000"}, 3, "retention.ms=60000, should be 604800000"),
    ("point.used", {"max.message.bytes": "2000"}, 3, "max.message.bytes=2000, should be 1048576 or more"),
    ("user.registered", {}, 1, "partitions=1, should be 3"),
])
def test_wrong_settings(ledgerline, relays, kafka_url, name, settings, partitions, said):
    relay = relays(kafka_url)
    wire.create_topic(relay.brokers, relay.prefix + name, partitions, 1, settings)
    done = ledgerline(*relay.command[1:], *relay.options, check=3)
    assert said in done.stderr and "--bootstrap-server" in done.stderr and relay.prefix + name in done.stderr


# What is wrong with the command line is one sentence; a journal that is not there is told.
@pytest.mark.parametrize("options, status, said", [
    (["--to", "kafka://"], 2, "--to takes kafka://HOST:PORT"),
    (["--to", "http://localhost:9092"], 2, "--to takes kafka://HOST:PORT"),
    (["--to", "kafka://localhost:9092/topic"], 2, "--to takes kafka://HOST:PORT"),
    (["--from", "yesterday"], 2, "--from takes a position"),
    (["--prefix", "a b"], 2, "is no name of a topic"),
    (["--map", "point.charged"], 2, "--map takes TYPE=TOPIC"),
    (["--map", "point.stolen=x"], 2, "point.stolen is no type of a public event"),
    (["--map", "point.charged=a/b"], 2, "--map takes TYPE=TOPIC"),
    (["--replication", "0"], 2, "--replication"),
    (["--metrics", "nowhere"], 2, "nowhere"),
    (["--kafka", "acks=0"], 2, "\"acks\""),
    (["--kafka", "no.such=1"], 2, "no setting \"no.such\""),
    (["--journal", "nowhere"], 2, "no journal URL"),
])
def test_bad_command_line(ledgerline, tmp_path, options, status, said):
    journal = f"local:{tmp_path / 'journal'}"
    ledgerline("journal", "create", journal, check=0)
    given = {"--journal": journal, "--to": "kafka://127.0.0.1:1"}
    given.update({options[0]: options[1]})
    done = ledgerline("relay", *[word for pair in given.items() for word in pair], check=status)
    assert said in done.stderr and not done.stdout


# Brokers that are away are waited for: at the start, and while it runs.
def test_brokers_away(kafka_cluster, engines, relays, ledgerline, tmp_path):
    cluster = kafka_cluster()
    engine = engines(tmp_path / "data", f"local:{tmp_path / 'data' / 'journal'}").start()
    rich(engine, 1000)
    relay = relays(engine.journal, brokers=cluster.bootstrap)
    cluster.node(1).kill()
    relay.start()
    relay.wait_for(lambda: "relay.again" in relay.errors(), "a word that it tries again")
    for _ in range(3):
        cluster.node(1).start()
        cluster.wait_ready()
        rich(engine, 1000)
        wanted, ledger = expected(ledgerline, engine.journal)
        settle(relay, wanted)
        cluster.node(1).kill()
        rich(engine, 1000)
    cluster.node(1).start()
    cluster.wait_ready()
    wanted, ledger = expected(ledgerline, engine.journal)
    settle(relay, wanted)
    assert relay.starts == 1 and relay.stop() == 0
    assert check(relay, wanted, ledger) == 0


def watched_at(relay):
    """The URL of a relay, sink or intake that runs with --metrics."""
    port = relay.wait_for(lambda: re.findall(r"metrics.listening host=127.0.0.1 port=(\d+)", relay.errors()), "where metrics are")[-1]
    return f"http://127.0.0.1:{port}"


def shown(relay):
    """Its /metrics and /healthz."""
    url = watched_at(relay)
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        metrics = parse_metrics(answer.read().decode())
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            return metrics, answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return metrics, answer.code, json.load(answer)


# --metrics: what was published by type, and how it stands; without brokers it is unwell and says why.
def test_metrics(engine, relays, ledgerline):
    relay = relays(engine.journal).start("--metrics", "127.0.0.1:0")
    users = [rich(engine, 1000) for _ in range(7)]
    wanted, _ = expected(ledgerline, engine.journal)
    name = 'ledgerline_relay_events_total{type="point.charged"}'
    relay.wait_for(lambda: shown(relay)[0][name] == len(users), "seven charges")
    metrics, status, health = shown(relay)
    assert metrics["ledgerline_relay_working_info"] == 1 and metrics["ledgerline_relay_pending_entries"] == 0
    assert metrics["ledgerline_relay_delay_seconds_count"] == len(wanted) and (status, health) == (200, {"status": "ok"})
    assert relay.stop() == 0
    lost = relays(engine.journal, brokers="127.0.0.1:1").start("--metrics", "127.0.0.1:0")
    lost.wait_for(lambda: shown(lost)[1] == 503, "a word that it is unwell")
    metrics, _, health = shown(lost)
    assert metrics["ledgerline_relay_failing_info"] == 1 and "127.0.0.1:1" in health["reason"]
