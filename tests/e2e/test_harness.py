"""The harness itself: brokers that other tests may rely on, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KAFKA = Path(__file__).resolve().parent.parent / "kafka"
sys.path.insert(0, str(KAFKA))

import processes  # noqa: E402
import wire  # noqa: E402
from engine import DidNotStart, Engine, parse_metrics  # noqa: E402


def produce(brokers, topic, *lines):
    subprocess.run(
        ["kcat", "-P", "-b", brokers, "-t", topic, "-p", "0", "-X", "acks=all", "-X", "message.timeout.ms=60000"],
        input="\n".join(lines),
        text=True,
        check=True,
    )


def consume(brokers, topic):
    done = subprocess.run(
        ["kcat", "-C", "-q", "-e", "-b", brokers, "-t", topic, "-p", "0", "-o", "beginning"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


# What was acknowledged by the shared broker is read back in its order.
def test_one_broker(kafka):
    broker, topic = kafka.split(",")[0], f"harness-{os.getpid()}"
    wire.create_topic(broker, topic, settings={"retention.ms": -1})
    produce(kafka, topic, "one", "two", "three")
    assert consume(kafka, topic) == ["one", "two", "three"]
    wire.delete_topic(broker, topic)


# A broker of one's own can be killed, paused and started again, and keeps what it acknowledged; topics can be changed.
def test_broker_faults(kafka_cluster):
    cluster = kafka_cluster()
    cluster.create_topic("t")
    produce(cluster.bootstrap, "t", "one", "two")
    node = cluster.node(1)
    node.kill()
    assert not node.running
    node.start()
    cluster.wait_ready()
    node.pause()
    with open(f"/proc/{node.process.pid}/stat") as stat:
        assert stat.read().rsplit(")", 1)[1].split()[0] == "T"
    node.resume()
    assert consume(cluster.bootstrap, "t") == ["one", "two"]
    cluster.alter_topic("t", {"retention.ms": 60000})
    cluster.delete_records("t", 1)
    assert wire.offset(node.address, "t", wire.EARLIEST) == 1
    assert cluster.end_offset("t") == 2
    with pytest.raises(wire.Refused):
        cluster.create_topic("t")


# Three brokers go on when the leader of a partition is killed, and take it back afterwards.
def test_three_brokers(kafka_cluster):
    cluster = kafka_cluster(nodes=3)
    cluster.create_topic("t", replication=3)
    produce(cluster.bootstrap, "t", "one")
    leader = cluster.leader("t")
    leader.kill()
    cluster.wait_ready()
    assert cluster.leader("t").number != leader.number
    produce(cluster.bootstrap, "t", "two")
    leader.start()
    cluster.wait_ready()
    assert consume(cluster.bootstrap, "t") == ["one", "two"]


# Brokers die with the test that started them, and their directory goes with the next start, when that test was killed.
def test_nothing_is_left(kafka):
    script = f"""
import sys; sys.path.insert(0, {str(KAFKA)!r})
from kafka import Cluster
cluster = Cluster().start()
print(cluster.nodes[0].process.pid, cluster.directory, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as test:
        pid, directory = test.stdout.readline().split()
        assert processes.alive(int(pid)) and Path(directory).exists()
        test.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    processes.directory("kafka").rmdir()
    assert not Path(directory).exists()


ENGINE = """#!/usr/bin/python3
import http.server, sys
data = sys.argv[sys.argv.index("--data") + 1]
if "broken" in data:
    sys.exit("ledgerline: cannot serve")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Ledger-Position", "0:7")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path):
    """A program that behaves as `serve` does, as far as class Engine can see."""
    path = tmp_path / "stand-in"
    path.write_text(ENGINE)
    path.chmod(0o755)
    return path


# class Engine starts, asks over one kept connection, kills and starts again what keeps to the contract of `serve`.
def test_engine_class(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.witness", None)  # what stands in has another document
    engine = Engine(stand_in, tmp_path / "data")
    engine.start()
    first = engine.post("/x", {"a": 1})
    sock = engine.connection().sock
    assert (first.status, first.json, first.position) == (201, {"a": 1}, "0:7")
    assert engine.post("/x", {}).status == 201 and engine.connection().sock is sock
    engine.kill()
    assert not engine.running
    with pytest.raises(OSError):
        engine.post("/x", {})
    engine.start()
    assert engine.post("/x", {}).status == 201
    assert engine.stop() == -signal.SIGTERM


# An engine that ends before it listens is reported with its status and its words.
def test_engine_that_does_not_start(stand_in, tmp_path):
    with pytest.raises(DidNotStart) as failed:
        Engine(stand_in, tmp_path / "broken").start()
    assert failed.value.status == 1 and "cannot serve" in failed.value.err


# Metrics come as numbers by name and labels.
def test_metrics():
    assert parse_metrics('# HELP a b\na_total 3\nb{x="y z"} 0.5\n') == {"a_total": 3.0, 'b{x="y z"}': 0.5}
