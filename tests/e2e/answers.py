"""Requests that lead to each answer of docs/openapi.yaml, for test_openapi.py.

	World(engine).good("POST /api/points/charge")      a fresh request that succeeds
	ROWS[(request, code)](world)                       one that is answered with that code
"""

import contextlib
import http.client
import itertools
import json
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import engine as client

AMOUNT_MAX = 2**53 - 1
WAITING_MAX = 64  # questions about the past (engine/serve/audit.c)
numbers = itertools.count(1)


def fresh(kind):
    return f"{kind}-{next(numbers)}"


def days(count):
    return (datetime.now(timezone.utc) + timedelta(days=count)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Request:
    method: str
    path: str
    body: object = None
    headers: dict = field(default_factory=dict)

    def send(self, engine, key=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return engine.http(self.method, self.path, self.body, headers={**self.headers, **named}, key=key)


def raw(engine, method, path, data, later=False):
    """Sends bytes that http.client would not; the answer, or (`later`) a function that waits for it."""
    sock = socket.create_connection((engine.host, engine.port), timeout=60)
    sock.sendall(data)
    return (lambda: finish(sock, [(method, path, data)])[0]) if later else finish(sock, [(method, path, data)])[0]


class Answers:
    """What comes back on a socket, for several http.client.HTTPResponse in turn: each would read ahead, and close."""

    def __init__(self, sock):
        self.stream = sock.makefile("rb")

    def makefile(self, mode):
        return self

    def read(self, *size):
        return self.stream.read(*size)

    def readline(self, *size):
        return self.stream.readline(*size)

    def flush(self):
        pass

    def close(self):
        pass


def finish(sock, parts):
    """The answers to all parts, (method, path, bytes), which the witness sees, too."""
    replies = []
    with sock:
        stream = Answers(sock)
        for method, path, data in parts:
            answer = http.client.HTTPResponse(stream, method=method)
            answer.begin()
            reply = client.Reply(answer.status, answer.headers, answer.read())
            if client.witness:
                client.witness.check(method, path, {}, data.partition(b"\r\n\r\n")[2], reply)
            replies.append(reply)
    return replies


def head(method, path, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def part(request):
    """A whole request, for `raw`."""
    body = b"" if request.body is None else json.dumps(request.body).encode()
    lines = [f"{name}: {value}" for name, value in request.headers.items()] + [f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"] if body else []
    return request.method, request.path, head(request.method, request.path, *lines) + body


def pipelined(engine, *made, later=False):
    """Several requests in one write, which the engine takes in one turn, and so into one block; their answers."""
    parts = [part(one) for one in made]
    sock = socket.create_connection((engine.host, engine.port), timeout=60)
    sock.sendall(b"".join(data for _, _, data in parts))
    return (lambda: finish(sock, parts)) if later else finish(sock, parts)


class World:
    def __init__(self, engine):
        self.engine = engine

    # ---- what there is ----

    def must(self, method, path, body=None, **options):
        reply = self.engine.http(method, path, body, **options)
        assert reply.status < 300, (method, path, reply)
        return reply.json

    @contextlib.contextmanager
    def policy(self, **rules):
        before = self.must("PUT", "/api/admin/policies", rules)
        try:
            yield
        finally:
            usual = {"registrationRequired": False, "queueRequired": False, "holdSeconds": 300, "chargeMax": 1000000, "balanceMax": 0}
            self.must("PUT", "/api/admin/policies", {name: usual[name] for name in rules})
            assert before

    def user(self, points=0):
        name = fresh("user")
        if points:
            self.must("POST", "/api/points/charge", {"userId": name, "amount": points})
        return name

    def concert(self):
        return self.must("POST", "/api/admin/concerts", {"concertId": fresh("concert"), "title": "Jazz"})["concertId"]

    def schedule(self, concert=None, date=None, price=1000, **more):
        body = {"scheduleId": fresh("schedule"), "concertId": concert or self.concert(), "concertDate": date or days(30)}
        body["seats"] = [{"seatNo": n, "price": price} for n in range(1, 7)]
        self.must("POST", "/api/admin/schedules", {**body, **more})
        return body["scheduleId"]

    def cancelled(self):
        name = self.schedule()
        self.must("POST", f"/api/admin/schedules/{name}/cancel", {"reason": "rain"})
        return name

    def held(self, user, schedule=None, seat=1):
        body = {"userId": user, "scheduleId": schedule or self.schedule(), "seatNo": seat}
        return self.must("POST", "/api/reservations", body)["reservationId"]

    def paid(self, user=None, schedule=None):
        """(reservation, payment)"""
        user = user or self.user(5000)
        held = self.held(user, schedule)
        return held, self.must("POST", "/api/payments", {"reservationId": held, "userId": user})

    def sold_seat(self):
        """SCHEDULE/NUMBER of a seat that was paid for."""
        name = self.schedule()
        self.paid(schedule=name)
        return f"{name}/1"

    def use(self):
        return self.must("POST", "/api/points/use", {"userId": self.user(5000), "amount": 3000})["useId"]

    def hold(self, **more):
        return self.must("POST", "/api/points/holds", {"userId": self.user(5000), "amount": 3000, **more})["holdId"]

    def token(self, user=None, **more):
        return self.must("POST", "/api/queue/token", {"userId": user or fresh("user"), **more})["token"]

    def good(self, request):
        method, path = request.split(" ")
        return GOOD[request](self, lambda body=None, at=path, headers=None: Request(method, at, body, headers or {}))

    def until(self, condition, what):
        return self.engine.wait_for(condition, what)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def seats(*numbers_):
    return [{"seatNo": number, "price": 1000} for number in numbers_]


def sold(world):
    name = world.schedule()
    user = world.user(9000)
    for seat in range(1, 7):
        held = world.held(user, name, seat)
        world.must("POST", "/api/payments", {"reservationId": held, "userId": user})
    return name


def received(world):
    key = fresh("key")
    world.engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}, key=key)
    return key


# request -> (world, make) -> a request that succeeds
GOOD = {
    "POST /api/admin/users": lambda w, r: r({"userId": fresh("user")}),
    "POST /api/admin/concerts": lambda w, r: r({"concertId": fresh("concert"), "title": "서울의 밤"}),
    "POST /api/admin/schedules": lambda w, r: r(
        {"scheduleId": fresh("schedule"), "concertId": w.concert(), "concertDate": "2030-05-01", "seats": seats(2, 1)}
    ),
    "POST /api/admin/schedules/{scheduleId}/seats": lambda w, r: r(
        {"seats": seats(7)}, f"/api/admin/schedules/{w.schedule()}/seats"
    ),
    "PATCH /api/admin/schedules/{scheduleId}": lambda w, r: r(
        {"bookingOpensAt": days(1), "bookingClosesAt": None}, f"/api/admin/schedules/{w.schedule()}"
    ),
    "POST /api/admin/schedules/{scheduleId}/cancel": lambda w, r: r(
        {"reason": "rain"}, f"/api/admin/schedules/{w.schedule()}/cancel"
    ),
    "PUT /api/admin/policies": lambda w, r: r({"seatsPerReservation": 4}),
    "POST /api/admin/points/adjust": lambda w, r: r(
        {"userId": fresh("user"), "amount": -5, "reason": "counted twice", "approver": "choi"}
    ),
    "POST /api/points/charge": lambda w, r: r({"userId": fresh("user"), "amount": 1000, "source": None}),
    "POST /api/points/use": lambda w, r: r({"userId": w.user(5000), "amount": 10, "reference": "poster"}),
    "POST /api/points/refund": lambda w, r: r({"useId": w.use(), "amount": 10}),
    "POST /api/points/holds": lambda w, r: r({"userId": w.user(5000), "amount": 10}),
    "POST /api/points/holds/{holdId}/capture": lambda w, r: r({"amount": 10}, f"/api/points/holds/{w.hold()}/capture"),
    "POST /api/points/holds/{holdId}/release": lambda w, r: r({}, f"/api/points/holds/{w.hold()}/release"),
    "GET /api/points/balance": lambda w, r: r(None, f"/api/points/balance?userId={w.user(1000)}"),
    "GET /api/points/history": lambda w, r: r(None, f"/api/points/history?userId={w.user(1000)}&limit=1&before=0:9999999"),
    "POST /api/queue/token": lambda w, r: r({"userId": fresh("user")}),
    "GET /api/queue/status": lambda w, r: r(headers=bearer(w.token())),
    "DELETE /api/queue/token": lambda w, r: r(headers=bearer(w.token())),
    "GET /api/concerts": lambda w, r: r(),
    "GET /api/concerts/dates": lambda w, r: r(None, f"/api/concerts/dates?concertId={w.concert()}"),
    "GET /api/concerts/seats": lambda w, r: r(None, f"/api/concerts/seats?scheduleId={w.schedule()}"),
    "GET /api/schedules/{scheduleId}": lambda w, r: r(None, f"/api/schedules/{w.schedule()}"),
    "POST /api/reservations": lambda w, r: r({"userId": w.user(), "scheduleId": w.schedule(), "seatNos": [2, 1]}),
    "GET /api/reservations/{reservationId}": lambda w, r: r(None, f"/api/reservations/{w.held(w.user())}"),
    "DELETE /api/reservations/{reservationId}": lambda w, r: r(None, f"/api/reservations/{w.held(w.user())}"),
    "POST /api/payments": lambda w, r: (
        lambda user: r({"reservationId": w.held(user), "userId": user, "amount": 1000})
    )(w.user(5000)),
    "GET /api/payments/{paymentId}": lambda w, r: r(None, f"/api/payments/{w.paid()[1]['paymentId']}"),
    "POST /api/payments/{paymentId}/cancel": lambda w, r: r(None, f"/api/payments/{w.paid()[1]['paymentId']}/cancel"),
    "GET /api/rankings/popular": lambda w, r: sold(w) and r(None, "/api/rankings/popular?limit=100&window=week"),
    "GET /api/rankings/sold-out": lambda w, r: sold(w) and r(None, "/api/rankings/sold-out?from=first"),
    "POST /api/commands": lambda w, r: r([{"type": "user.register", "userId": fresh("user")}, {"type": "no.such"}]),
    "GET /api/receipts/{commandId}": lambda w, r: r(None, f"/api/receipts/{received(w)}"),
    "GET /api/audit/accounts/{userId}": lambda w, r: r(None, f"/api/audit/accounts/{w.user(1000)}"),
    "GET /api/audit/schedules/{scheduleId}": lambda w, r: r(None, f"/api/audit/schedules/{w.schedule()}?at=latest"),
    "GET /api/audit/reservations/{reservationId}": lambda w, r: r(None, f"/api/audit/reservations/{w.held(w.user())}"),
    "GET /api/audit/rankings/popular": lambda w, r: sold(w) and r(None, "/api/audit/rankings/popular?limit=100&window=week&at=latest"),
    "GET /api/audit/rankings/sold-out": lambda w, r: sold(w) and r(None, "/api/audit/rankings/sold-out?from=first"),
    "GET /api/audit/totals": lambda w, r: r(None, "/api/audit/totals"),
    "GET /api/audit/diff": lambda w, r: w.paid() and r(None, "/api/audit/diff?from=start&to=latest"),
    "GET /api/audit/explain/{commandId}": lambda w, r: r(None, f"/api/audit/explain/{received(w)}"),
    "GET /api/audit/history/account/{userId}": lambda w, r: r(None, f"/api/audit/history/account/{w.user(1000)}"),
    "GET /api/audit/history/reservation/{reservationId}": lambda w, r: r(None, f"/api/audit/history/reservation/{w.paid()[1]['reservationId']}"),
    "GET /api/audit/history/seat/{scheduleId}/{seatNo}": lambda w, r: r(None, f"/api/audit/history/seat/{w.sold_seat()}"),
    "GET /api/leader": lambda w, r: r(),
    "POST /api/admin/lead": lambda w, r: r(),
    "POST /api/admin/handover": lambda w, r: r(),
    "POST /api/admin/periods": lambda w, r: r(None, f"/api/admin/periods?name={fresh('period')}&approver=boss&at=latest"),
    "GET /api/status": lambda w, r: r(),
    "GET /healthz": lambda w, r: r(),
    "GET /readyz": lambda w, r: r(),
    "GET /metrics": lambda w, r: r(),
}


# ---- refusals and rejections ----


def again(request):
    """The same wish once more, under another key."""

    def ask(world):
        made = world.good(request)
        assert made.send(world.engine).status < 300
        return made.send(world.engine)

    return ask


def changed(request, rules=None, **fields):
    """A good one with other fields; a value that is a function is called with the world. `rules`: sent under this policy."""

    def ask(world):
        made = world.good(request)
        made.body = {**made.body, **{n: v(world) if callable(v) else v for n, v in fields.items()}}
        with world.policy(**rules) if rules else contextlib.nullcontext():
            return made.send(world.engine)

    return ask


def at(method, path, body=None, headers=None):
    """A request whose parts may be functions of the world."""

    def ask(world):
        made = [part(world) if callable(part) else part for part in (path, body, headers)]
        return world.engine.http(method, made[0], made[1], headers=made[2])

    return ask


def expired_hold(verb):
    def ask(world):
        user = world.user(1000)
        hold = world.must("POST", "/api/points/holds", {"userId": user, "amount": 10, "expiresInSeconds": 1})["holdId"]
        world.until(lambda: world.engine.get(f"/api/points/balance?userId={user}").json["held"] == 0, "the hold's end")
        return world.engine.post(f"/api/points/holds/{hold}/{verb}")

    return ask


def closed_hold(verb):
    def ask(world):
        hold = world.hold()
        world.must("POST", f"/api/points/holds/{hold}/release")
        return world.engine.post(f"/api/points/holds/{hold}/{verb}")

    return ask


def full_account(world):
    """(a user with as many points as there can be, a use of theirs)"""
    with world.policy(chargeMax=AMOUNT_MAX):
        user = world.user(AMOUNT_MAX)
        use = world.must("POST", "/api/points/use", {"userId": user, "amount": 5000})["useId"]
        world.must("POST", "/api/points/charge", {"userId": user, "amount": 5000})
    return user, use


def over_balance(path, **body):
    def ask(world):
        return world.engine.post(path, {"userId": full_account(world)[0], "amount": 1000, **body})

    return ask


def twins(world):
    concert = world.concert()
    for _ in range(2):
        world.schedule(concert, date="2031-05-01")
    return concert


def payment_in_state(code):
    """Paying a reservation that is, in turn, somebody's, given up, paid, over, of a show being cancelled, dear, or too dear."""

    def ask(world):
        user = world.user(5000)
        body = {"userId": user, "reservationId": None}
        if code == "NOT_YOUR_RESERVATION":
            body["reservationId"] = world.held(world.user())
        elif code == "RESERVATION_NOT_ACTIVE":
            body["reservationId"] = world.held(user)
            world.must("DELETE", f"/api/reservations/{body['reservationId']}")
        elif code == "PAYMENT_CONFLICT":
            body["reservationId"] = world.paid(user)[0]
        elif code == "AMOUNT_MISMATCH":
            body.update(reservationId=world.held(user), amount=999)
        elif code == "INSUFFICIENT_POINTS":
            body["reservationId"] = world.held(user, world.schedule(price=5001))
        elif code == "RESERVATION_EXPIRED":
            with world.policy(holdSeconds=1):
                body["reservationId"] = world.held(user)
                shown = f"/api/reservations/{body['reservationId']}"
                world.until(lambda: world.engine.get(shown).json["status"] == "EXPIRED", "the hold's end")
        return world.engine.post("/api/payments", body)

    return ask


def payment_of_a_show_being_cancelled(world):
    """In one write, and so in one block: the doors are closed, the reservation is not dealt with yet."""
    user, name = world.user(5000), world.schedule()
    held = world.held(user, name)
    cancel = Request("POST", f"/api/admin/schedules/{name}/cancel", {"reason": "rain"})
    return pipelined(world.engine, cancel, Request("POST", "/api/payments", {"reservationId": held, "userId": user}))[1]


def past_show(world):
    return world.paid(schedule=world.schedule(date=days(-1)))


def queue_gate(code):
    def ask(world):
        name = world.schedule()
        token = {"TOKEN_REQUIRED": None, "TOKEN_INVALID": "tok-1." + "0" * 32}.get(code) or (code == "QUEUE_NOT_ACTIVE" and world.token())
        with world.policy(queueRequired=True):
            body = {"userId": fresh("user"), "scheduleId": name, "seatNo": 1}
            return world.engine.post("/api/reservations", body, headers=bearer(token) if token else {})

    return ask


def seat_already_taken(world):
    name = world.schedule()
    world.held(world.user(), name)
    return world.engine.post("/api/reservations", {"userId": fresh("user"), "scheduleId": name, "seatNos": [1, 2]})


def sum_of_prices(world):
    name = world.schedule(price=AMOUNT_MAX)
    return world.engine.post("/api/reservations", {"userId": fresh("user"), "scheduleId": name, "seatNos": [1, 2]})


def many_seats():
    return [{"seatNo": n, "section": "s" * 128, "grade": "g" * 128, "price": 1} for n in range(1, 10001)]


ADJUST = {"reason": "goodwill", "approver": "choi"}
SEAT = {"userId": "lee", "seatNo": 1}

# (request, code) -> world -> the answer
ROWS = {
    ("POST /api/admin/users", "USER_EXISTS"): again("POST /api/admin/users"),
    ("POST /api/admin/concerts", "CONCERT_EXISTS"): again("POST /api/admin/concerts"),
    ("POST /api/admin/schedules", "SCHEDULE_EXISTS"): again("POST /api/admin/schedules"),
    ("POST /api/admin/schedules", "CONCERT_NOT_FOUND"): changed("POST /api/admin/schedules", concertId="nope"),
    ("POST /api/admin/schedules", "ENTRY_TOO_LARGE"): changed("POST /api/admin/schedules", seats=lambda w: many_seats()),
    ("POST /api/admin/schedules/{scheduleId}/seats", "SCHEDULE_NOT_FOUND"): at("POST", "/api/admin/schedules/nope/seats", {"seats": seats(1)}),
    ("POST /api/admin/schedules/{scheduleId}/seats", "SCHEDULE_CANCELLED"): at("POST", lambda w: f"/api/admin/schedules/{w.cancelled()}/seats", {"seats": seats(1)}),
    ("POST /api/admin/schedules/{scheduleId}/seats", "SALES_STARTED"): at("POST", lambda w: f"/api/admin/schedules/{sold(w)}/seats", {"seats": seats(9)}),
    ("POST /api/admin/schedules/{scheduleId}/seats", "SEAT_EXISTS"): changed("POST /api/admin/schedules/{scheduleId}/seats", seats=seats(3, 8)),
    ("POST /api/admin/schedules/{scheduleId}/seats", "ENTRY_TOO_LARGE"): changed("POST /api/admin/schedules/{scheduleId}/seats", seats=lambda w: many_seats()),
    ("PATCH /api/admin/schedules/{scheduleId}", "SCHEDULE_NOT_FOUND"): at("PATCH", "/api/admin/schedules/nope", {"concertDate": "2031-01-01"}),
    ("PATCH /api/admin/schedules/{scheduleId}", "SCHEDULE_CANCELLED"): at("PATCH", lambda w: f"/api/admin/schedules/{w.cancelled()}", {"concertDate": "2031-01-01"}),
    ("POST /api/admin/schedules/{scheduleId}/cancel", "SCHEDULE_NOT_FOUND"): at("POST", "/api/admin/schedules/nope/cancel", {"reason": "rain"}),
    ("POST /api/admin/points/adjust", "USER_NOT_FOUND"): changed("POST /api/admin/points/adjust", {"registrationRequired": True}),
    ("POST /api/admin/points/adjust", "BALANCE_LIMIT"): over_balance("/api/admin/points/adjust", **ADJUST),
    ("POST /api/points/charge", "USER_NOT_FOUND"): changed("POST /api/points/charge", {"registrationRequired": True}),
    ("POST /api/points/charge", "INVALID_AMOUNT"): changed("POST /api/points/charge", amount=999),
    ("POST /api/points/charge", "BALANCE_LIMIT"): changed("POST /api/points/charge", {"balanceMax": 5000}, amount=5001),
    ("POST /api/points/use", "USER_NOT_FOUND"): changed("POST /api/points/use", {"registrationRequired": True}),
    ("POST /api/points/use", "INSUFFICIENT_POINTS"): changed("POST /api/points/use", amount=5001),
    ("POST /api/points/refund", "USE_NOT_FOUND"): changed("POST /api/points/refund", useId="use-999999"),
    ("POST /api/points/refund", "USE_BELONGS_TO_PAYMENT"): changed("POST /api/points/refund", useId=lambda w: w.paid()[1]["useId"]),
    ("POST /api/points/refund", "REFUND_EXCEEDS_USE"): changed("POST /api/points/refund", amount=3001),
    ("POST /api/points/refund", "BALANCE_LIMIT"): changed("POST /api/points/refund", useId=lambda w: full_account(w)[1]),
    ("POST /api/points/holds", "USER_NOT_FOUND"): changed("POST /api/points/holds", {"registrationRequired": True}),
    ("POST /api/points/holds", "INSUFFICIENT_POINTS"): changed("POST /api/points/holds", amount=5001),
    ("POST /api/points/holds/{holdId}/capture", "HOLD_NOT_FOUND"): at("POST", "/api/points/holds/hold-999999/capture"),
    ("POST /api/points/holds/{holdId}/capture", "HOLD_EXPIRED"): expired_hold("capture"),
    ("POST /api/points/holds/{holdId}/capture", "HOLD_CLOSED"): closed_hold("capture"),
    ("POST /api/points/holds/{holdId}/capture", "CAPTURE_EXCEEDS_HOLD"): changed("POST /api/points/holds/{holdId}/capture", amount=3001),
    ("POST /api/points/holds/{holdId}/release", "HOLD_NOT_FOUND"): at("POST", "/api/points/holds/x/release"),
    ("POST /api/points/holds/{holdId}/release", "HOLD_EXPIRED"): expired_hold("release"),
    ("POST /api/points/holds/{holdId}/release", "HOLD_CLOSED"): closed_hold("release"),
    ("GET /api/points/balance", "USER_NOT_FOUND"): at("GET", "/api/points/balance?userId=nobody"),
    ("GET /api/points/history", "USER_NOT_FOUND"): at("GET", "/api/points/history?userId=nobody"),
    ("GET /api/queue/status", "TOKEN_REQUIRED"): at("GET", "/api/queue/status"),
    ("GET /api/queue/status", "TOKEN_INVALID"): at("GET", "/api/queue/status", None, bearer("tok-1." + "0" * 32)),
    ("DELETE /api/queue/token", "TOKEN_REQUIRED"): at("DELETE", "/api/queue/token", None, {"Authorization": "Basic x"}),
    ("DELETE /api/queue/token", "TOKEN_INVALID"): at("DELETE", "/api/queue/token", None, bearer("x")),
    ("GET /api/concerts/dates", "CONCERT_NOT_FOUND"): at("GET", "/api/concerts/dates?concertId=nope"),
    ("GET /api/concerts/seats", "CONCERT_NOT_FOUND"): at("GET", "/api/concerts/seats?concertId=nope&date=2031-05-01"),
    ("GET /api/concerts/seats", "SCHEDULE_NOT_FOUND"): at("GET", "/api/concerts/seats?scheduleId=nope"),
    ("GET /api/concerts/seats", "SCHEDULE_AMBIGUOUS"): at("GET", lambda w: f"/api/concerts/seats?concertId={twins(w)}&date=2031-05-01"),
    ("GET /api/schedules/{scheduleId}", "SCHEDULE_NOT_FOUND"): at("GET", "/api/schedules/nope"),
    ("POST /api/reservations", "TOKEN_REQUIRED"): queue_gate("TOKEN_REQUIRED"),
    ("POST /api/reservations", "TOKEN_INVALID"): queue_gate("TOKEN_INVALID"),
    ("POST /api/reservations", "QUEUE_NOT_ACTIVE"): queue_gate("QUEUE_NOT_ACTIVE"),
    ("POST /api/reservations", "CONCERT_NOT_FOUND"): at("POST", "/api/reservations", {**SEAT, "concertId": "nope", "date": "2031-05-01"}),
    ("POST /api/reservations", "SCHEDULE_NOT_FOUND"): at("POST", "/api/reservations", {**SEAT, "scheduleId": "nope"}),
    ("POST /api/reservations", "SCHEDULE_AMBIGUOUS"): at("POST", "/api/reservations", lambda w: {**SEAT, "concertId": twins(w), "date": "2031-05-01"}),
    ("POST /api/reservations", "SEAT_NOT_FOUND"): changed("POST /api/reservations", seatNos=[1, 99]),
    ("POST /api/reservations", "SCHEDULE_CANCELLED"): changed("POST /api/reservations", scheduleId=lambda w: w.cancelled()),
    ("POST /api/reservations", "BOOKING_CLOSED"): changed("POST /api/reservations", scheduleId=lambda w: w.schedule(bookingClosesAt=days(-1))),
    ("POST /api/reservations", "SEAT_ALREADY_RESERVED"): seat_already_taken,
    ("POST /api/reservations", "SEAT_LIMIT"): changed("POST /api/reservations", seatNos=[1, 2, 3, 4, 5]),
    ("POST /api/reservations", "LEDGER_LIMIT"): sum_of_prices,
    **{
        (f"GET /api/audit/{pattern}", code): at("GET", f"/api/audit/{path}={cut}")
        for pattern, path in (("accounts/{userId}", "accounts/kim?at"), ("schedules/{scheduleId}", "schedules/s?at"), ("reservations/{reservationId}", "reservations/reservation-1?at"),
                              ("rankings/popular", "rankings/popular?at"), ("rankings/sold-out", "rankings/sold-out?at"), ("totals", "totals?at"), ("diff", "diff?from=start&to"))
        for code, cut in (("CUT_NOT_FOUND", "0:999999999"), ("CUT_NOT_FINAL", "2090-01-01T00:00:00Z"))
    },
    ("GET /api/audit/explain/{commandId}", "CUT_NOT_FOUND"): at("GET", "/api/audit/explain/0:999999999"),
    ("GET /api/audit/explain/{commandId}", "RECEIPT_NOT_FOUND"): at("GET", "/api/audit/explain/nope"),
    ("GET /api/audit/accounts/{userId}", "USER_NOT_FOUND"): at("GET", "/api/audit/accounts/nobody"),
    ("GET /api/audit/schedules/{scheduleId}", "SCHEDULE_NOT_FOUND"): at("GET", "/api/audit/schedules/nope"),
    ("GET /api/audit/reservations/{reservationId}", "RESERVATION_NOT_FOUND"): at("GET", "/api/audit/reservations/nope"),
    ("GET /api/audit/history/account/{userId}", "USER_NOT_FOUND"): at("GET", "/api/audit/history/account/nobody"),
    ("GET /api/audit/history/reservation/{reservationId}", "RESERVATION_NOT_FOUND"): at("GET", "/api/audit/history/reservation/nope"),
    ("GET /api/audit/history/seat/{scheduleId}/{seatNo}", "SCHEDULE_NOT_FOUND"): at("GET", "/api/audit/history/seat/nope/1"),
    ("GET /api/audit/history/seat/{scheduleId}/{seatNo}", "SEAT_NOT_FOUND"): lambda w: w.engine.get(f"/api/audit/history/seat/{w.schedule()}/99"),
    ("GET /api/reservations/{reservationId}", "RESERVATION_NOT_FOUND"): at("GET", "/api/reservations/nope"),
    ("DELETE /api/reservations/{reservationId}", "RESERVATION_NOT_FOUND"): at("DELETE", "/api/reservations/nope"),
    ("DELETE /api/reservations/{reservationId}", "NOT_YOUR_RESERVATION"): at("DELETE", lambda w: f"/api/reservations/{w.held(w.user())}?userId=lee"),
    ("DELETE /api/reservations/{reservationId}", "RESERVATION_NOT_ACTIVE"): again("DELETE /api/reservations/{reservationId}"),
    ("DELETE /api/reservations/{reservationId}", "REFUND_CLOSED"): at("DELETE", lambda w: f"/api/reservations/{past_show(w)[0]}"),
    ("POST /api/payments", "RESERVATION_NOT_FOUND"): changed("POST /api/payments", reservationId="nope"),
    **{
        ("POST /api/payments", code): payment_in_state(code)
        for code in ("NOT_YOUR_RESERVATION", "RESERVATION_NOT_ACTIVE", "PAYMENT_CONFLICT", "RESERVATION_EXPIRED", "AMOUNT_MISMATCH", "INSUFFICIENT_POINTS")
    },
    ("POST /api/payments", "SCHEDULE_CANCELLED"): payment_of_a_show_being_cancelled,
    ("GET /api/payments/{paymentId}", "PAYMENT_NOT_FOUND"): at("GET", "/api/payments/nope"),
    ("POST /api/payments/{paymentId}/cancel", "PAYMENT_NOT_FOUND"): at("POST", "/api/payments/nope/cancel"),
    ("POST /api/payments/{paymentId}/cancel", "PAYMENT_CANCELLED"): again("POST /api/payments/{paymentId}/cancel"),
    ("POST /api/payments/{paymentId}/cancel", "REFUND_CLOSED"): at("POST", lambda w: f"/api/payments/{past_show(w)[1]['paymentId']}/cancel"),
    ("POST /api/admin/periods", "CUT_NOT_FOUND"): at("POST", "/api/admin/periods?name=p&approver=boss&at=0:999999999"),
    ("POST /api/admin/periods", "CUT_NOT_FINAL"): at("POST", "/api/admin/periods?name=p&approver=boss&at=2090-01-01T00:00:00Z"),
    ("GET /api/receipts/{commandId}", "RECEIPT_NOT_FOUND"): at("GET", "/api/receipts/nope"),
}
