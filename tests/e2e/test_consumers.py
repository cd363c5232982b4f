"""docs/examples/consumers: services in TypeScript that live from the public topics, beside an engine and a relay, killed and fed twice."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import wire
from public import ROOT, Relay, count, expected, records
from world import balance, fresh, hold, open_schedule, pay, policy, rich

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "packages"))

import packages  # noqa: E402
import processes  # noqa: E402

PROJECT = ROOT / "docs" / "examples" / "consumers"
RANKING_TYPES = ["reservation.confirmed", "reservation.cancelled", "concert.schedule.created", "concert.schedule.updated"]
RANKINGS = [("popular", "window", by) for by in ("all", "day", "week", "month")] + [("sold-out", "from", by) for by in ("opening", "first")]


@pytest.fixture(scope="session")
def compiled(binary):
    """The directory with the compiled examples."""
    try:
        fetched = packages.node("consumers", PROJECT, ["node_modules/kafkajs", "node_modules/libsql", "node_modules/typescript"])
    except packages.Unavailable as why:
        if os.environ.get("CI") == "true" and shutil.which("npm"):
            pytest.fail(f"{why}, and CI=true", pytrace=False)
        pytest.skip(f"THE CONSUMERS IN TYPESCRIPT WERE NOT RUN: {why}")
    place = Path(binary).parent / "consumers"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(PROJECT, place, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (place / "node_modules").symlink_to(fetched / "node_modules")
    done = subprocess.run(["node", "node_modules/typescript/bin/tsc"], cwd=place, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "dist"


class Service(Relay):
    """One of the examples as a process, with a database and a group of its own."""

    def __init__(self, compiled, program, brokers, prefix, directory, group, **settings):
        super().__init__("", "", brokers, directory)
        self.program, self.group, self.database = compiled / f"{program}.js", group, Path(directory) / f"{group}.db"
        self.environment = {
            **os.environ, "BROKERS": brokers, "TOPIC_PREFIX": prefix, "GROUP": group, "DATABASE": str(self.database),
            "SESSION_TIMEOUT_MS": "6000", "BACK_OFF_MAX_MS": "300", **settings,
        }

    def start(self):
        with open(self.log, "ab") as log:
            self.process = processes.spawn(
                ["node", self.program], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        self.starts += 1
        return self

    def said(self, what):
        lines = (json.loads(line) for line in self.errors().splitlines() if line.startswith("{") and line.endswith("}"))
        return [line for line in lines if line["what"] == what]

    def handled(self):
        """How many events its database notes."""
        try:
            with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
                return database.execute("SELECT count(*) FROM handled_events").fetchone()[0]
        except sqlite3.OperationalError:  # not made yet
            return 0

    def lag(self, types):
        """What the broker says that the group has still to read."""
        script = """const { Kafka, logLevel } = require('kafkajs');
            const admin = new Kafka({ brokers: process.env.BROKERS.split(','), logLevel: logLevel.NOTHING }).admin();
            (async () => {
                await admin.connect();
                let lag = 0;
                for (const of of await admin.fetchOffsets({ groupId: process.env.GROUP, topics: process.argv.slice(1) }))
                    for (const end of await admin.fetchTopicOffsets(of.topic))
                        lag += Number(end.high) - Math.max(0, Number(of.partitions.find((one) => one.partition === end.partition)?.offset ?? 0));
                await admin.disconnect();
                console.log(lag);
            })();"""
        topics = [self.environment["TOPIC_PREFIX"] + kind for kind in types]
        done = subprocess.run(["node", "-e", script, *topics], cwd=self.program.parent, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def rankings(self):
        command = ["node", self.program, "show", "100"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def services(compiled, kafka, tmp_path):
    made = []

    def make(program, prefix, group=None, **settings):
        group = group or f"{program}-{uuid.uuid4().hex[:8]}"
        made.append(Service(compiled, program, kafka, prefix, tmp_path, group, **settings))
        return made[-1]

    yield make
    for service in made:
        service.kill()


@pytest.fixture
def server(engines, tmp_path):
    return engines(tmp_path / "data", f"local:{tmp_path / 'data' / 'journal'}").start()


@pytest.fixture
def relay(binary, kafka, server, tmp_path):
    prefix = f"t{uuid.uuid4().hex[:8]}."
    relay = Relay(binary, server.journal, kafka, tmp_path, "--prefix", prefix)
    relay.prefix, relay.brokers = prefix, kafka
    yield relay.start()
    relay.kill()


def published(relay, ledgerline, server, types):
    """Waits until all events are on their topics; those of `types`."""
    wanted = [one for one in expected(ledgerline, server.journal)[0] if one["type"] in types]
    relay.wait_for(lambda: count(relay.brokers, [relay.prefix + kind for kind in types]) >= len(wanted), f"{len(wanted)} events")
    return wanted


def produce(relay, kind, lines):
    """Lines KEY|VALUE, onto the topic of a type."""
    feed = ["kcat", "-P", "-b", relay.brokers, "-t", relay.prefix + kind, "-K", "|", "-X", "topic.partitioner=murmur2_random"]
    subprocess.run(feed, input="".join(f"{line}\n" for line in lines), text=True, check=True)


class OnSale:
    """Buyers who hold, pay, cancel, change their minds and let holds run out; schedules that sell out, move, grow, and are cancelled."""

    def __init__(self, engine, seed):
        self.engine, self.random = engine, random.Random(seed)
        self.users = [rich(engine, 1000000) for _ in range(12)]
        self.schedules = {open_schedule(engine, seats=size, price=1000): size for size in (3, 3, 3, 4, 4, 4, 9, 50)}
        self.held, self.paid = [], []
        for schedule, size in list(self.schedules.items())[:3]:  # before the first sale
            added = {"scheduleId": schedule, "seats": [{"seatNo": size + 1, "price": 500}]}
            self.must({"type": "schedule.addSeats", **added})
            self.schedules[schedule] += 1

    def must(self, command):
        receipt = self.engine.command({"id": fresh("c"), "actor": {"type": "admin", "id": "root"}, **command})
        assert receipt["status"] in (200, 201, 202), receipt

    def step(self):
        draw = self.random.random()
        if draw < 0.5:
            schedule = self.random.choice(list(self.schedules))
            free = [seat["seatNo"] for seat in self.engine.get(f"/api/concerts/seats?scheduleId={schedule}").json["seats"]
                    if seat["status"] == "AVAILABLE"]
            if free:
                user, seats = self.random.choice(self.users), self.random.sample(free, min(len(free), self.random.randint(1, 3)))
                self.held.append((user, hold(self.engine, user, schedule, *seats).json["reservationId"]))
        elif draw < 0.86 and self.held:
            user, name = self.held.pop(self.random.randrange(len(self.held)))
            if pay(self.engine, user, name).status == 200:  # or it ran out
                self.paid.append((user, name))
        elif draw < 0.9 and self.held:
            user, name = self.held.pop()
            self.engine.http("DELETE", f"/api/reservations/{name}?userId={user}")
        elif draw < 0.97 and self.paid:
            user, name = self.paid.pop(self.random.randrange(len(self.paid)))
            assert self.engine.http("DELETE", f"/api/reservations/{name}?userId={user}").status in (200, 409)
        elif draw >= 0.97:
            moved = time.time() - self.random.randint(60, 6000)
            opens = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moved))
            self.must({"type": "schedule.update", "scheduleId": self.random.choice(list(self.schedules)), "bookingOpensAt": opens})

    def steps(self, number):
        for _ in range(number):
            self.step()

    def run_out(self):
        """Holds that nobody pays."""
        policy(self.engine, holdSeconds=1)
        held = [self.engine.get(f"/api/reservations/{hold_of}").json for hold_of in self.some_holds()]
        policy(self.engine, holdSeconds=300)
        for one in held:
            name = one["reservationId"]
            self.engine.wait_for(lambda: self.engine.get(f"/api/reservations/{name}").json["status"] == "EXPIRED", "its expiry")

    def some_holds(self):
        before = len(self.held)
        while len(self.held) < before + 3:
            self.step()
        run_out, self.held = self.held[before:], self.held[:before]
        return [name for _, name in run_out]

    def cancel_some(self):
        """One with what was sold of it; and one that sold out, and whose buyer is gone already, so that no refund tells of its end."""
        lone, user = open_schedule(self.engine, seats=1, price=1000), self.users[0]
        name = hold(self.engine, user, lone, 1).json["reservationId"]
        assert pay(self.engine, user, name).status == 200
        assert self.engine.http("DELETE", f"/api/reservations/{name}?userId={user}").status == 200
        self.must({"type": "schedule.cancel", "scheduleId": lone, "reason": "rain"})
        schedule = list(self.schedules)[1]
        self.must({"type": "schedule.cancel", "scheduleId": schedule, "reason": "rain"})
        del self.schedules[schedule]
        done = {"type": "schedule.cancel", "scheduleId": schedule, "reason": "rain", "actor": {"type": "admin", "id": "root"}}
        self.engine.wait_for(lambda: self.engine.command({"id": fresh("c"), **done})["body"]["remaining"] == 0, "its end")


def check_rankings(server, service):
    """All of ledgerline's rankings, but for the titles, which are on no topic. Returns how many rows there are in each."""
    rows, rankings = [], service.rankings()
    counts = [one["reservationCount"] for one in rankings["popular"]["all"]]
    assert len(set(counts)) < len(counts), "no two have sold as much"
    for which, name, by in RANKINGS:
        own = server.get(f"/api/rankings/{which}?{name}={by}&limit=100").json["rankings"]
        theirs = rankings[which][by]
        assert [f"Title of {one.pop('concertId')}" for one in theirs] == [one.pop("concertTitle") for one in own]
        assert theirs == own, (which, by)
        rows.append(len(own))
    return rows


# The rankings that a service computes from public topics are ledgerline's own: though records come twice and out of order, others wrote on
# its topics, and it is killed in the middle. Stopped, it has committed all that it did. Another group that comes later arrives at the same.
def test_ranking(server, relay, services, ledgerline):
    sale = OnSale(server, 8)
    sale.steps(240)
    sale.run_out()
    events = published(relay, ledgerline, server, RANKING_TYPES)
    for kind in RANKING_TYPES:  # again, in no order
        again = [f"{one['key']}|{json.dumps(one['event'])}" for one in records(relay.brokers, relay.prefix + kind)]
        produce(relay, kind, sale.random.sample(again, len(again) // 2))
    foreign = {"eventId": str(uuid.uuid4()), "eventType": "reservation.confirmed", "eventTime": "2026-01-01T00:00:00Z",
               "schemaVersion": 1, "sequence": 1, "payload": {"day": "2026-01-01"}}
    produce(relay, "reservation.confirmed", ["x|hello", f"y|{json.dumps(foreign)}"])

    for _ in range(4):  # until one is killed in the middle: a quick one may have done all by then
        first = services("ranking-service", relay.prefix).start()
        first.wait_for(lambda one=first: one.handled() >= 1, "the first events")
        first.kill()
        done = first.handled()
        if done < len(events):
            break
    in_the_middle = done < len(events)
    first.start()
    sale.steps(80)
    sale.cancel_some()
    events = published(relay, ledgerline, server, RANKING_TYPES)
    first.wait_for(lambda: first.handled() >= len(events), "all events")
    assert min(check_rankings(server, first)) >= 4, "too few of them sold out to show anything"
    first.wait_for(lambda: first.lag(RANKING_TYPES) == 0, "its last commit")
    assert first.stop() == 0
    ends = first.said("consumer.ends")[0]
    assert ends["handled"] == len(events) - done and first.handled() == len(events)
    assert ends["repeated"] > 0 or not in_the_middle

    server.post("/api/admin/concerts", {"concertId": "last", "title": "Title of last"})
    seat = {"scheduleId": "last-1", "concertId": "last", "concertDate": "2040-01-01", "seats": [{"seatNo": 1, "price": 0}]}
    assert server.post("/api/admin/schedules", seat).status == 201
    first.start()
    later = services("ranking-service", relay.prefix).start()
    events = published(relay, ledgerline, server, RANKING_TYPES)
    for one in (first, later):
        one.wait_for(lambda: one.handled() >= len(events), "all events")
    first.wait_for(lambda: first.lag(RANKING_TYPES) == 0, "its last commit")
    assert first.stop() == 0
    ends = first.said("consumer.ends")[1]
    assert (ends["handled"], ends["repeated"], ends["dead"]) == (1, 0, 0)
    check_rankings(server, later)
    later.wait_for(lambda: len(later.said("event.dead.letter")) == 2, "the foreign records")
    assert later.stop() == 0 and later.handled() == len(events)

    letters = f"{relay.prefix}reservation.confirmed.dlq"
    listed = json.loads(ledgerline("dlq", "list", "--json", "--from", f"kafka://{relay.brokers}/{letters}", check=0).stdout)["letters"]
    assert {(one["key"], one["reason"]) for one in listed} == {("x", "not an event: not JSON"), ("y", "seatIds is no list")}
    groups = {first.group, later.group}
    buried = [(one["headers"]["dlq-group"], one["key"]) for one in records(relay.brokers, letters) if one["headers"]["dlq-group"] in groups]
    assert sorted(buried) == sorted((service.group, key) for service in (first, later) for key in "xy")


class World:
    """The services outside: they take what is sent, as they are told to."""

    def __init__(self):
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                place = urlsplit(self.path)
                with world.lock:
                    status = world.take(place, self.headers["Idempotency-Key"], body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.lock, self.taken, self.documents, self.failures, self.refused = threading.Lock(), {}, {}, {}, set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, place, key, body):
        service = place.path.split("/")[1]
        if self.failures.get(service, 0) < 3:  # each has a bad start
            self.failures[service] = self.failures.get(service, 0) + 1
            return 503
        if (service, key) in self.refused:
            return 422
        if service == "index":
            version = int(parse_qs(place.query)["version"][0])
            if self.documents.get(place.path, (-1,))[0] > version:
                return 409
            self.documents[place.path] = (version, body)
        else:
            self.taken.setdefault(service, []).append((key, body))
        return 200

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


# Each of the other services has its effect for each event once, though the other side fails at first; what it refuses for good is a dead
# letter; the index has the newest state of each schedule, in whatever order its two topics are read.
def test_other_services(server, relay, services, world, ledgerline):
    for _ in range(6):
        assert server.post("/api/admin/users", {"userId": fresh("known")}).status == 201
    sale = OnSale(server, 9)
    sale.steps(60)
    sale.cancel_some()
    assert server.post("/api/queue/token", {"userId": sale.users[0]}).status == 201
    told = {
        "data-platform": ["payment.completed", "payment.cancelled"],
        "notification": ["queue.token.issued", "queue.token.activated", "reservation.created", "reservation.expired", "payment.completed"],
        "welcome-mail": ["user.registered"],
        "search-index": ["concert.schedule.created", "concert.schedule.updated"],
        "balances": ["point.charged", "point.used", "point.refunded", "point.expired", "point.adjusted"],
    }
    wanted = {name: published(relay, ledgerline, server, types) for name, types in told.items()}
    bad = wanted["data-platform"][3]
    world.refused.add(("platform", bad["id"]))
    greeted = wanted["welcome-mail"][2:]
    running = {
        "data-platform": services("data-platform", relay.prefix, DATA_PLATFORM_URL=f"{world.url}/platform"),
        "notification": services("notification", relay.prefix, NOTIFICATION_URL=f"{world.url}/notes"),
        "welcome-mail": services("welcome-mail", relay.prefix, MAILER_URL=f"{world.url}/mails", SINCE=greeted[0]["time"]),
        "search-index": services("search-index", relay.prefix, SEARCH_URL=f"{world.url}/index"),
        "balances": services("balances", relay.prefix),
    }
    for service in running.values():
        service.start()
    counts = {name: len(events) for name, events in wanted.items()} | {"welcome-mail": len(greeted), "data-platform": len(wanted["data-platform"]) - 1}
    for name, service in running.items():
        service.wait_for(lambda: service.handled() >= counts[name], f"all of {name}")
        service.wait_for(lambda: name != "data-platform" or service.said("event.dead.letter"), "the refused one")
        assert service.stop() == 0 and service.handled() == counts[name] and (service.said("event.again") or name == "balances")

    with sqlite3.connect(running["balances"].database) as database:
        balances = dict(database.execute("SELECT user_id, balance FROM user_point"))
    assert balances == {user: balance(server, user)["balance"] for user in sale.users}
    payments = [one for one in wanted["data-platform"] if one is not bad]
    assert sorted(key for key, _ in world.taken["platform"]) == sorted(one["id"] for one in payments)
    last = {}
    for key, event in world.taken["platform"]:
        assert key == event["eventId"]
        place = (event["eventType"], event["payload"]["userId"])
        assert last.get(place, -1) < event["sequence"]
        last[place] = event["sequence"]
    dead = ledgerline("dlq", "list", "--json", "--from", f"kafka://{relay.brokers}/{relay.prefix}{bad['type']}.dlq", check=0)
    assert "answered 422" in dead.stdout and bad["id"] in dead.stdout
    assert sorted(key for key, _ in world.taken["notes"]) == sorted(one["id"] for one in wanted["notification"])
    assert all(body["userId"] and body["text"] for _, body in world.taken["notes"])
    assert [body["userId"] for _, body in sorted(world.taken["mails"], key=lambda one: one[1]["userId"])] == sorted(one["key"] for one in greeted)
    newest = {one["key"]: one for one in wanted["search-index"]}
    assert {place.split("/")[-1] for place in world.documents} == set(newest)
    for place, (version, document) in world.documents.items():
        event = newest[place.split("/")[-1]]
        assert version == event["sequence"] and document["status"] == event["payload"]["status"]
        assert (document["totalSeats"], document["bookingOpensAt"]) == (event["payload"]["totalSeats"], event["payload"]["bookingOpensAt"])


# What is wrong with the settings is one sentence; topics that are not there are waited for, and not made.
def test_settings(services, kafka):
    wrong = {"SINCE": ("yesterday", "SINCE takes a time"), "BACK_OFF_MAX_MS": ("-1", "BACK_OFF_MAX_MS takes milliseconds"),
             "MAILER_URL": (None, "MAILER_URL is not set")}
    started = []
    for name, (value, said) in wrong.items():
        service = services("welcome-mail", "t.", **{"MAILER_URL": "http://127.0.0.1:1", name: value})
        service.environment = {name: value for name, value in service.environment.items() if value is not None}
        started.append((service.start(), said))
    for service, said in started:
        assert service.process.wait(60) == 2 and said in service.errors()
    prefix = f"t{uuid.uuid4().hex[:8]}."
    service = services("welcome-mail", prefix, MAILER_URL="http://127.0.0.1:1").start()
    service.wait_for(lambda: service.said("consumer.waits"), "its word")
    assert f"{prefix}user.registered" in service.errors()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    assert not [name for name in wire.metadata(kafka)["topics"] if name.startswith(prefix)]
