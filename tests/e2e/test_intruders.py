"""A thousand who may not, beside those who may: wrong keys, forged, stolen and expired tokens, roles that ask for what is not theirs. None gets
in: the journal knows only those who might; and each request of those is taken meanwhile.

How much slower others become is measured elsewhere (docs/access.md): a test judges no time.
"""

import itertools
import json
import threading

from answers import bearer
from engine import parse_metrics, run
from holders import FORM, Holder, as_role

THREADS, EACH = 4, 250
CHARGE = {"userId": "kim", "amount": 5000}
SEAT = {"scheduleId": "s", "seatNo": 1}


class Scene:
    """A hall behind a waiting room; tokens of one who is in, of one whose time is over, and of one who waits."""

    def __init__(self, engine, keys):
        self.engine, self.keys = engine, keys
        admin, self.client = as_role(engine, keys, "admin"), as_role(engine, keys, "client")
        self.policy = lambda **values: admin.http("PUT", "/api/admin/policies", values).status == 200
        assert self.policy(queueRequired=True, queueActiveMax=1, queueActiveSeconds=1)
        assert admin.post("/api/admin/concerts", {"concertId": "c", "title": "t"}).status == 201
        seats = {"scheduleId": "s", "concertId": "c", "concertDate": "2099-01-01", "seats": [{"seatNo": 1, "price": 0}]}
        assert admin.post("/api/admin/schedules", seats).status == 201
        self.late = self.enter("late")
        engine.wait_for(lambda: self.client.get("/api/queue/status", headers=bearer(self.late)).json["status"] == "EXPIRED", "a token to expire")
        assert self.policy(queueActiveSeconds=600)
        self.inside, self.waits = self.enter("inside"), self.enter("waits")

    def enter(self, user):
        return self.client.post("/api/queue/token", {"userId": user}).json["token"]

    def wrong_keys(self, worker):
        ids = [FORM.match(key)[1] for key in self.keys.of.values()]
        secret = FORM.match(self.keys.of["the-client"])[2]
        for n in itertools.count():
            key = (f"ll_{ids[n % len(ids)]}_{n:06d}{worker}{secret[7:]}", f"ll_{n:016x}_{secret}", "", secret, self.keys.of["the-admin"][:-1])[n % 5]
            yield Holder(self.engine, key), "POST", "/api/points/charge", CHARGE, {}, ("KEY_INVALID", "KEY_REQUIRED", "OVERLOADED")

    def wrong_tokens(self):
        body, signature = self.inside.split(".")
        for n in itertools.count():
            forged = (f"{body}.{n:0{len(signature)}x}", f"tok-{n + 1000}.{signature}", self.inside[:-1], body, "x" * (n % 200 + 1))[n % 5]
            yield self.client, "POST", "/api/reservations", {"userId": "inside", **SEAT}, bearer(forged), ("TOKEN_INVALID",)
            for user, token in (("thief", self.inside), ("late", self.late), ("waits", self.waits)):
                yield self.client, "POST", "/api/reservations", {"userId": user, **SEAT}, bearer(token), ("QUEUE_NOT_ACTIVE",)

    def wrong_roles(self):
        adjust = {"type": "points.adjust", "reason": "r", "approver": "lee", **CHARGE}
        mixed = [
            ("client", "PUT", "/api/admin/policies", {"chargeMin": 1}),
            ("client", "POST", "/api/commands", adjust),
            ("client", "POST", "/api/admin/lead", None),
            ("client", "GET", "/api/audit/totals?at=latest", None),
            ("auditor", "POST", "/api/points/charge", CHARGE),
            ("auditor", "POST", "/api/commands", adjust),
            ("operator", "POST", "/api/points/charge", CHARGE),
            ("operator", "GET", "/api/points/balance?userId=good-0", None),
        ]
        for role, method, path, body in itertools.cycle(mixed):
            yield as_role(self.engine, self.keys, role), method, path, body, {}, ("FORBIDDEN",)

    def intrude(self, worker, let_in):
        ways = [self.wrong_keys(worker), self.wrong_tokens(), self.wrong_roles()]
        for n in range(EACH):
            who, method, path, body, headers, codes = next(ways[0 if n % 4 else 1 + n // 4 % 2])
            reply = who.http(method, path, body, headers=headers)
            if (reply.code or reply.json.get("body", {}).get("code")) not in codes:  # a command's receipt has it within
                let_in.append((method, path, body, reply))


def test_none_gets_in(guarded, keys, ledgerline):
    scene, let_in, done = Scene(guarded, keys), [], itertools.count()
    workers = [threading.Thread(target=scene.intrude, args=(n, let_in)) for n in range(THREADS)]
    [worker.start() for worker in workers]
    served = 0
    while any(worker.is_alive() for worker in workers) or not served:
        reply = scene.client.post("/api/points/charge", {"userId": f"good-{next(done) % 10}", "amount": 1000})
        assert reply.status == 200
        served += 1
    [worker.join() for worker in workers]
    assert not let_in, let_in[:3]
    assert scene.client.post("/api/reservations", {"userId": "inside", **SEAT}, headers=bearer(scene.inside)).status == 201
    assert guarded.stop() == 0
    told = [json.loads(line) for line in run(guarded.binary, "journal", "cat", "--data", guarded.data, "--from", "start", check=0).stdout.splitlines()]
    charged = [one for one in told if one["type"] == "point.charged"]
    assert len(charged) == served and {one["userId"][:5] for one in charged} == {"good-"}
    assert [one["userId"] for one in told if one["type"] == "reservation.created"] == ["inside"]
    assert {one["actor"]["id"] for one in told if one["actor"]["type"] in ("user", "admin")} == {"the-client", "the-admin"}
    refused = {one["code"] for one in told if one["type"] == "refused"}
    assert refused <= {"QUEUE_NOT_ACTIVE"}, refused
    ledgerline("verify", "--data", guarded.data, check=0)


# Who guesses at one key does not hold up the others' first requests: after each wrong guess its id rests, and they go before.
def test_guessing_rests(engines, keys, tmp_path):
    engine = engines(tmp_path / "data", options=("--keys", keys.path)).start()
    operator = as_role(engine, keys, "operator")

    def told(name):
        return parse_metrics(operator.get("/metrics").body.decode())[f"ledgerline_access_{name}"]

    before = told("wrong_total")

    def guess(number):
        Holder(engine, keys.of["the-admin"][:-6] + f"{number:06d}").get("/api/concerts")

    guesses = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
    for one in guesses:
        one.start()
    engine.wait_for(lambda: told("waiting") >= 4, "guesses to wait")
    assert as_role(engine, keys, "client").post("/api/points/charge", CHARGE).status == 200
    guessed, waiting = told("wrong_total") - before, told("waiting")
    for one in guesses:
        one.join()
    assert guessed < 8 and waiting >= 1
    assert told("wrong_total") - before == 8
