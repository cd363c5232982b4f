"""Clients that go on through crashes, and what must be there afterwards.

A client sends commands with keys of its own, each until it is answered; what was answered is written down. As every
command is answered in the end, the accepted ones say exactly what all balances must be.
"""

import http.client
import json
import random
import threading
import time

from world import check, fresh, open_schedule, reservation, seats

GIVE_UP_SECONDS = 120
KINDS = ("charge", "use", "refund", "shared", "buy", "policy")


class Client:
    """One buyer with an account of its own, among others that want the same seats."""

    def __init__(self, engine, number, schedule, seat_count, shared, seed, policies):
        self.weights = (30, 25, 10, 10, 24, 1 if policies else 0)
        self.engine, self.schedule, self.seat_count, self.shared = engine, schedule, seat_count, shared
        self.user, self.chance = f"client-{number}", random.Random(seed * 1000 + number)
        self.log = []  # (key, method, path, body, reply)
        self.uses, self.holds, self.retries = [], [], 0
        self.unavailable = set()
        self.failure = None

    def until_answered(self, method, path, body=None, key=None):
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                reply = self.engine.http(method, path, body, key=key)
                if reply.status not in (429, 503):
                    return reply
                self.unavailable.add(reply.code)
            except (OSError, http.client.HTTPException):
                pass
            self.retries += 1
            assert time.monotonic() < deadline, f"no answer to {key} within {GIVE_UP_SECONDS} s"
            time.sleep(0.003)

    def send(self, path, body=None, method="POST"):
        key = fresh(f"{self.user}-key")
        reply = self.until_answered(method, path, body, key)
        assert reply.status < 500 and reply.headers["Idempotency-Key"] == key, reply
        if reply.status != 404:  # a 404 makes no entry
            self.log.append((key, method, path, body, reply))
        return reply

    def step(self):
        kind = self.chance.choices(KINDS, self.weights)[0]
        if kind == "charge":
            self.send("/api/points/charge", {"userId": self.user, "amount": self.chance.randrange(1000, 5000)})
        elif kind == "use":
            reply = self.send("/api/points/use", {"userId": self.user, "amount": self.chance.randrange(1, 3000)})
            if reply.status == 200:
                self.uses.append(reply.json["useId"])
        elif kind == "refund" and self.uses:
            self.send("/api/points/refund", {"useId": self.chance.choice(self.uses), "amount": 50})
        elif kind == "shared":
            self.send("/api/points/charge", {"userId": self.shared, "amount": 1000})
        elif kind == "policy":
            self.send("/api/admin/policies", {"holdSeconds": self.chance.choice((1, 2, 300))}, method="PUT")
        elif kind == "buy":
            self.buy()

    def buy(self):
        seat = self.chance.randrange(1, self.seat_count + 1)
        reply = self.send("/api/reservations", {"userId": self.user, "scheduleId": self.schedule, "seatNo": seat})
        if reply.status != 201:
            return
        name = reply.json["reservationId"]
        self.holds.append(name)
        if self.chance.random() < 0.8:
            self.send("/api/payments", {"reservationId": name, "userId": self.user})
        if self.chance.random() < 0.6:
            self.send(f"/api/reservations/{name}?userId={self.user}", method="DELETE")

    def run(self, stop):
        try:
            while not stop.is_set():
                self.step()
        except BaseException as failure:  # told by the thread that waits
            self.failure = failure


class Load:
    """Clients at work on an engine, until finish(). policies=False: no hold ends by itself."""

    def __init__(self, engine, clients=4, seat_count=8, seed=1, policies=True):
        self.engine, self.stop = engine, threading.Event()
        self.schedule, self.shared = open_schedule(engine, seats=seat_count, price=700), fresh("shared")
        self.clients = [
            Client(engine, n, self.schedule, seat_count, self.shared, seed, policies) for n in range(clients)
        ]
        self.threads = [threading.Thread(target=one.run, args=(self.stop,), daemon=True) for one in self.clients]
        for thread in self.threads:
            thread.start()

    def alive(self):
        for one in self.clients:
            if one.failure:
                raise one.failure

    @property
    def answered(self):
        return sum(len(one.log) for one in self.clients)

    def finish(self):
        """Lets every client get its last answer."""
        self.stop.set()
        for thread in self.threads:
            thread.join(GIVE_UP_SECONDS)
        self.alive()

    def log(self):
        return [line for one in self.clients for line in one.log]

    def expected(self):
        """User -> balance, from the accepted commands alone."""
        totals = {one.user: 0 for one in self.clients} | {self.shared: 0}
        for _, method, path, body, reply in self.log():
            if reply.status not in (200, 201):
                continue
            said = reply.json
            if path == "/api/points/charge":
                totals[body["userId"]] += said["chargedAmount"]
            elif path == "/api/points/use":
                totals[body["userId"]] -= said["usedAmount"]
            elif path == "/api/points/refund":
                totals[said["userId"]] += said["refundedAmount"]
            elif path == "/api/payments":
                totals[body["userId"]] -= said["amount"]
            elif method == "DELETE":
                totals[path.split("userId=")[1]] += said["refundAmount"]
        return totals

    def check(self, ledgerline, engine=None, sample=None):
        """Every answered command is in the journal exactly once and is answered as it was; nothing else moved a point."""
        engine = engine or self.engine
        log = self.log()
        exported = ledgerline("journal", "cat", "--data", engine.data, check=0).stdout
        places = {}
        for line in exported.splitlines():
            event = json.loads(line)
            if event.get("commandId"):
                places.setdefault(event["commandId"], set()).add(event["position"])
        assert len({key for key, *_ in log}) == len(log)
        for key, _, _, _, reply in log:
            assert places.get(key) == {reply.position}, (key, reply.position, places.get(key))
        chosen = log if sample is None or len(log) <= sample else random.Random(1).sample(log, sample)
        for key, method, path, body, reply in chosen:
            again = engine.http(method, path, body, key=key)
            assert (again.status, again.body, again.position) == (reply.status, reply.body, reply.position), key
            assert again.headers["Idempotency-Hit"] == "true"
        expected = {user: total for user, total in self.expected().items() if total or user != self.shared}
        report = check(engine, ledgerline, [u for u in expected if self.known(engine, u)], charged=sum(expected.values()))
        for user, total in expected.items():
            if self.known(engine, user):
                assert engine.get(f"/api/points/balance?userId={user}").json["balance"] == total
        holds = {name: reservation(engine, name) for one in self.clients for name in one.holds}
        owners = {}
        for name, one in holds.items():
            if one["status"] in ("HELD", "CONFIRMED"):
                for seat in one["seatNos"]:
                    assert owners.setdefault(seat, name) == name, f"seat {seat} belongs to two"
        shown = seats(engine, self.schedule)
        assert {seat for seat, status in shown.items() if status == "RESERVED"} == {
            seat for one in holds.values() if one["status"] == "CONFIRMED" for seat in one["seatNos"]
        }
        return report

    @staticmethod
    def known(engine, user):
        return engine.get(f"/api/points/balance?userId={user}").status == 200
