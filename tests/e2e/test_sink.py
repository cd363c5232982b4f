"""`ledgerline sink` and `ledgerline dlq`: events to an endpoint that fails in every way, dead letters, and how they come back."""

import json
import os
import random
import subprocess
import threading
import time
import uuid

import pytest
import wire
from endpoint import CLOSE, GARBAGE, HANG, Endpoint
from public import Relay, expected, records
from test_relay import shown
from world import rich


# LEDGERLINE_SINK_EVENTS=5000 or more: the endpoint is down for a minute, slow for half of it, and fails one in a hundred for the rest.
EVENTS = int(os.environ.get("LEDGERLINE_SINK_EVENTS") or 300)


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def topic(kafka):
    name = f"events-{uuid.uuid4().hex[:8]}"
    wire.create_topic(kafka, name, 3, 1, {})
    return name


class Sink(Relay):
    def __init__(self, binary, brokers, topic, url, directory, group, *options):
        super().__init__(binary, "", brokers, directory, *options)
        self.command = [str(binary), "sink", "--from", f"kafka://{brokers}/{topic}", "--to", url, "--group", group]


@pytest.fixture
def sinks(binary, kafka, topic, endpoint, tmp_path):
    made = []

    def make(*options, group="data-platform", url=None):
        quick = ["--back-off-max-ms", "200", *options]
        quick += [] if "--timeout-ms" in options else ["--timeout-ms", "1000"]
        made.append(Sink(binary, kafka, topic, url or endpoint.url, tmp_path, group, *quick))
        return made[-1]

    yield make
    for sink in made:
        sink.kill()


def event(number, user):
    return {
        "eventId": str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))), "eventType": "point.charged", "eventTime": "2026-01-01T00:00:00.000Z",
        "schemaVersion": 1, "sequence": number, "payload": {"userId": user, "amount": number},
    }


def produce(brokers, topic, events):
    """Keyed by user, in order."""
    lines = "".join(f"{one['payload']['userId']}|{json.dumps(one)}\n" for one in events)
    feed = ["kcat", "-P", "-b", brokers, "-t", topic, "-K", "|", "-X", "topic.partitioner=murmur2_random"]
    subprocess.run(feed, input=lines, text=True, check=True)


def fill(kafka, topic, count, first=0, users=9):
    events = [event(number, f"user-{number % users}") for number in range(first, first + count)]
    produce(kafka, topic, events)
    return events


def in_order(taken):
    """By user, each event once it was taken first."""
    last, seen = {}, set()
    for one in taken:
        if one["eventId"] in seen:
            continue
        seen.add(one["eventId"])
        user = one["payload"]["userId"]
        assert last.get(user, -1) < one["sequence"], one
        last[user] = one["sequence"]
    return seen


def ids(events):
    return {one["eventId"] for one in events}


def letters(kafka, topic):
    known = wire.metadata(kafka)["topics"]
    return records(kafka, f"{topic}.dlq") if f"{topic}.dlq" in known else []


# Everything arrives, in order for each user, under its eventId; a second group gets all of it again; stopped and started, nothing twice.
def test_delivers(kafka, topic, endpoint, sinks):
    events = fill(kafka, topic, 300)
    sink = sinks().start()
    sink.wait_for(lambda: len(endpoint.taken) >= 300, "all events")
    assert sink.stop() == 0
    assert endpoint.keys == [one["eventId"] for one in endpoint.taken] and endpoint.types == {"application/json"}
    assert in_order(endpoint.taken) == ids(events) and len(endpoint.taken) == 300
    sink.start()
    more = fill(kafka, topic, 30, first=300)
    sink.wait_for(lambda: len(endpoint.taken) >= 330, "the new events")
    assert sink.stop() == 0 and len(endpoint.taken) == 330 and in_order(endpoint.taken) == ids(events + more)
    other = sinks(group="another").start()
    other.wait_for(lambda: len(endpoint.taken) >= 660, "all events again")
    assert other.stop() == 0 and not letters(kafka, topic)


# An endpoint that is down, then slow, then fails now and then for ever, and never takes some events: nothing is lost, only those become dead letters,
# order holds; whoever asked is alerted once for each way. Once it takes them they are sent back.
def test_endpoint_down_slow_failing(kafka, topic, endpoint, sinks, tmp_path, ledgerline, capsys):
    share, down_seconds = (0.01, 60) if EVENTS >= 5000 else (0.1, 1)
    events, luck = fill(kafka, topic, EVENTS), random.Random(7)
    refused, alerts = {number for number in range(EVENTS) if number % 97 == 13}, tmp_path / "alerts"
    never = {events[number]["eventId"] for number in refused}

    def behave(one, pause, failing):
        time.sleep(pause)
        if one["sequence"] in refused:
            return 422
        return luck.choice((500, 502, 503, CLOSE)) if luck.random() < failing else 200

    endpoint.down()
    sink = sinks("--attempts", "12", "--alert", f'echo "$LEDGERLINE_ALERT" >>{alerts}').start()
    sink.wait_for(lambda: "sink.endpoint.down" in sink.errors(), "a word that it is down")
    time.sleep(down_seconds)
    endpoint.behave = lambda one: behave(one, 0, 0)
    endpoint.up()
    sink.wait_for(lambda: len(endpoint.taken) >= EVENTS // 4, "events once it is up")
    endpoint.behave = lambda one: behave(one, 0.02, 0)
    sink.wait_for(lambda: len(endpoint.taken) >= EVENTS * 6 // 10, "events while it is slow", seconds=600)
    endpoint.behave = lambda one: behave(one, 0, share)
    sink.wait_for(lambda: len(ids(endpoint.taken)) >= EVENTS - len(refused), "events while it fails", seconds=600)
    sink.wait_for(lambda: len(letters(kafka, topic)) >= len(refused), "the last dead letter")
    assert in_order(endpoint.taken) == ids(events) - never
    assert sorted(one["event"]["sequence"] for one in letters(kafka, topic)) == sorted(refused)
    tried, refused_before = endpoint.asked, len(refused)
    refused.clear()
    said = dlq(ledgerline, kafka, topic, "redrive", "--all")
    assert said == {"redriven": refused_before, "already": 0, "failed": 0, "left": 0}
    sink.wait_for(lambda: ids(endpoint.taken) == ids(events), "those that came back")
    assert sink.stop() == 0
    sink.wait_for(lambda: alerts.exists() and alerts.read_text().split()[:2] == ["endpoint.down", "endpoint.up"], "two alerts")
    with capsys.disabled():
        print(f"\n{EVENTS} events, {tried} posts, {refused_before} dead letters, all sent back")


# What the endpoint refuses, redirects, and what is no event, become dead letters with their reason and origin, at once; all others pass.
def test_dead_letters(kafka, topic, endpoint, sinks):
    answers = {3: 400, 4: 404, 5: (302, {"Location": "http://127.0.0.1:1/"}), 6: (301, {"Location": "/"}), 7: 422}
    endpoint.behave = lambda one: answers.get(one["sequence"], 200)
    events = fill(kafka, topic, 20)
    for rubbish in ("hello", "{}", '{"eventId":"a\\nb","eventType":"x","payload":{}}', "[1]"):
        subprocess.run(["kcat", "-P", "-b", kafka, "-t", topic, "-p", "1"], input=rubbish, text=True, check=True)
    sink = sinks().start()
    sink.wait_for(lambda: len(letters(kafka, topic)) >= 9 and len(endpoint.taken) >= 15, "dead letters and events")
    assert sink.stop() == 0
    assert in_order(endpoint.taken) == ids(events) - {events[n]["eventId"] for n in answers} and len(endpoint.taken) == 15
    found = letters(kafka, topic)
    assert len(found) == 9
    every = records(kafka, topic)
    for letter in found:
        headers = letter["headers"]
        assert headers["dlq-topic"] == topic and headers["dlq-group"] == "data-platform" and headers["dlq-time"]
        source = next(one for one in every if (str(one["partition"]), str(one["offset"])) == (headers["dlq-partition"], headers["dlq-offset"]))
        assert (source["event"], source["key"]) == (letter["event"], letter["key"])
        if isinstance(letter["event"], dict) and letter["event"].get("sequence") in answers:
            how = answers[letter["event"]["sequence"]]
            assert int(headers["dlq-status"]) == (how[0] if isinstance(how, tuple) else how) and headers["dlq-attempts"] == "1"
        else:
            assert "not a public event" in headers["dlq-reason"] and headers["dlq-attempts"] == "0"


# An endpoint that recovers just between the last try of an event and the first of another one does not cost the event.
def test_recovers_between_two_tries(kafka, topic, endpoint, sinks):
    first, tries = [], 0

    def behave(one):
        nonlocal tries
        if not first:
            first.append(one["sequence"])
        mine = one["sequence"] == first[0]
        tries += mine
        return 503 if tries < 2 or (mine and tries == 2) else 200

    endpoint.behave = behave
    fill(kafka, topic, 12, users=12)
    sink = sinks("--attempts", "2").start()
    sink.wait_for(lambda: len(endpoint.taken) == 12, "all of them")
    assert sink.stop() == 0 and not letters(kafka, topic)


# One event that the endpoint never answers well becomes a dead letter once another one passes, not before; while all fail, none does.
@pytest.mark.parametrize("how", [500, HANG, CLOSE, GARBAGE, 429])
def test_one_poisonous_event(kafka, topic, endpoint, sinks, how):
    bad, all_fail = 5, threading.Event()
    all_fail.set()
    endpoint.behave = lambda one: how if one["sequence"] == bad else 503 if all_fail.is_set() else 200
    events = fill(kafka, topic, 12, users=12)
    sink = sinks("--attempts", "2", "--timeout-ms", "300").start()
    sink.wait_for(lambda: endpoint.asked >= 12, "tries")
    assert sink.process.poll() is None and not letters(kafka, topic)
    all_fail.clear()
    sink.wait_for(lambda: letters(kafka, topic) and len(endpoint.taken) >= 11, "the dead letter and the rest")
    assert sink.stop() == 0
    assert [one["event"]["sequence"] for one in letters(kafka, topic)] == [bad]
    assert ids(endpoint.taken) == ids(events) - {events[bad]["eventId"]}


# Retry-After is waited for.
def test_retry_after(kafka, topic, endpoint, sinks):
    times = []

    def busy(_):
        times.append(time.monotonic())
        return (429, {"Retry-After": "2"}) if len(times) == 1 else 200

    endpoint.behave = busy
    fill(kafka, topic, 1)
    sink = sinks().start()
    sink.wait_for(lambda: endpoint.taken, "the event")
    assert times[1] - times[0] >= 1.9 and sink.stop() == 0


# Sinks of one group are killed and started while events pass: each is taken, in order at its first taking.
def test_killed(kafka, topic, endpoint, sinks):
    endpoint.behave = lambda _: time.sleep(0.002) or 200
    events = fill(kafka, topic, 1500, users=50)
    group = [sinks("--kafka", "session.timeout.ms=6000", "--kafka", "heartbeat.interval.ms=500").start() for _ in range(2)]
    for number in range(6):
        time.sleep(0.5)
        group[number % 2].kill()
        group[number % 2].start()
    group[0].wait_for(lambda: len(ids(endpoint.taken)) >= 1500, "all events")
    assert [sink.wait_begun().stop() for sink in group] == [0, 0]
    assert in_order(endpoint.taken) == ids(events) and not letters(kafka, topic)


# From the journal through relay and topic to the endpoint: every charge arrives.
def test_behind_a_relay(engine, kafka, binary, endpoint, tmp_path, ledgerline):
    prefix = f"s{uuid.uuid4().hex[:8]}."
    relay = Relay(binary, engine.journal, kafka, tmp_path, "--prefix", prefix).start()
    users = [rich(engine, 1000) for _ in range(20)]
    name = f"{prefix}point.charged"
    relay.wait_for(lambda: name in wire.metadata(kafka)["topics"], "the topic")
    sink = Sink(binary, kafka, name, endpoint.url, tmp_path, "g").start()
    try:
        sink.wait_for(lambda: len(endpoint.taken) >= 20, "all charges")
        assert sink.stop() == 0 and relay.stop() == 0
    finally:
        sink.kill()
        relay.kill()
    wanted, _ = expected(ledgerline, engine.journal)
    assert ids(endpoint.taken) == {one["id"] for one in wanted if one["type"] == "point.charged"} and len(users) == 20


# What is wrong with the command line, or with the topic, is one sentence.
@pytest.mark.parametrize("options, status, said", [
    ({"--from": "kafka://localhost:9092"}, 2, "--from takes kafka://HOST:PORT,HOST:PORT/TOPIC"),
    ({"--from": "localhost:9092/x"}, 2, "--from takes kafka://"),
    ({"--to": "ftp://example.org/"}, 2, "no http:// or https:// URL"),
    ({"--to": "nowhere"}, 2, "no http:// or https:// URL"),
    ({"--header": "no colon"}, 2, "a header is `Name: value`"),
    ({"--attempts": "0"}, 2, "--attempts"),
    ({"--kafka": "enable.auto.commit=true"}, 2, "enable.auto.commit"),
    ({"--group": ""}, 2, "group"),
    ({"--from": "missing"}, 3, "no-such-topic"),
])
def test_bad_sink_options(ledgerline, kafka, topic, options, status, said):
    given = {"--from": f"kafka://{kafka}/{topic}", "--to": "http://127.0.0.1:1/", "--group": "g", **options}
    if given["--from"] == "missing":
        given["--from"] = f"kafka://{kafka}/no-such-topic"
    done = ledgerline("sink", *[word for pair in given.items() for word in pair], check=status)
    assert said in done.stderr and not done.stdout



def dlq(ledgerline, kafka, topic, verb, *arguments, check=0):
    done = ledgerline("dlq", verb, "--from", f"kafka://{kafka}/{topic}.dlq", *arguments, "--json", check=check)
    return json.loads(done.stdout) if done.stdout else done.stderr


# Dead letters are listed and shown; one is sent back to its topic, where the sink reads it again and its endpoint takes it now; the rest
# straight to the endpoint. A second time nothing is sent. What is no event is left, unless somebody asks for it; then it goes back to its
# topic only, and is refused again.
def test_redrive(kafka, topic, endpoint, sinks, ledgerline):
    refused = {2, 5, 7}
    endpoint.behave = lambda one: 400 if one["sequence"] in refused else 200
    events = fill(kafka, topic, 10)
    subprocess.run(["kcat", "-P", "-b", kafka, "-t", topic, "-p", "0"], input="rubbish", text=True, check=True)
    sink = sinks().start()
    sink.wait_for(lambda: len(letters(kafka, topic)) == 4 and len(endpoint.taken) == 7, "four dead letters")
    listed = dlq(ledgerline, kafka, topic, "list")["letters"]
    assert [one["redriven"] for one in listed] == [False] * 4
    assert {one["eventId"] for one in listed} == {events[n]["eventId"] for n in refused} | {None}
    first = next(one for one in listed if one["eventId"] == events[2]["eventId"])
    shown = dlq(ledgerline, kafka, topic, "show", str(first["offset"]))
    assert json.loads(shown["value"]) == events[2] and shown["key"] == "user-2" and shown["topic"] == topic
    assert (shown["status"], shown["attempts"], shown["group"]) == (400, 1, "data-platform") and "answered 400" in shown["reason"]
    assert [one["permanent"] for one in listed] == [one["eventId"] is None for one in listed]
    said = dlq(ledgerline, kafka, topic, "redrive", "--all", "--to", endpoint.url, check=1)
    assert said == {"redriven": 0, "already": 0, "failed": 3, "left": 1}
    refused.clear()
    assert dlq(ledgerline, kafka, topic, "redrive", str(first["offset"])) == {"redriven": 1, "already": 0, "failed": 0, "left": 0}
    sink.wait_for(lambda: events[2]["eventId"] in ids(endpoint.taken), "the one that came back")
    said = dlq(ledgerline, kafka, topic, "redrive", "--all", "--permanent", "--to", endpoint.url, check=1)
    assert said == {"redriven": 2, "already": 1, "failed": 1, "left": 0}
    done = ledgerline("dlq", "redrive", "--from", f"kafka://{kafka}/{topic}.dlq", "--all", check=0)
    assert "1 left: the record itself is at fault" in done.stderr and len(letters(kafka, topic)) == 4 + 3  # three marks
    assert dlq(ledgerline, kafka, topic, "redrive", "--all", "--permanent") == {"redriven": 1, "already": 3, "failed": 0, "left": 0}
    sink.wait_for(lambda: [one["redriven"] for one in dlq(ledgerline, kafka, topic, "list")["letters"]] == [True] * 4 + [False], "the rubbish again")
    assert len(dlq(ledgerline, kafka, topic, "list", "--open")["letters"]) == 1
    assert sink.stop() == 0
    assert sorted(one["sequence"] for one in endpoint.taken) == list(range(10))
    back = [one for one in records(kafka, topic) if "dlq-redriven-from" in one["headers"]]
    assert len(back) == 2 and all(not name.startswith("ledger-") for one in back for name in one["headers"])


def led_topic(kafka, partitions):
    """A new topic, once its partitions have leaders."""
    name = f"no-letters-{uuid.uuid4().hex[:8]}"
    wire.create_topic(kafka, name, partitions, 1, {})
    for partition in range(partitions):
        for _ in range(300):
            try:
                wire.offset(kafka, name, partition=partition)
                break
            except wire.Refused:
                time.sleep(0.1)
    return name


# Records without the headers of letters are none: they are counted, and not listed, shown or sent. A topic that has nothing else is told so, with
# where its letters are.
def test_records_that_are_no_letters(kafka, topic, endpoint, sinks, ledgerline):
    endpoint.behave = lambda one: 400
    fill(kafka, topic, 2)
    sink = sinks().start()
    sink.wait_for(lambda: len(letters(kafka, topic)) == 2, "two letters")
    assert sink.stop() == 0
    letters_of = f"kafka://{kafka}/{topic}.dlq"
    assert ledgerline("dlq", "list", "--from", letters_of, check=0).stderr == ""
    subprocess.run(["kcat", "-P", "-b", kafka, "-t", f"{topic}.dlq", "-p", "0"], input="by hand", text=True, check=True)
    done = ledgerline("dlq", "list", "--from", letters_of, "--json", check=0)
    assert [one["offset"] for one in json.loads(done.stdout)["letters"]] == [0, 1]
    assert f"1 records of {topic}.dlq are no dead letters" in done.stderr
    assert "no letter at offset 2" in ledgerline("dlq", "redrive", "--from", letters_of, "2", check=1).stderr
    wrong = led_topic(kafka, 1)
    assert ledgerline("dlq", "list", "--from", f"kafka://{kafka}/{wrong}", check=0).stderr == ""
    fill(kafka, wrong, 3)
    for words in (["list"], ["show", "0"], ["redrive", "0"], ["redrive", "--all"]):
        said = ledgerline("dlq", *words, "--from", f"kafka://{kafka}/{wrong}", check=1).stderr
        assert f"none of the 3 records of {wrong} is a dead letter" in said and f"{wrong}.dlq" in said and said.count("\n") == 1
    assert len(records(kafka, wrong)) == 3
    wide = led_topic(kafka, 3)
    said = ledgerline("dlq", "list", "--from", f"kafka://{kafka}/{wide}", check=1).stderr
    assert f"{wide} has 3 partitions, and a topic of dead letters has one; those of that topic are in {wide}.dlq" in said
    for partition in "0012":
        subprocess.run(["kcat", "-P", "-b", kafka, "-t", wide, "-p", partition], input="x", text=True, check=True)
    said = ledgerline("dlq", "list", "--from", f"kafka://{kafka}/{wide}", check=1).stderr
    assert f"none of the 2 records of {wide} in its first partition is a dead letter" in said


# What is wrong with a command of dlq is one sentence.
def test_bad_dlq_options(ledgerline, kafka, topic):
    for words, status, said in (
        (["list", "--from", f"kafka://{kafka}/none.dlq"], 3, "none.dlq"),
        (["list", "--from", "x"], 2, "--from takes kafka://"),
        (["show", "--from", f"kafka://{kafka}/{topic}", "first"], 2, "an offset is a number"),
        (["show", "--from", f"kafka://{kafka}/{topic}", "7"], 1, "no letter at offset 7"),
        (["redrive", "--from", f"kafka://{kafka}/{topic}"], 2, "give an offset, or --all"),
        (["redrive", "--from", f"kafka://{kafka}/{topic}", "--all", "--to", "x:y"], 2, "no http:// or https:// URL"),
        (["redrive", "--from", f"kafka://{kafka}/{topic}", "7", "--permanent"], 2, "--permanent goes with --all"),
    ):
        done = ledgerline("dlq", *words, check=status)
        assert said in done.stderr and not done.stdout, words


# --metrics: what was taken, tried again and buried, and that the endpoint is down.
def test_metrics(kafka, topic, endpoint, sinks):
    endpoint.behave = lambda one: 400 if one["sequence"] == 3 else 200
    fill(kafka, topic, 20)
    subprocess.run(["kcat", "-P", "-b", kafka, "-t", topic, "-p", "1"], input="hello", text=True, check=True)
    sink = sinks("--metrics", "127.0.0.1:0").start()
    sink.wait_for(lambda: shown(sink)[0]["ledgerline_sink_delivered_total"] == 19, "nineteen events")
    letters_of = 'ledgerline_sink_dead_letters_total{reason="%s"}'
    sink.wait_for(lambda: shown(sink)[0][letters_of % "no_event"] == 1, "the letter that is no event")
    sink.wait_for(lambda: shown(sink)[0]["ledgerline_sink_waiting_events"] == 0, "nothing that waits")
    metrics, status, health = shown(sink)
    assert metrics[letters_of % "refused"] == 1 and metrics[letters_of % "attempts"] == 0
    assert metrics["ledgerline_sink_partitions"] == 3 and metrics["ledgerline_sink_lag_seconds"] == 0
    assert (status, health, metrics["ledgerline_sink_endpoint_down_info"]) == (200, {"status": "ok"}, 0)
    endpoint.behave = lambda _: 503
    fill(kafka, topic, 5, first=20)
    sink.wait_for(lambda: shown(sink)[1] == 503, "a word that the endpoint is down")
    metrics = shown(sink)[0]
    assert metrics["ledgerline_sink_endpoint_down_info"] == 1 and metrics["ledgerline_sink_failed_tries_total"] >= 3
    assert metrics["ledgerline_sink_waiting_events"] > 0 and metrics["ledgerline_sink_lag_seconds"] > 0
    endpoint.behave = lambda _: 200
    sink.wait_for(lambda: shown(sink)[0]["ledgerline_sink_delivered_total"] == 24, "the rest")
    assert sink.stop() == 0
