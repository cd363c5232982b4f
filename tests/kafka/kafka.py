#!/usr/bin/python3
"""Real Kafka brokers for tests: KRaft, on free loopback ports, in a temporary directory, gone when the test is.

	kafka.py run [--nodes N] [--setting NAME=VALUE]... -- COMMAND   runs COMMAND with LEDGERLINE_TEST_KAFKA=host:port,...
	kafka.py serve [--nodes N] [--setting NAME=VALUE]...            prints host:port,... and serves until it is stopped
	kafka.py fetch                                                  gets Kafka into the cache

As a module: `with Cluster(nodes=3) as cluster:` and then cluster.bootstrap, cluster.node(1).kill(), .pause(), .resume(),
.start(), cluster.wait_ready(), and for topics cluster.create_topic() and the rest below.

Where LEDGERLINE_TEST_KAFKA is set already, `run` starts nothing. Where no Kafka can be had (no network and no cache),
`run` says so loudly, and runs COMMAND without it and with LEDGERLINE_TEST_KAFKA_MISSING=the reason: its Kafka tests are
then skipped. With CI=true it fails instead.
"""

import argparse
import atexit
import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import processes  # noqa: E402
import wire  # noqa: E402
from jars import Unavailable, jars  # noqa: E402

HERE = Path(__file__).resolve().parent
# One core's worth of compiling less at start, which is what a test waits for. Measurements take --full-speed.
QUICK_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
READY_SECONDS = 120
START_TRIES = 3

SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={log}
auto.create.topics.enable=false
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
default.replication.factor={replicas}
min.insync.replicas={in_sync}
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
"""


class PortTaken(Exception):
    """Somebody took a port between our choosing it and the broker's binding it."""


def free_ports(count):
    """Ports that nobody has now. All are held until all are chosen, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Node:
    """One broker. kill and pause act on its process at once; after start, ask the cluster's wait_ready."""

    def __init__(self, cluster, number, port, controller_port):
        self.cluster, self.number, self.port, self.controller_port = cluster, number, port, controller_port
        self.directory = cluster.directory / f"node{number}"
        self.directory.mkdir(parents=True)
        self.settings = self.directory / "server.properties"
        self.output = self.directory / "output"
        self.process = None
        self.paused = False

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        if self.running:
            return
        with open(self.output, "ab") as output:
            self.process = processes.spawn(
                self.cluster.java("kafka.Kafka", self.settings), stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        self.paused = False

    def kill(self):
        """kill -9, and waits until the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Asks it to stop in order, and waits."""
        if self.running:
            self.resume()
            self.process.terminate()
            self.process.wait(timeout=60)

    def pause(self):
        processes.pause(self.process.pid)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def last_words(self):
        return self.output.read_text(errors="replace")[-4000:] if self.output.exists() else ""


class Cluster:
    """1 or 3 brokers. Raises Unavailable when there is no Kafka to start. In settings {port} and {controller_port} stand for each broker's own."""

    def __init__(self, nodes=1, settings=None, full_speed=False):
        self.libs = jars()
        self.count, self.settings = nodes, settings or {}
        self.java_options = ["-Xmx768m"] if full_speed else ["-Xmx512m", *QUICK_START]
        self.directory, self.nodes = None, []

    # ---- its life ----

    def start(self):
        atexit.register(self.stop)
        for attempt in range(1, START_TRIES + 1):
            try:
                self.prepare()
                for node in self.nodes:
                    node.start()
                self.wait_ready()
                return self
            except PortTaken:
                self.stop()
                if attempt == START_TRIES:
                    raise
            except BaseException:
                self.stop()
                raise

    def stop(self):
        """Ends all brokers and removes their directory. Their data is worth nothing, so they are killed."""
        for node in self.nodes:
            node.kill()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.nodes, self.directory = [], None
        atexit.unregister(self.stop)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def prepare(self):
        self.directory = processes.directory("kafka")
        numbers, ports = range(1, self.count + 1), free_ports(2 * self.count)
        self.nodes = [Node(self, n, ports[2 * n - 2], ports[2 * n - 1]) for n in numbers]
        voters = ",".join(f"{node.number}@127.0.0.1:{node.controller_port}" for node in self.nodes)
        formatting = []
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for node in self.nodes:
            text = SETTINGS.format(
                node=node.number,
                voters=voters,
                port=node.port,
                controller_port=node.controller_port,
                log=node.directory / "log",
                replicas=min(self.count, 3),
                in_sync=2 if self.count > 2 else 1,
            )
            own = {"{port}": str(node.port), "{controller_port}": str(node.controller_port)}
            for name, value in self.settings.items():
                for word, number in own.items():
                    value = str(value).replace(word, number)
                text += f"{name}={value}\n"
            node.settings.write_text(text)
            # With =, as an id may begin with a dash.
            command = self.java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", node.settings)
            formatting.append(
                processes.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            )
        for process in formatting:
            said, _ = process.communicate(timeout=READY_SECONDS)
            if process.returncode:
                raise RuntimeError(f"Kafka's storage could not be formatted: {said.decode(errors='replace')}")

    def java(self, main, *arguments):
        log = f"-Dlog4j.configuration=file:{HERE / 'log4j.properties'}"
        scratch = [f"-Djava.io.tmpdir={self.directory}", "-XX:-UsePerfData"]  # what a killed JVM leaves behind goes too
        return ["java", *self.java_options, *scratch, log, "-cp", f"{self.libs}/*", main, *map(str, arguments)]

    def wait_ready(self, topics=lambda names: True):
        """Waits until every broker that runs (and is not paused) knows all those, and every partition with a replica
        on one of them has a leader. `topics` may ask for more: it is given the names that a broker knows."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready(topics):
            for node in self.nodes:
                if node.process and node.process.poll() not in (None, -signal.SIGKILL):
                    if "Address already in use" in node.last_words():
                        raise PortTaken(f"port {node.port} or {node.controller_port}")
                    raise RuntimeError(f"broker {node.number} ended by itself:\n{node.last_words()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"Kafka was not ready within {READY_SECONDS} s:\n{self.nodes[0].last_words()}")
            time.sleep(0.1)

    def is_ready(self, topics):
        expected = {node.number for node in self.nodes if node.running and not node.paused}
        for node in self.nodes:
            if node.number not in expected:
                continue
            try:
                known = wire.metadata(node.address)
            except (OSError, wire.Refused):
                return False
            partitions = [p for topic in known["topics"].values() for p in topic.values()]
            led = all(p["leader"] in expected for p in partitions if expected.intersection(p["replicas"]))
            if set(known["brokers"]) != expected or not led or not topics(known["topics"]):
                return False
        return bool(expected)

    # ---- its use ----

    @property
    def bootstrap(self):
        return ",".join(node.address for node in self.nodes)

    def node(self, number):
        return self.nodes[number - 1]

    def any(self):
        """The address of a broker that runs."""
        return next(node.address for node in self.nodes if node.running and not node.paused)

    def leader(self, topic, partition=0):
        """The Node that leads a partition."""
        return self.node(wire.metadata(self.any())["topics"][topic][partition]["leader"])

    def create_topic(self, name, partitions=1, replication=None, settings=None):
        wire.create_topic(self.any(), name, partitions, replication or min(self.count, 3), settings)
        self.wait_ready(lambda names: name in names)

    def delete_topic(self, name):
        wire.delete_topic(self.any(), name)
        self.wait_ready(lambda names: name not in names)

    def alter_topic(self, name, settings):
        wire.alter_topic(self.any(), name, settings)

    def delete_records(self, name, before):
        wire.delete_records(self.leader(name).address, name, before)

    def end_offset(self, name):
        return wire.offset(self.leader(name).address, name)


def announce_missing(reason):
    bar = "!" * 78
    print(f"{bar}\n!! NO KAFKA HERE, SO ITS TESTS ARE SKIPPED: {reason}\n{bar}", file=sys.stderr, flush=True)


def run(options):
    environment = dict(os.environ)
    if environment.get("LEDGERLINE_TEST_KAFKA"):
        return subprocess.run(options.command).returncode
    try:
        cluster = Cluster(options.nodes, options.settings, options.full_speed).start()
    except Unavailable as missing:
        announce_missing(missing)
        if os.environ.get("CI") == "true":
            print("kafka: CI=true, where a skipped Kafka test is a failure", file=sys.stderr)
            return 1
        environment["LEDGERLINE_TEST_KAFKA_MISSING"] = str(missing)
        return subprocess.run(options.command, env=environment).returncode
    with_it = {**environment, "LEDGERLINE_TEST_KAFKA": cluster.bootstrap}
    try:
        return subprocess.run(options.command, env=with_it).returncode
    finally:
        cluster.stop()


def serve(options):
    cluster = Cluster(options.nodes, options.settings, options.full_speed).start()
    print(cluster.bootstrap, flush=True)
    signal.pause()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("run", "serve"):
        verb = verbs.add_parser(name)
        verb.add_argument("--nodes", type=int, choices=(1, 3), default=1)
        verb.add_argument("--setting", dest="settings", action="append", default=[], metavar="NAME=VALUE")
        verb.add_argument("--full-speed", action="store_true", help="for measurements: starts slower, runs faster")
        if name == "run":
            verb.add_argument("command", nargs="+")
    verbs.add_parser("fetch")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    if options.verb == "fetch":
        print(jars())
        return 0
    options.settings = dict(setting.split("=", 1) for setting in options.settings)
    return {"run": run, "serve": serve}[options.verb](options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as missing:
        sys.exit(f"kafka: {missing}")
