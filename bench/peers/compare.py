#!/usr/bin/python3
"""The ledger beside its peers: the same events folded from the same broker, in one run. `make bench` calls it.

	compare.py --build BUILD --place DIR --events N --accounts N [--runs N] [--no-peers]

Needs LEDGERLINE_TEST_KAFKA (tests/kafka/kafka.py). For each shape the events are filled once, into an archive; the archive is
copied to a journal on the broker, and unrolled into a topic with one event a record. Every program's result is compared with
what the events add up to, account by account, before its time counts: any difference ends the run. DIR/peers.json gets the
figures, DIR/peers.md the tables. A program that cannot run on this machine gets a row that says why.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "kafka"), str(ROOT / "tests" / "packages")]

import packages  # noqa: E402
import wire  # noqa: E402

import tables  # noqa: E402

SHAPES = ("uniform", "zipf")
# As many as the threads of Kafka Streams, which takes one a thread. All peers read the same topic.
PARTITIONS = 2
STREAMS = "3.9.1"
RELEASE = re.compile(r"(.*)-([^-]+)\.jar")
# Python is so much slower that it gets a twentieth of the events.
QUIX_SHARE = 20
STAGES = ("read", "judge", "decode", "apply", "write", "whole")


class Missing(Exception):
    """A program that is not on this machine. The text says why."""


class Wrong(Exception):
    """A result that is not what the events add up to."""


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def told(command, environment=None, cwd=None):
    """The JSON that a command prints as its last line."""
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, env=environment, cwd=cwd)
    if done.returncode:
        raise Wrong(f"{Path(command[0]).name} {command[1]} ended with status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def same(who, found, expected, fields):
    for field in fields:
        if found[field] != expected[field]:
            raise Wrong(f"{who}: {field} is {found[field]}, not {expected[field]}: its time does not count")


class Comparison:
    def __init__(self, given):
        self.build, self.place = given.build.resolve(), given.place.resolve()
        self.events, self.accounts, self.runs = given.events, given.accounts, given.runs
        self.broker = os.environ["LEDGERLINE_TEST_KAFKA"]
        self.figures, self.stages, self.versions = [], [], []
        self.ledgerline = self.build / "ledgerline"
        self.bare, self.unroll, self.folded = (self.build / "bench" / "peers" / name for name in ("bare", "unroll", "folded"))

    # ---- the events ----

    def topic(self, name):
        wire.create_topic(self.broker, name, PARTITIONS, 1, {"max.message.bytes": 1200000})
        deadline = time.monotonic() + 30
        while len(wire.metadata(self.broker)["topics"].get(name, {})) < PARTITIONS:
            if time.monotonic() > deadline:
                raise Wrong(f"the brokers do not know the topic {name} that was made")
            time.sleep(0.05)
        return name

    def drop(self, *topics):
        for topic in topics:
            wire.delete_topic(self.broker, topic)

    def fill(self, shape):
        archive = f"local:{self.place / ('archive-' + shape)}"
        say(f"{shape}: {self.events} events over {self.accounts} accounts, as an archive")
        sizes = ["--events", self.events, "--accounts", self.accounts, "--shape", shape]
        told([self.ledgerline, "bench", "fill", "--journal", archive, *sizes, "--json"])
        return archive

    def copy(self, archive, shape):
        url = f"kafka://{self.broker}/bench-{os.getpid()}-{shape}"
        say(f"{shape}: the journal on the broker")
        subprocess.run([self.ledgerline, "journal", "copy", archive, url], check=True, stdout=subprocess.DEVNULL)
        return url

    def unrolled(self, archive, shape, events=None):
        topic = self.topic(f"bench-{os.getpid()}-{shape}-{events or 'all'}")
        say(f"{shape}: {events or self.events} events as records of their own")
        command = [self.unroll, archive, self.broker, topic, *([events] if events else [])]
        return topic, told(command)

    # ---- what is measured ----

    def figure(self, who, shape, results, events):
        rates = [events / result["seconds"] for result in results]
        middle = results[rates.index(statistics.median_low(rates))]
        self.figures.append(
            {
                "who": who,
                "shape": shape,
                "events": events,
                "perSecond": round(events / middle["seconds"]),
                "perSecondMin": round(min(rates)),
                "perSecondMax": round(max(rates)),
                "runs": len(results),
                "cpuUsPerEvent": round(middle["cpuSeconds"] / events * 1e6, 3),
                "residentBytesMax": middle["residentBytesMax"],
            }
        )

    def missing(self, who, shape, why):
        say(f"{who}: not measured: {why}")
        self.figures.append({"who": who, "shape": shape, "missing": str(why)})

    def fold(self, who, journal, projections, expected):
        kept = self.place / "folded"
        command = [self.ledgerline, "bench", "fold", "--journal", journal, "--to", kept, "--json"]
        result = told([*command, *projections])
        same(who, {**result, "events": result["entries"]}, expected, ("events", "charged", "used", "balances"))
        same(who, told([self.folded, kept]), expected, ("events", "accounts", "balances", "digest"))
        shutil.rmtree(kept)
        return result

    def consume(self, topic, expected):
        result = told([self.bare, self.broker, topic, PARTITIONS])
        same("bare consumer", result, expected, expected)
        return result

    def warm(self, shape, journal, topic, expected):
        say(f"{shape}: journal and topic are read once, to warm the broker and the page cache")
        told([self.ledgerline, "bench", "fold", "--journal", journal, "--stage", "read", "--json"])
        self.consume(topic, expected)

    def quick_ones(self, shape, archive, journal, topic, expected, with_peers):
        """Those that take seconds: each once a round, so that what disturbs the machine for a while disturbs them all."""
        programs = []
        for source, url in (("Kafka", journal), ("archive", archive)):
            for name, projections in (("balances, seats, rankings", ("balances", "seats", "rankings")), ("all", ("all",))):
                who = f"ledgerline, {source}, {name}"
                programs.append((who, partial(self.fold, who, url, projections, expected)))
        if with_peers:
            programs.append(("bare consumer", partial(self.consume, topic, expected)))
        results = {who: [] for who, _ in programs}
        for number in range(self.runs):
            for who, run in programs:
                say(f"{shape}: {who}, run {number + 1} of {self.runs}")
                results[who].append(run())
        for who, found in results.items():
            self.figure(who, shape, found, self.events)

    def streams(self, topic, shape, guarantee, expected):
        who = f"Kafka Streams, {guarantee.replace('_v2', '').replace('_', ' ')}"
        state = self.place / "streams"
        try:
            classes, libs = self.java()
        except (Missing, packages.Unavailable) as why:
            return self.missing(who, shape, why)
        say(f"{shape}: {who}")
        command = ["java", "-Xms3g", "-Xmx3g", "-XX:+UseParallelGC", "-XX:-UsePerfData", f"-Djava.io.tmpdir={self.place}"]
        command += [f"-Dlog4j.configuration=file:{HERE / 'streams' / 'log4j.properties'}", "-cp", f"{classes}:{libs}/*"]
        result = told([*command, "Streams", self.broker, topic, expected["events"], guarantee, state])
        same(who, result, expected, expected)
        shutil.rmtree(state, ignore_errors=True)
        return self.figure(who, shape, [result], expected["events"])

    def java(self):
        if not shutil.which("javac"):
            raise Missing("there is no javac; `make deps` installs one")
        proof = [f"kafka-streams-{STREAMS}.jar", f"kafka-clients-{STREAMS}.jar", "slf4j-reload4j-1.7.36.jar"]
        libs = packages.jars(f"kafka-streams-{STREAMS}", HERE / "streams" / "pom.xml", proof)
        classes = self.place / "classes"
        if not classes.exists():
            source = HERE / "streams" / "Streams.java"
            subprocess.run(["javac", "-proc:none", "-cp", f"{libs}/*", "-d", classes, source], check=True)
            released = dict(RELEASE.match(jar.name).groups() for jar in libs.glob("*.jar"))
            self.versions.append(f"Kafka Streams {released['kafka-streams']} with RocksDB {released['rocksdbjni']}")
        return classes, libs

    def quix(self, archive, shape):
        who = "Quix Streams, at least once"
        try:
            libs = packages.python("quixstreams", HERE / "quix" / "requirements.txt", ["quixstreams", "rocksdict"])
        except packages.Unavailable as why:
            return self.missing(who, shape, why)
        events = max(self.events // QUIX_SHARE, 10000)
        topic, expected = self.unrolled(archive, shape, events)
        say(f"{shape}: {who}, {events} events")
        state = self.place / "quix"
        environment = {**os.environ, "PYTHONPATH": str(libs)}
        result = told([sys.executable, "-B", HERE / "quix" / "quix.py", self.broker, topic, events, state], environment)
        same(who, result, expected, expected)
        shutil.rmtree(state, ignore_errors=True)
        self.drop(topic)
        self.figure(who, shape, [result], events)

    def stage(self, source, journal):
        for stage in STAGES:
            say(f"stage {stage}, {source}")
            result = told([self.ledgerline, "bench", "fold", "--journal", journal, "--stage", stage, "--json"])
            same(f"stage {stage}", {"events": result["entries"]}, {"events": self.events}, ["events"])
            rate, cpu = result["entriesPerSecond"], result["cpuSeconds"] / self.events * 1e6
            self.stages.append({"source": source, "stage": stage, "perSecond": rate, "cpuUsPerEvent": round(cpu, 3)})

    # ---- all of it ----

    def run_shape(self, shape, with_peers):
        archive = self.fill(shape)
        journal = self.copy(archive, shape)
        topic, expected = self.unrolled(archive, shape)
        same("the events", expected, {"events": self.events}, ["events"])
        self.warm(shape, journal, topic, expected)
        self.quick_ones(shape, archive, journal, topic, expected, with_peers)
        if shape == SHAPES[0]:
            self.stage("Kafka", journal)
            self.stage("archive", archive)
        if with_peers:
            for guarantee in ("at_least_once", "exactly_once_v2"):
                self.streams(topic, shape, guarantee, expected)
            self.quix(archive, shape)
        self.drop(topic, f"{journal.rsplit('/', 1)[1]}.journal")
        shutil.rmtree(archive.removeprefix("local:"))

    def run(self, with_peers):
        for shape in SHAPES:
            self.run_shape(shape, with_peers)
        if with_peers:
            self.name_versions()
        result = {"partitions": PARTITIONS, "events": self.events, "accounts": self.accounts, "versions": self.versions}
        result |= {"figures": self.figures, "stages": self.stages}
        (self.place / "peers.json").write_text(json.dumps(result, indent=1))
        (self.place / "peers.md").write_text(tables.page(result))

    def name_versions(self):
        def first_line(command, stream="stdout"):
            done = subprocess.run(command, capture_output=True, text=True)
            return getattr(done, stream).splitlines()[0]

        self.versions.insert(0, first_line([str(self.bare), "--version"]))
        if shutil.which("java"):
            self.versions.append(first_line(["java", "-version"], "stderr").replace(' version "', " ").split('"')[0])
        for line in (HERE / "quix" / "requirements.txt").read_text().splitlines():
            if line.startswith("quixstreams=="):
                python = ".".join(map(str, sys.version_info[:3]))
                self.versions.append(f"Quix Streams {line.removeprefix('quixstreams==')} on Python {python}")


def options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of the ledger and the bare consumer; the middle one counts")
    parser.add_argument("--no-peers", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        given = options()
        Comparison(given).run(not given.no_peers)
    except Wrong as why:
        sys.exit(f"bench: {why}")
