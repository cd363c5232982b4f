"""Brokers that die or stand still under relay, sink and intake: each says so soon, goes on when they are back, and ends when it is told to, whether they
are there or not."""

import json
import signal
import subprocess
import uuid

import pytest
from endpoint import Endpoint
from engine import Engine
from public import Relay
from test_relay import shown
from world import rich

GIVE_UP_SECONDS = 20  # an end that waits for brokers until they are given up takes longer


@pytest.fixture(params=["killed", "paused"])
def brokers(request, cluster):
    """Go away, and come back."""
    return Brokers(cluster, request.param)


class Brokers:
    def __init__(self, cluster, way):
        self.cluster, self.node, self.way = cluster, cluster.node(1), way
        self.bootstrap = cluster.bootstrap

    def __enter__(self):
        self.node.kill() if self.way == "killed" else self.node.pause()

    def __exit__(self, *_):
        self.node.start() if self.way == "killed" else self.node.resume()
        self.cluster.wait_ready()

    def produce(self, topic, value):
        subprocess.run(["kcat", "-P", "-b", self.bootstrap, "-t", topic], input=f"{json.dumps(value)}\n", text=True, check=True)


def ends(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(GIVE_UP_SECONDS) == 0


class Course:
    """One of the three, with a piece of work for it: give() hands it over, done() is how many were done by its metrics."""

    def __init__(self, binary, brokers, place, *command):
        self.member = Relay(binary, "", "", place)
        self.member.command = [str(binary), *command, "--metrics", "127.0.0.1:0"]
        self.brokers = brokers

    def start(self):
        self.member.start()
        self.member.wait_for(lambda: self.member.errors().count("metrics.listening") == self.member.starts, "metrics")

    def health(self):
        _, status, body = shown(self.member)
        return status, body.get("reason")

    def gets_on(self):
        before = self.done()
        self.give()
        self.member.wait_for(lambda: self.done() > before, "work to be done")
        self.member.wait_for(lambda: self.health() == (200, None), "health")

    def says_so(self):
        self.member.wait_for(lambda: self.health()[0] == 503, "a word that brokers are away")
        assert self.brokers.bootstrap in self.health()[1]


@pytest.fixture
def server(binary, tmp_path):
    engine = Engine(binary, tmp_path / "data").start()
    yield engine
    engine.kill()


@pytest.fixture(params=["relay", "sink", "intake"])
def course(request, binary, brokers, server, tmp_path):
    at, topic = f"kafka://{brokers.bootstrap}", f"{request.param}-{uuid.uuid4().hex[:8]}"
    endpoint = Endpoint()
    if request.param == "relay":
        made = Course(binary, brokers, tmp_path, "relay", "--data", server.data, "--to", at, "--prefix", f"{topic}.")
        made.give = lambda: rich(server, 1000)
        made.done = lambda: shown(made.member)[0]['ledgerline_relay_events_total{type="point.charged"}']
    else:
        brokers.cluster.create_topic(topic)
        to = endpoint.url if request.param == "sink" else server.url
        made = Course(binary, brokers, tmp_path, request.param, "--from", f"{at}/{topic}", "--to", to, "--group", topic)
        made.member.command += ["--kafka", "session.timeout.ms=6000"]  # one that left without a word is soon forgotten
        event = {"eventId": "e", "eventType": "x", "payload": {}}
        made.give = lambda: brokers.produce(topic, event if request.param == "sink" else {"id": uuid.uuid4().hex, "type": "user.register", "userId": "kim"})
        made.done = lambda: shown(made.member)[0][
            "ledgerline_sink_delivered_total" if request.param == "sink" else "ledgerline_intake_replies_total"
        ]
    yield made
    made.member.kill()
    endpoint.close()


# In the middle of its work, idle: it says that brokers are away, and goes on by itself when they are back. It ends when it is told to, also while
# they are away; and so when they were away from its start on.
def test_go_away(brokers, course):
    member = course.member
    course.start()
    course.gets_on()
    with brokers:
        course.says_so()
    course.gets_on()
    with brokers:
        ends(member.process)
        course.start()
        course.says_so()
        ends(member.process)
    course.start()
    course.gets_on()
    ends(member.process)


# An engine that relays ends when it is told to, with events under way that no broker takes.
def test_engine_ends(binary, brokers, tmp_path):
    engine = Engine(binary, tmp_path / "data", options=("--relay", f"kafka://{brokers.bootstrap}", "--relay-prefix", f"{uuid.uuid4().hex[:8]}."))
    relay = lambda: engine.status()["relay"]  # noqa: E731
    try:
        engine.start()
        rich(engine, 1000)
        engine.wait_for(lambda: relay()["published"] > 0, "events")
        with brokers:
            rich(engine, 1000)
            engine.wait_for(lambda: relay()["state"] == "waiting" and brokers.bootstrap in relay()["lastError"], "a word that brokers are away")
            ends(engine.process)
            engine.start()
            engine.wait_for(lambda: relay()["state"] == "starting", "the relay to begin")
            ends(engine.process)
    finally:
        engine.kill()
