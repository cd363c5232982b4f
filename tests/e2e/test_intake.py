"""`ledgerline intake`: commands of a topic, from producers that send twice, into engines that die: one effect each, receipts as replies."""

import json
import random
import subprocess
import tempfile
import threading
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import wire
from holders import Keys
from public import Relay, murmur2, records
from test_relay import shown, watched_at
from world import balance

QUICK = ["--kafka", "session.timeout.ms=6000", "--kafka", "heartbeat.interval.ms=300", "--back-off-max-ms", "200"]


@pytest.fixture
def topic(kafka):
    name = f"commands-{uuid.uuid4().hex[:8]}"
    wire.create_topic(kafka, name, 3, 1, {})
    return name


@pytest.fixture
def server(engines, tmp_path):
    return engines(tmp_path / "data").start()


class Intake(Relay):
    def __init__(self, binary, brokers, topic, urls, directory, group, *options):
        super().__init__(binary, "", brokers, directory, *QUICK, *options)
        self.command = [str(binary), "intake", "--from", f"kafka://{brokers}/{topic}", "--group", group]
        self.command += [word for url in urls for word in ("--to", url)]


@pytest.fixture
def intakes(binary, kafka, topic, tmp_path):
    made = []

    def make(*urls, options=()):
        made.append(Intake(binary, kafka, topic, urls, tmp_path, f"of-{topic}", *options))
        return made[-1]

    yield make
    for intake in made:
        intake.kill()


def produce(brokers, topic, commands):
    """Keyed by user, in order."""
    lines = "".join(f"{one['userId']}|{json.dumps(one)}\n" for one in commands)
    feed = ["kcat", "-P", "-b", brokers, "-t", topic, "-K", "|", "-X", "topic.partitioner=murmur2_random"]
    subprocess.run(feed, input=lines, text=True, check=True)


def produce_raw(brokers, topic, value, key="k", *options):
    if not value:
        nothing = ["kcat", "-P", "-b", brokers, "-t", topic, "-K", "|", "-Z", *options]
        subprocess.run(nothing, input=f"{key}|\n", text=True, check=True)
        return
    with tempfile.NamedTemporaryFile("w") as file:  # kcat sends a whole file as one record
        file.write(value)
        file.flush()
        subprocess.run(["kcat", "-P", "-b", brokers, "-t", topic, "-k", key, *options, file.name], check=True)


def charge(name, user, amount=1000):
    return {"id": name, "type": "points.charge", "userId": user, "amount": amount}


def replies(brokers, topic):
    return records(brokers, f"{topic}.replies")


def letters(brokers, topic):
    return [one for one in records(brokers, f"{topic}.dlq") if "dlq-redriven" not in one["headers"]]


def count_of(brokers, topic):
    try:
        return sum(wire.offset(brokers, topic, partition=partition) for partition in wire.metadata(brokers)["topics"].get(topic, {}))
    except wire.Refused:
        return 0


def last_position(engine):
    position = engine.get("/api/concerts").position
    return -1 if position == "start" else int(position[2:])


# Each id has a reply; all its replies are the same; by key, ids are first answered in the order in which they were produced.
def check_replies(brokers, topic, commands):
    bodies, order = {}, {}
    for one in replies(brokers, topic):
        name = one["headers"]["commandId"]
        if name not in bodies:
            order.setdefault(one["key"], []).append(name)
        assert bodies.setdefault(name, one["event"]) == one["event"]
        assert one["event"]["commandId"] == name and one["headers"]["status"] == str(one["event"]["status"])
        assert one["partition"] == (murmur2(one["key"].encode()) & 0x7FFFFFFF) % 3 and "hit" not in one["event"]
    wanted = {}
    for one in commands:
        if one["id"] not in wanted.setdefault(one["userId"], []):
            wanted[one["userId"]].append(one["id"])
    assert order == wanted
    return bodies


# Charges, a refusal, a read and a hit come back as receipts; what it had taken is committed: started again it takes nothing twice.
def test_takes_commands(kafka, topic, server, intakes, ledgerline):
    commands = [charge(f"c{n}", f"user-{n % 7}") for n in range(50)]
    commands += [charge("c3", "user-3"), {"id": "poor", "type": "points.use", "userId": "user-1", "amount": 10**9}]
    produce(kafka, topic, commands)
    intake = intakes(server.url, options=["--batch", "20"]).start()
    intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 52, "replies")
    assert intake.stop() == 0
    bodies = check_replies(kafka, topic, commands)
    assert bodies["poor"]["outcome"] == "refused" and bodies["poor"]["body"]["code"] == "INSUFFICIENT_POINTS"
    assert bodies["c3"] == server.get("/api/receipts/c3").json and last_position(server) >= 50
    hits = [one["headers"]["commandId"] for one in replies(kafka, topic) if one["headers"].get("hit")]
    assert hits == ["c3"] and balance(server, "user-3")["balance"] == 7000
    more = charge("later", "user-3")
    produce(kafka, topic, [more])
    intake.start()
    intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 53, "the reply of what came meanwhile")
    assert intake.stop() == 0 and len(replies(kafka, topic)) == 53 and not letters(kafka, topic)


# What is no command, has no id, is too large or too deep, waits as a dead letter with the reason, and keeps nothing behind it waiting.
# What the engine rejects has a reply as well. `dlq` lists them; sent back, a command whose thing is there now is taken.
def test_poison(kafka, topic, server, intakes, ledgerline):
    deep = "[" * 15 + "]" * 15  # alone it could be read, but not in an array
    poison = {
        "hello": "not a command: not JSON",
        "": "the record has no value",
        "[1]": "a record holds one object, not an array",
        '{"type":"points.charge","userId":"kim","amount":1000}': "it has no id",
        '{"id":7,"type":"points.charge"}': "it has no id",
        json.dumps(charge("x", "y" * 3000)): "more than 2000",
        '{"id":"d1","a":%s}' % ("[" * 20 + "]" * 20): "levels",
    }
    rejected = {
        '{"id":"d2","a":%s}' % deep: ("VALIDATION_ERROR: body", 400),
        json.dumps(charge("r1", "kim", 0)): ("VALIDATION_ERROR: amount", 400),
        json.dumps({"id": "r2", "type": "no.such"}): ("VALIDATION_ERROR: type", 400),
        json.dumps({"id": "r3", "type": "points.refund", "useId": "use-99"}): ("USE_NOT_FOUND", 404),
        json.dumps(charge("bad id", "kim")): ("VALIDATION_ERROR: id", 400),
        json.dumps({"id": "r4", "type": "schedule.create", "scheduleId": "s", "concertId": "later", "concertDate": "2031-01-01",
                    "seats": [{"seatNo": 1, "price": 1}]}): ("CONCERT_NOT_FOUND", 404),
    }
    for value in [*poison, *rejected]:
        produce_raw(kafka, topic, value, "k", "-p", "1")
    produce(kafka, topic, [charge("good", "kim"), charge("good", "kim", 2000)])
    intake = intakes(server.url, options=["--max-bytes", "2000"]).start()
    intake.wait_for(lambda: count_of(kafka, f"{topic}.dlq") >= 14 and count_of(kafka, f"{topic}.replies") >= 6, "letters and replies")
    assert intake.stop() == 0
    found = {one["headers"]["dlq-offset"] + one["headers"]["dlq-partition"]: one for one in letters(kafka, topic)}
    source = records(kafka, topic)
    assert len(found) == 14
    for one in source:
        letter = found.pop(f"{one['offset']}{one['partition']}", None)
        if one["event"] == charge("good", "kim"):
            assert not letter
            continue
        headers = letter["headers"]
        assert (letter["event"], letter["key"]) == (one["event"], one["key"]) and headers["dlq-topic"] == topic
        assert headers["dlq-group"] == f"of-{topic}" and headers["dlq-time"]
    by_reason = [(one["headers"]["dlq-reason"], int(one["headers"]["dlq-status"]), int(one["headers"]["dlq-attempts"])) for one in letters(kafka, topic)]
    for said in poison.values():
        assert any(said in reason and (status, attempts) == (0, 0) for reason, status, attempts in by_reason), (said, by_reason)
    for said, wanted in [*rejected.values(), ("IDEMPOTENCY_KEY_REUSED", 422)]:
        assert any(said in reason and status == wanted and attempts >= 1 for reason, status, attempts in by_reason), (said, by_reason)
    answered = {(one["headers"]["commandId"], one["headers"]["outcome"]) for one in replies(kafka, topic)}
    assert answered == {(name, "rejected") for name in ("r1", "r2", "r3", "r4", "good")} | {("good", "accepted")}
    assert balance(server, "kim")["balance"] == 1000
    assert intake.errors().count("intake.dead.letter") == 14 and f"waitsIn={topic}.dlq" in intake.errors()
    redrive(kafka, topic, server, intake, ledgerline)


def redrive(kafka, topic, server, intake, ledgerline):
    at = f"kafka://{kafka}/{topic}.dlq"
    listed = json.loads(ledgerline("dlq", "list", "--from", at, "--json", check=0).stdout)["letters"]
    letter = next(one for one in listed if "CONCERT_NOT_FOUND" in one["reason"])
    shown = json.loads(ledgerline("dlq", "show", "--from", at, str(letter["offset"]), "--json", check=0).stdout)
    assert json.loads(shown["value"])["id"] == "r4" and shown["topic"] == topic and shown["status"] == 404
    assert server.command({"id": "cc", "type": "concert.create", "concertId": "later", "title": "t"})["outcome"] == "accepted"
    ledgerline("dlq", "redrive", "--from", at, str(letter["offset"]), check=0)
    intake.start()
    intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 7, "the reply of what was sent back")
    assert intake.stop() == 0
    assert ("r4", "accepted") in {(one["headers"]["commandId"], one["headers"]["outcome"]) for one in replies(kafka, topic)}
    assert letters(kafka, topic)[-1]["headers"]["dlq-offset"] != letter["offset"] and len(letters(kafka, topic)) == 14
    # Of the others only the one whose thing may still come is sent by --all; all the rest would be letters again.
    may_pass = [one["reason"] for one in listed if not one["permanent"]]
    assert len(may_pass) == 2 and all(any(code in reason for code in ("CONCERT_NOT_FOUND", "USE_NOT_FOUND")) for reason in may_pass)
    said = json.loads(ledgerline("dlq", "redrive", "--from", at, "--all", "--json", check=0).stdout)
    assert said == {"redriven": 1, "already": 1, "failed": 0, "left": 12}


# A record larger than a dead letter can be: its beginning is kept, with the place where all of it is; it cannot be sent back.
def test_larger_than_a_letter(kafka, server, intakes, ledgerline, binary, tmp_path):
    name = f"large-{uuid.uuid4().hex[:8]}"
    wire.create_topic(kafka, name, 1, 1, {"max.message.bytes": "20000000"})
    produce_raw(kafka, name, json.dumps(charge("c", "k" * (9 << 20))), "k", "-X", "message.max.bytes=20000000")
    produce_raw(kafka, name, json.dumps(charge("d", "kim")))
    intake = Intake(binary, kafka, name, [server.url], tmp_path, "g").start()
    try:
        intake.wait_for(lambda: count_of(kafka, f"{name}.replies") >= 1 and count_of(kafka, f"{name}.dlq") >= 1, "a letter and a reply")
        assert intake.stop() == 0
    finally:
        intake.kill()
    assert "1 left" in ledgerline("dlq", "redrive", "--from", f"kafka://{kafka}/{name}.dlq", "--all", check=0).stderr
    said = ledgerline("dlq", "redrive", "--from", f"kafka://{kafka}/{name}.dlq", "--all", "--permanent", check=1).stderr
    assert f"all of it is in {name}, partition 0, offset 0" in said
    assert len(letters(kafka, name)[0]["headers"]["dlq-reason"]) < 200


def letters_shown(ledgerline, kafka, topic):
    """By the offset of their record, of which one that begins anew makes a letter again."""
    at = f"kafka://{kafka}/{topic}.dlq"
    listed = json.loads(ledgerline("dlq", "list", "--from", at, "--json", check=0).stdout)["letters"]
    shown = [json.loads(ledgerline("dlq", "show", "--from", at, str(one["offset"]), "--json", check=0).stdout) for one in listed]
    return {one["originOffset"]: one for one in shown}


# An older topic of dead letters takes 1 MiB: intake says so at its start, with what mends it. Of a record that is larger the letter has the beginning,
# its size and its place; of one whose key alone is larger, neither key nor headers. A topic that comes to take less while intake runs ends
# nothing either.
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_small_topic_of_letters(kafka, server, ledgerline, binary, tmp_path, when):
    name, luck = f"small-{uuid.uuid4().hex[:8]}", random.Random(3)
    wire.create_topic(kafka, name, 1, 1, {"max.message.bytes": "20000000"})
    size = "1048588" if when == "before" else "8388608"
    wire.create_topic(kafka, f"{name}.dlq", 1, 1, {"max.message.bytes": size, "retention.ms": "-1"})
    intake = Intake(binary, kafka, name, [server.url], tmp_path, "g").start()
    try:
        produce_raw(kafka, name, "no command")
        intake.wait_for(lambda: count_of(kafka, f"{name}.dlq") >= 1, "the first letter")
        assert ("topics.small" in intake.errors() and "max.message.bytes=8388608" in intake.errors()) == (when == "before")
        wire.alter_topic(kafka, f"{name}.dlq", {"max.message.bytes": "1048588", "retention.ms": "-1"})
        text = lambda: f"{luck.getrandbits(24 << 20):0{6 << 20}x}"  # noqa: E731 - no codec makes less than 3 MiB of it
        long = json.dumps(charge("c", text()))
        large = ("-X", "message.max.bytes=20000000")
        produce_raw(kafka, name, long, "short", *large)
        feed = ["kcat", "-P", "-b", kafka, "-t", name, "-K", "|", "-H", "a=b", *large]
        subprocess.run(feed, input=f"{text()}|no command\n", text=True, check=True)
        produce_raw(kafka, name, json.dumps(charge("d", "kim")))
        intake.wait_for(lambda: count_of(kafka, f"{name}.replies") >= 1 and count_of(kafka, f"{name}.dlq") >= 3, "letters and a reply")
        assert intake.stop() == 0 and intake.starts == 1
    finally:
        intake.kill()
    found = letters_shown(ledgerline, kafka, name)
    first, second = found[1], found[2]
    assert (first["value"], first["bytes"], first["key"]) == (long[:4096], len(long), "short")
    assert (first["topic"], first["partition"], sorted(found)) == (name, 0, [0, 1, 2]) and "more than 1048576" in first["reason"]
    assert (second["value"], second["bytes"], second["key"]) == ("no command", len("no command"), None)
    headers = letters(kafka, name)[-1]["headers"]
    assert headers["dlq-key-bytes"] == str(6 << 20) and "a" not in headers
    said = ledgerline("dlq", "redrive", "--from", f"kafka://{kafka}/{name}.dlq", "--all", "--permanent", check=1).stderr
    assert f"all of it is in {name}, partition 0, offset 1" in said and f"all of it is in {name}, partition 0, offset 2" in said


# A producer that sends many commands twice; two intakes that share the partitions, killed ten times between them, a third one that comes and
# goes; and an engine that is killed twice and comes back, all under load: each command has one effect, and its replies are as they should be.
def test_everything_dies(kafka, topic, server, intakes):
    luck = random.Random(11)
    commands = [charge(f"c{n}", f"user-{n % 40}", 1000 + n % 5) for n in range(9000)]
    sent = []
    for at in range(0, len(commands), 1000):
        part = commands[at : at + 1000]
        sent += part + (part[luck.randrange(1000) :] if at % 3000 else [])  # the producer did not hear the answer
    produce(kafka, topic, sent)
    server.listens_at = server.port
    # Static members are given their partitions again at once.
    group = [intakes(server.url, options=["--batch", "10", "--kafka", f"group.instance.id={name}"]).start() for name in "ab"]
    third = intakes(server.url, options=["--batch", "10"])

    def goes_on(by=150):
        wanted = last_position(server) + by
        assert wanted < len(commands), "it was too fast for this test"
        group[0].wait_for(lambda: last_position(server) >= wanted, "commands")

    for number in range(10):
        goes_on()
        group[number % 2].kill()
        group[number % 2].start()
        if number in (3, 7):
            downs = sum(one.errors().count("intake.engines.down") for one in group)
            server.kill()
            group[0].wait_for(lambda: sum(one.errors().count("intake.engines.down") for one in group) > downs, "a word that it is down")
            server.start()
    third.start()
    third.wait_for(lambda: "intake.given" in third.errors(), "partitions for the third")
    goes_on()
    assert third.stop() == 0
    group[0].wait_for(lambda: last_position(server) + 1 >= len(commands), "all commands")
    group[0].wait_for(lambda: len({one["headers"]["commandId"] for one in replies(kafka, topic)}) == len(commands), "all replies")
    assert all(intake.stop() == 0 for intake in group)
    bodies = check_replies(kafka, topic, sent)
    positions = {}
    for one in commands:  # within a key, they were decided in the order in which they were produced
        body = bodies[one["id"]]
        assert body["outcome"] == "accepted" and positions.get(one["userId"], -1) < int(body["position"][2:])
        positions[one["userId"]] = int(body["position"][2:])
    assert sum(balance(server, f"user-{n}")["balance"] for n in range(40)) == sum(one["amount"] for one in commands)
    assert last_position(server) + 1 == len(commands) and not letters(kafka, topic)
    assert any("intake.engines.up" in intake.errors() for intake in group)


# Of several engines another one is asked when one is gone; while none is there everything waits, and nothing becomes a dead letter.
def test_several_engines(kafka, topic, server, intakes, tmp_path):
    alerts = tmp_path / "alerts"
    intake = intakes("http://127.0.0.1:1", server.url, options=["--alert", f'echo "$LEDGERLINE_ALERT" >>{alerts}']).start()
    produce(kafka, topic, [charge(f"c{n}", "kim") for n in range(10)])
    intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 10, "replies in spite of one that is away")
    server.listens_at = server.port
    server.kill()
    produce(kafka, topic, [charge(f"d{n}", "kim") for n in range(10)])
    intake.wait_for(lambda: alerts.exists() and "engines.down" in alerts.read_text(), "an alert")
    server.start()
    intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 20 and "engines.up" in alerts.read_text(), "replies once it is back")
    assert intake.stop() == 0 and balance(server, "kim")["balance"] == 20000 and not letters(kafka, topic)


class Narrow(ThreadingHTTPServer):
    """A proxy before an engine that takes small bodies only, and says so in its own words."""

    daemon_threads = True

    def __init__(self, url, most):
        super().__init__(("127.0.0.1", 0), NarrowHandler)
        self.to, self.most = url, most
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class NarrowHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, kind, answer = 413, "text/html", b"<html><h1>413 Request Entity Too Large</h1></html>"
        if len(body) <= self.server.most:
            asked = urllib.request.Request(self.server.to + self.path, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(asked) as reply:
                status, kind, answer = reply.status, "application/json", reply.read()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


# A proxy that takes less than a batch, and says 413 without an engine's words: halves go through. What is too large alone is a dead letter that
# may be sent back, once the proxy takes more.
def test_a_narrow_proxy(kafka, topic, server, intakes, ledgerline):
    proxy = Narrow(server.url, 2000)
    try:
        commands = [charge(f"c{n}", "kim") for n in range(100)]
        commands.insert(50, {"id": "large", "type": "points.use", "userId": "kim", "amount": 1, "reference": "r" * 100, "queueToken": "x" * 3000})
        produce(kafka, topic, commands)
        intake = intakes(proxy.url).start()
        intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 100 and letters(kafka, topic), "replies, and the letter")
        assert intake.stop() == 0 and balance(server, "kim")["balance"] == 100000
    finally:
        proxy.shutdown()
        proxy.server_close()
    (letter,) = letters(kafka, topic)
    headers = letter["headers"]
    assert letter["event"]["id"] == "large" and headers["dlq-status"] == "413" and "proxy" in headers["dlq-reason"]
    assert "dlq-permanent" not in headers and "intake.engines.down" not in intake.errors()
    (listed,) = json.loads(ledgerline("dlq", "list", "--from", f"kafka://{kafka}/{topic}.dlq", "--json", check=0).stdout)["letters"]
    assert not listed["permanent"]


# --metrics: what became of commands and records, and that no engine takes any; `status --ready` asks as it asks an engine.
def test_metrics(kafka, topic, server, intakes, ledgerline):
    commands = [charge(f"c{n}", "kim") for n in range(6)]
    commands += [charge("c3", "kim"), {"id": "poor", "type": "points.use", "userId": "kim", "amount": 10**9}, charge("none", "kim", 0)]
    commands += [{"id": name, "type": "queue.enter", "userId": "kim"} for name in ("enters", "asks-again")]
    produce(kafka, topic, [*commands, {"type": "x", "userId": "kim"}])
    intake = intakes(server.url, options=["--metrics", "127.0.0.1:0"]).start()
    outcome, letter = 'ledgerline_intake_commands_total{outcome="%s"}', 'ledgerline_intake_dead_letters_total{reason="%s"}'
    intake.wait_for(lambda: shown(intake)[0]["ledgerline_intake_replies_total"] == 11, "eleven replies")
    intake.wait_for(lambda: shown(intake)[0]["ledgerline_intake_waiting_records"] == 0, "nothing that waits")
    metrics, status, health = shown(intake)
    told = {name: metrics[outcome % name] for name in ("accepted", "refused", "repeated", "read", "rejected")}
    assert told == {"accepted": 7, "refused": 1, "repeated": 1, "read": 1, "rejected": 1}
    assert (metrics[letter % "rejected"], metrics[letter % "poison"]) == (1, 1)
    assert metrics["ledgerline_intake_partitions"] == 3 and metrics["ledgerline_intake_lag_seconds"] == 0
    assert metrics["ledgerline_intake_restarts_total"] == metrics["ledgerline_intake_failed_tries_total"] == 0
    assert (status, health, metrics["ledgerline_intake_engines_down_info"]) == (200, {"status": "ok"}, 0)
    assert ledgerline("status", "--url", watched_at(intake), "--ready", check=0).stdout == '{"status":"ok"}\n'
    server.listens_at = server.port
    server.kill()
    produce(kafka, topic, [charge(f"d{n}", "kim") for n in range(5)])
    intake.wait_for(lambda: shown(intake)[1] == 503, "a word that no engine takes commands")
    ledgerline("status", "--url", watched_at(intake), "--ready", check=1)
    intake.wait_for(lambda: shown(intake)[0]["ledgerline_intake_waiting_records"] == 5, "all that waits")
    metrics, _, health = shown(intake)
    assert health == {"status": "unavailable", "reason": "no engine takes commands"}
    assert metrics["ledgerline_intake_engines_down_info"] == 1 and metrics["ledgerline_intake_failed_tries_total"] >= 3
    assert metrics["ledgerline_intake_lag_seconds"] > 0
    server.start()
    intake.wait_for(lambda: shown(intake)[0][outcome % "accepted"] == 12 and shown(intake)[1] == 200, "the rest")
    assert intake.stop() == 0


# Brokers that are away: it is unwell, says why, and counts how often it began anew.
def test_metrics_without_brokers(binary, tmp_path):
    intake = Intake(binary, "127.0.0.1:1", "x", ["http://127.0.0.1:1"], tmp_path, "g", "--metrics", "127.0.0.1:0").start()
    try:
        intake.wait_for(lambda: shown(intake)[0]["ledgerline_intake_restarts_total"] >= 1, "a second beginning")
        _, status, health = shown(intake)
        assert status == 503 and health["reason"].startswith("the brokers failed it: ")
        assert intake.stop() == 0
    finally:
        intake.kill()


# It carries an access key, and sends again what is over the key's limit. Without a key everything waits, and the log says why. What a key's
# role may not do is rejected.
def test_access_keys(kafka, topic, engines, intakes, binary, tmp_path):
    keys = Keys(binary, tmp_path / "keys")
    keys.add("shop", "client", "--limit", "100")
    server = engines(tmp_path / "data", options=["--keys", keys.path]).start()
    commands = [charge(f"c{n}", "kim") for n in range(200)]
    produce(kafka, topic, [*commands, {**charge("a", "kim"), "type": "points.adjust", "reason": "x", "approver": "y"}])
    intake = intakes(server.url, options=["--batch", "90"]).start()
    intake.wait_for(lambda: "intake.engines.down" in intake.errors() and "KEY_REQUIRED" in intake.errors(), "a word of the missing key")
    assert intake.stop() == 0 and not replies(kafka, topic)
    intake.start("--access-key", str(keys.file_of("shop")))
    intake.wait_for(lambda: count_of(kafka, f"{topic}.replies") >= 201 and count_of(kafka, f"{topic}.dlq") >= 1, "replies")
    assert intake.stop() == 0
    said = {one["event"]["outcome"] for one in replies(kafka, topic)}
    assert said == {"accepted", "rejected"} and "FORBIDDEN" in letters(kafka, topic)[0]["headers"]["dlq-reason"]


# What is wrong with the command line, or with a topic, is one sentence.
@pytest.mark.parametrize("options, status, said", [
    ({"--from": "kafka://localhost:9092"}, 2, "--from takes kafka://HOST:PORT,HOST:PORT/TOPIC"),
    ({"--to": "ftp://example.org/"}, 2, "http://HOST:PORT"),
    ({"--group": ""}, 2, "group"),
    ({"--replies": "a b"}, 2, "--replies: a b is no name of a topic"),
    ({"--dead-letters": "same", "--replies": "same"}, 2, "cannot share"),
    ({"--batch": "1001"}, 2, "--batch"),
    ({"--max-bytes": "9000000"}, 2, "--max-bytes"),
    ({"--kafka": "acks=0"}, 2, "acks"),
    ({"--access-key": "/nowhere"}, 3, "/nowhere"),
    ({"--from": "missing"}, 3, "no-such-topic"),
    ({"--replies": "wrong"}, 3, "cleanup.policy=compact"),
])
def test_bad_intake_options(ledgerline, kafka, topic, options, status, said):
    given = {"--from": f"kafka://{kafka}/{topic}", "--to": "http://127.0.0.1:1", "--group": "g", **options}
    if given["--from"] == "missing":
        given["--from"] = f"kafka://{kafka}/no-such-topic"
    if given.get("--replies") == "wrong":
        given["--replies"] = f"{topic}.compacted"
        wire.create_topic(kafka, given["--replies"], 3, 1, {"cleanup.policy": "compact"})
    done = ledgerline("intake", *[word for pair in given.items() for word in pair], check=status)
    assert said in done.stderr
