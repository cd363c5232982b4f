"""Each rule of docs/monitoring/alerts.yml is provoked: engines are brought into the situation that it is for, what they show at /metrics is
given to Prometheus' own promtool, and the rule's expression holds there; beside it, it does not hold where all is well.

A story is one course of things; it keeps what was scraped at its moments. A moment is ten minutes of scrapes, one a minute: nine times what
there was at first, then what there is now. `for:` is not waited out, nor is what a rule says in seconds of standing still (SHORTER).
"""

import json
import os
import re
import resource
import subprocess
import threading
import time
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path

import lmdb
import msgpack
import packages
import pytest
import yaml
from certificates import Authority
from endpoint import Endpoint
from engine import Engine, run
from holders import Holder, Keys, as_role
from public import Relay
from test_relay import watched_at

RULES = Path(__file__).resolve().parents[2] / "docs" / "monitoring" / "alerts.yml"
CHARGE = {"userId": "kim", "amount": 5000}

# (rule, story, moment): where it is provoked.
PROVOKED = [
    ("LedgerlineNobodyLeads", "leaders", "headless"),
    ("LedgerlineEngineLost", "leaders", "headless"),
    ("LedgerlineEngineLost", "mirror", "leaderless"),
    ("LedgerlineDown", "leaders", "headless"),
    ("LedgerlineNoStandby", "leaders", "alone"),
    ("LedgerlineForeignRecords", "brokers", "intruded"),
    ("LedgerlineAppendSlow", "brokers", "paused"),
    ("LedgerlineRequestsSlow", "brokers", "paused"),
    ("LedgerlineOverloaded", "brokers", "paused"),
    ("LedgerlineBeginningGone", "brokers", "beheaded"),
    ("LedgerlineProjectionStopped", "machine", "poisoned"),
    ("LedgerlineProjectionLags", "machine", "poisoned"),
    ("LedgerlineReadersFull", "machine", "crowded"),
    ("LedgerlineReaderHolds", "machine", "crowded"),
    ("LedgerlineRelayLags", "machine", "crowded"),
    ("LedgerlineAppendFails", "machine", "full"),
    ("LedgerlineWrongKeys", "machine", "attacked"),
    ("LedgerlineKeysStale", "machine", "attacked"),
    ("LedgerlineCertificateEnds", "machine", "attacked"),
    ("LedgerlineRelayFails", "outside", "failing"),
    ("LedgerlineBrokersFail", "outside", "failing"),
    ("LedgerlineSinkDeadLetters", "outside", "failing"),
    ("LedgerlineIntakeDeadLetters", "outside", "failing"),
    ("LedgerlineSinkEndpointDown", "outside", "failing"),
    ("LedgerlineIntakeEnginesDown", "outside", "failing"),
]
# What is not waited out: the longest that a test stands still, in seconds.
SHORTER = {"LedgerlineReaderHolds": ("> 60", "> 4"), "LedgerlineRelayLags": ("> 30", "> 4")}


def rules():
    return {rule["alert"]: rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


# ---- scrapes ----


class Member(Relay):
    """A relay, sink or intake that runs alone."""

    def __init__(self, binary, place, *command):
        super().__init__(binary, "", "", place)
        self.command = [str(binary), *command, "--metrics", "127.0.0.1:0"]

    def metrics(self):
        with urllib.request.urlopen(f"{watched_at(self)}/metrics", timeout=30) as answer:
            return answer.read().decode()


def scrape(engine):
    """What Prometheus gets: series by name and labels; `up` is its own."""
    asked = engine.engine if isinstance(engine, Holder) else engine
    if not isinstance(asked, Member) and not asked.running:
        return {"up": "0"}
    lines = (asked.metrics() if isinstance(asked, Member) else engine.get("/metrics").body.decode()).splitlines()
    return {"up": "1", **dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))}


def labelled(series, instance):
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{{labels}{"," if labels else ""}instance="{instance}",job="ledgerline"}}'


class Story:
    def __init__(self, **engines):
        self.engines, self.moments, self.first = engines, {}, {}
        self.begin()

    def begin(self):
        """What comes later is held against this."""
        self.first = {name: scrape(engine) for name, engine in self.engines.items()}

    def moment(self, name):
        self.moments[name] = (self.first, {instance: scrape(engine) for instance, engine in self.engines.items()}, time.time())

    def series(self, name):
        first, last, _ = self.moments[name]
        for instance in last:
            for series in {**first[instance], **last[instance]}:
                before, after = first[instance].get(series, "_"), last[instance].get(series, "stale")
                yield {"series": labelled(series, instance), "values": " ".join([before] * 9 + [after])}


def holds(promtool, place, asked):
    """Of [(story, moment, expression)]: does it hold there, by promtool? It tells those that do not."""
    tests = []
    for story, moment, expression in asked:
        now = story.moments[moment][2]
        expression = expression.replace("time()", f"{now:.0f}")  # promtool's clock begins at 0
        one = {"expr": f"(count({expression}) > bool 0) or vector({len(tests)} * 0)", "eval_time": "9m"}
        one["exp_samples"] = [{"labels": "{}", "value": 1}]
        tests.append({"interval": "1m", "input_series": list(story.series(moment)), "promql_expr_test": [one]})
    file = place / "asked.yml"
    file.write_text(yaml.dump({"rule_files": [], "evaluation_interval": "1m", "tests": tests}, Dumper=yaml.CSafeDumper))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    said = done.stdout + done.stderr
    not_so = {int(number) for number in re.findall(r"vector\((\d+) \* 0\)\", time: 9m,\s+exp: \{\} 1E\+00\s+got: \{\} 0E\+00", said)}
    assert (done.returncode == 0) == (not not_so) and said.count("expr:") == len(not_so), said
    return [number not in not_so for number in range(len(tests))]


@pytest.fixture(scope="module")
def promtool():
    try:
        return packages.debian("prometheus", ["usr/bin/promtool"]) / "usr" / "bin" / "promtool"
    except packages.Unavailable as why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no promtool ({why}), and CI=true, where that is a failure", pytrace=False)
        pytest.skip(f"no promtool: {why}")


# ---- the stories ----


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("alerts")


@pytest.fixture(scope="module")
def start(binary, place):
    made = []

    def begin(name, journal=None, *options):
        made.append(Engine(binary, place / name, journal, options).start())
        return made[-1]

    yield begin
    for engine in made:
        engine.kill()


def journal_on(binary, cluster):
    name = f"alerts-{uuid.uuid4().hex[:8]}"
    run(binary, "journal", "create", f"kafka://{cluster.bootstrap}/{name}", check=0)
    return f"kafka://{cluster.bootstrap}/{name}", f"{name}.journal"


@pytest.fixture(scope="module")
def keys(binary, place):
    return Keys(binary, place / "keys").all_roles()


# Two engines with keys and certificates: all is well. The one that would take over ends, and comes back; the leader dies while the
# broker stands still, so that nobody can take over.
@pytest.fixture(scope="module")
def leaders(binary, place, start, cluster, keys):
    url, _ = journal_on(binary, cluster)
    ca = Authority(place / "ca")
    options = ("--keys", keys.path, "--peer-key", keys.file_of("the-operator"), "--tls-ca", ca.file)
    options += tuple(ca.sign("well", "IP:127.0.0.1", days=90).options)

    def further(name):
        engine = start(name, url, *options)
        engine.tls = ca.context()
        return engine, as_role(engine, keys, "operator")

    (one, asked_one), (two, asked_two) = further("one"), further("two")
    one.wait_for(lambda: scrape(asked_one)["ledgerline_standbys"] == "1", "a standby to be known")
    story = Story(one=asked_one, two=asked_two)
    assert as_role(one, keys, "client").post("/api/points/charge", CHARGE).status == 200
    story.moment("well")
    assert two.stop() == 0
    one.wait_for(lambda: scrape(asked_one)["ledgerline_standbys"] == "0", "the standby to be missed")
    story.moment("alone")
    two.start()
    one.wait_for(lambda: scrape(asked_one)["ledgerline_standbys"] == "1", "the standby to be back")
    story.begin()
    cluster.node(1).pause()
    try:
        one.kill()
        two.wait_for(lambda: scrape(asked_two)["ledgerline_leader_known_info"] == "0", "the leader to be missed")
        story.moment("headless")
    finally:
        cluster.node(1).resume()
        two.kill()
    return story


def crowd_in(engine, count):
    """So many commands, which wait together: each thread sends what one request may have."""
    body = msgpack.packb([{"type": "reservation.create", "userId": "kim", "scheduleId": "none", "seatNo": 1}] * 10000)
    ask = lambda: engine.post("/api/commands", body, headers={"Content-Type": "application/msgpack"})  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(count // 10000)]
    [thread.start() for thread in threads]
    return threads


# Somebody writes into the topic; the broker stands still, with a command on its way and more behind it than may wait; the topic's beginning
# is deleted.
@pytest.fixture(scope="module")
def brokers(binary, start, cluster):
    url, topic = journal_on(binary, cluster)
    engine = start("brokers", url)
    story = Story(engine=engine)
    subprocess.run(["kcat", "-P", "-b", cluster.bootstrap, "-t", topic, "-p", "0"], input="hello\n", text=True, check=True)
    engine.wait_for(lambda: engine.status()["journal"]["void"]["foreign"] == 1, "the record to be seen")
    story.moment("intruded")
    cluster.node(1).pause()
    try:
        sending = [threading.Thread(target=engine.post, args=("/api/points/charge", CHARGE))]
        sending[0].start()
        engine.wait_for(lambda: scrape(engine)["ledgerline_waiting_commands"] == "1", "the command to be under way")
        stands_since = time.monotonic()
        sending += crowd_in(engine, 210000)
        engine.wait_for(lambda: scrape(engine)["ledgerline_overloaded_total"] != "0", "commands to be refused")
        time.sleep(max(0, 1.2 - (time.monotonic() - stands_since)))  # longer than the rules allow
    finally:
        cluster.node(1).resume()
    [thread.join() for thread in sending]
    story.moment("paused")
    cluster.delete_records(topic, 1)
    engine.wait_for(lambda: scrape(engine)["ledgerline_journal_low_offset"] == "1", "the beginning to be missed")
    story.moment("beheaded")
    return story


@contextmanager
def reading(generation, count):
    with lmdb.open(str(generation.resolve()), readonly=True, max_dbs=32, lock=True, max_spare_txns=0) as environment:
        pinned = [environment.begin() for _ in range(count)]
        yield
        [one.abort() for one in pinned]


def poison(binary, url, kind):
    done = subprocess.run([binary.parent / "tests" / "tools" / "poison", url, kind], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def no_more_room(engine):
    """No file of the engine's grows: as on a full disk, but that nobody need be root."""
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    yield
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def without_signal(binary, place):
    """The program, but a file that may not grow is an error to it and not its end."""
    script = place / "ledgerline"
    script.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec {binary} \"$@\"\n")
    script.chmod(0o755)
    return script


def attack(engine, keys, count):
    """What is not even of a key's form is refused at once."""
    for _ in range(count):
        assert Holder(engine, "not-a-key").get("/api/concerts").code == "KEY_INVALID"


# One engine with an embedded journal: an entry that the history cannot fold, and ten thousand behind it; readers that do not let go;
# a relay whose broker stands still; a file of keys that is damaged, a certificate that ends, and somebody who guesses; a full disk.
@pytest.fixture(scope="module")
def machine(binary, place, cluster):
    ca, own = Authority(place / "ca-of-one"), Keys(binary, place / "keys-of-one").all_roles()
    journal = f"local:{place / 'machine' / 'journal'}"
    options = ("--keys", own.path, "--relay", f"kafka://{cluster.bootstrap}", "--relay-replication", "1", *ca.sign("ending", "IP:127.0.0.1", days=9).options)
    engine = Engine(without_signal(binary, place), place / "machine", journal, options)
    engine.tls = ca.context()
    try:
        yield play(engine.start(), binary, own, journal, cluster.node(1))
    finally:
        cluster.node(1).resume()
        engine.kill()


def play(engine, binary, keys, journal, broker):
    client, operator = as_role(engine, keys, "client"), as_role(engine, keys, "operator")
    assert client.post("/api/points/charge", CHARGE).status == 200
    assert engine.stop() == 0
    poison(binary, journal, "crowd")
    engine.start()
    story = Story(engine=operator)
    engine.wait_for(lambda: scrape(operator)["ledgerline_relay_working_info"] == "1", "the relay to work")
    broker.pause()
    with reading(engine.data / "projections" / "balances" / "current", 480):
        for _ in range(11):
            client.command(*[{"type": "points.charge", **CHARGE}] * 1000)
        story.moment("poisoned")
        attack(engine, keys, 320)
        keys.path.write_text("nonsense\n")
        engine.wait_for(lambda: scrape(operator)["ledgerline_access_stale_info"] == "1", "what is wrong with the file to be told")
        story.moment("attacked")
        held = 'ledgerline_projection_reader_held_seconds{projection="balances"}'
        engine.wait_for(lambda: float(scrape(operator)[held]) >= 5, "readers to be told")
        engine.wait_for(lambda: float(scrape(operator)["ledgerline_relay_lag_seconds"]) >= 5, "events to be late")
        story.moment("crowded")
    broker.resume()
    with no_more_room(engine):
        before = float(scrape(operator)["ledgerline_append_failures_total"])
        for _ in range(3):
            assert client.post("/api/points/charge", CHARGE).code == "JOURNAL_UNAVAILABLE"
        assert float(scrape(operator)["ledgerline_append_failures_total"]) == before + 3
        story.moment("full")
    assert engine.wait_for(lambda: client.post("/api/points/charge", CHARGE).status == 200, "room to be found again")
    return story


# An engine that only follows: the leader lives, and is killed.
@pytest.fixture(scope="module")
def mirror(binary, start, cluster):
    url, _ = journal_on(binary, cluster)
    leader, follower = start("leads", url), start("follows", url, "--follow")
    follower.wait_for(lambda: scrape(follower)["ledgerline_leader_known_info"] == "1", "the leader to be seen")
    story = Story(engine=follower)
    story.moment("well")
    leader.kill()
    follower.wait_for(lambda: scrape(follower)["ledgerline_leader_known_info"] == "0", "the leader to be missed")
    story.moment("leaderless")
    return story


@pytest.fixture(scope="module")
def endpoint():
    made = Endpoint()
    yield made
    made.close()


def produce(cluster, topic, *values):
    subprocess.run(["kcat", "-P", "-b", cluster.bootstrap, "-t", topic], input="\n".join(values) + "\n", text=True, check=True)


# A relay, a sink and an intake that run alone, and get on. Then records come that are neither event nor command, the endpoint fails,
# the engine is killed, and the broker stands still.
@pytest.fixture(scope="module")
def outside(binary, place, start, cluster, endpoint):
    engine, at = start("served"), f"kafka://{cluster.bootstrap}"
    for topic in ("alerts.events", "alerts.commands"):
        cluster.create_topic(topic)
    relay = Member(binary, place, "relay", "--data", engine.data, "--to", at)
    sink = Member(binary, place, "sink", "--from", f"{at}/alerts.events", "--to", endpoint.url, "--group", "sink")
    intake = Member(binary, place, "intake", "--from", f"{at}/alerts.commands", "--to", engine.url, "--group", "intake")
    try:
        yield play_outside(Story(relay=relay.start(), sink=sink.start(), intake=intake.start()), engine, endpoint, cluster)
    finally:
        cluster.node(1).resume()
        [one.kill() for one in (relay, sink, intake)]


def play_outside(story, engine, endpoint, cluster):
    event, charge = json.dumps({"eventId": "e", "eventType": "x", "payload": {}}), json.dumps({"id": "c", "type": "points.charge", **CHARGE})

    def produce(to_sink, to_intake):
        for topic, value in (("alerts.events", to_sink), ("alerts.commands", to_intake)):
            subprocess.run(["kcat", "-P", "-b", cluster.bootstrap, "-t", topic], input=f"{value}\n", text=True, check=True)

    def await_all(relay, sink, intake, value):
        for name, metric in (("relay", relay), ("sink", sink), ("intake", intake)):
            one, series = story.engines[name], f"ledgerline_{name}_{metric}"
            one.wait_for(lambda one=one, series=series: scrape(one)[series] == value, f"{series} {value}")

    produce(event, charge)
    await_all('events_total{type="point.charged"}', "delivered_total", 'commands_total{outcome="accepted"}', "1")
    story.begin()
    story.moment("well")
    produce("no event", "no command")
    await_all("working_info", 'dead_letters_total{reason="no_event"}', 'dead_letters_total{reason="poison"}', "1")
    endpoint.behave = lambda _: 503
    engine.kill()
    produce(event, charge)
    await_all("working_info", "endpoint_down_info", "engines_down_info", "1")
    cluster.node(1).pause()
    await_all("failing_info", "failing_info", "failing_info", "1")
    story.moment("failing")
    return story


# ---- the rules ----


def test_every_rule_is_provoked():
    assert set(rules()) == {rule for rule, _, _ in PROVOKED}


def test_rules_are_sound(promtool):
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("story", ["leaders", "mirror", "brokers", "machine", "outside"])
def test_story(story, promtool, request, place):
    told = request.getfixturevalue(story)
    well = told if "well" in told.moments else request.getfixturevalue("leaders")
    asked = [(rule, moment, rules()[rule]) for rule, where, moment in PROVOKED if where == story]
    for name, (long, short) in SHORTER.items():
        assert all(long in expression for rule, _, expression in asked if rule == name)
        asked = [(rule, moment, expression.replace(long, short) if rule == name else expression) for rule, moment, expression in asked]
    provoked = holds(promtool, place, [(told, moment, expression) for _, moment, expression in asked])
    assert [rule for (rule, _, _), is_so in zip(asked, provoked) if not is_so] == []
    at_rest = holds(promtool, place, [(well, "well", expression) for _, _, expression in asked])
    assert [rule for (rule, _, _), is_so in zip(asked, at_rest) if is_so] == []
