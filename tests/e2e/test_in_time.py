"""What happens by itself when its time comes, with nobody asking, and what refunds do with lots whose time is over."""

import json
import time
from datetime import datetime, timezone

import pytest
from world import balance, fresh, milliseconds, policy, verified


def later(seconds):
    """A time so many seconds from now."""
    return datetime.fromtimestamp(time.time() + seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def charge(engine, user, amount, **options):
    reply = engine.post("/api/points/charge", {"userId": user, "amount": amount, **options})
    assert reply.status == 200, reply
    return reply.json["lotId"]


def wait_until(text):
    time.sleep(max(milliseconds(text) / 1000 - time.time(), 0) + 0.01)


def journal(ledgerline, engine):
    lines = ledgerline("journal", "cat", "--data", engine.data, check=0).stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def server(engines, tmp_path):
    return engines(tmp_path / "data").start()


# A lot, a point hold, a seat's hold and a token end at their time although no command follows: each by an entry of the engine.
def test_nobody_asks(server, ledgerline):
    policy(server, holdSeconds=1, queueActiveSeconds=1)
    at = later(1)
    charge(server, "lot", 1000, source="bonus", expiresAt=at)
    charge(server, "hold", 1000)
    assert server.post("/api/points/holds", {"userId": "hold", "amount": 400, "expiresInSeconds": 1}).status == 201
    assert server.post("/api/admin/concerts", {"concertId": "c", "title": "t"}).status == 201
    schedule = {"scheduleId": "s", "concertId": "c", "concertDate": "2099-01-01", "seats": [{"seatNo": 1, "price": 10}]}
    assert server.post("/api/admin/schedules", schedule).status == 201
    assert server.post("/api/reservations", {"userId": "seat", "scheduleId": "s", "seatNo": 1}).status == 201
    assert server.post("/api/queue/token", {"userId": "token"}).status == 201
    ended = {"point.expired", "point.hold.released", "reservation.expired", "queue.token.expired"}
    # Asking the journal's end asks no command, and reads of a state expire nothing.
    server.wait_for(lambda: server.metrics()['ledgerline_entries_total{outcome="system"}'] >= 4, "four ends")
    lines = [line for line in journal(ledgerline, server) if line["type"] in ended]
    assert sorted(line["type"] for line in lines) == sorted(ended)
    assert all(line["actor"]["type"] == "system" for line in lines)
    expired = next(line for line in lines if line["type"] == "point.expired")
    assert milliseconds(expired["time"]) >= milliseconds(at)
    assert balance(server, "lot")["balance"] == 0 and balance(server, "hold")["available"] == 1000
    assert server.get("/api/schedules/s").json["availableSeats"] == 1
    verified(ledgerline, server.data)


# The golden case: 1000 (A) and 500 (B), use 1200, A's time passes, refund 1100. The first thousand comes back as a new lot, which
# lives as long as A did, or under the other policy expires at once; B has 400; 100 can still be refunded.
@pytest.mark.parametrize("way, total", [("regrant", 1400), ("expire", 400)])
def test_golden_case(server, ledgerline, way, total):
    policy(server, refundExpiredLot=way)
    user, at = fresh("user"), later(1.2)
    first = charge(server, user, 1000, expiresAt=at)
    second = charge(server, user, 500, source="bonus")
    used = server.post("/api/points/use", {"userId": user, "amount": 1200}).json
    assert used["lots"] == [{"lotId": first, "amount": 1000}, {"lotId": second, "amount": 200}]
    wait_until(at)
    refunded = server.post("/api/points/refund", {"useId": used["useId"], "amount": 1100}).json
    assert (refunded["refundedAmount"], refunded["remainingRefundable"]) == (1100, 100)
    shown = balance(server, user)
    lots = {lot["lotId"]: lot["remaining"] for lot in shown["lots"]}
    assert shown["balance"] == total and lots.pop(second) == 400
    assert list(lots.values()) == ([1000] if way == "regrant" else []) and first not in lots
    over = server.post("/api/points/refund", {"useId": used["useId"], "amount": 101})
    assert (over.status, over.code) == (409, "REFUND_EXCEEDS_USE")
    assert server.post("/api/points/refund", {"useId": used["useId"]}).json["remainingRefundable"] == 0
    verified(ledgerline, server.data)


# A token shows nothing to who made it up, and opens no door for somebody else; its reply stays what it was, also after a restart.
def test_tokens_are_their_owners(server):
    policy(server, queueRequired=True)
    assert server.post("/api/admin/concerts", {"concertId": "c", "title": "t"}).status == 201
    schedule = {"scheduleId": "s", "concertId": "c", "concertDate": "2099-01-01", "seats": [{"seatNo": 1, "price": 0}]}
    assert server.post("/api/admin/schedules", schedule).status == 201
    issued = server.post("/api/queue/token", {"userId": "kim"}, key="enter")
    token = issued.json["token"]
    wish = {"userId": "lee", "scheduleId": "s", "seatNo": 1}
    bearer = lambda text: {"Authorization": f"Bearer {text}"}  # noqa: E731
    assert server.post("/api/reservations", wish).code == "TOKEN_REQUIRED"
    for forged in (token[:-1] + ("0" if token[-1] != "0" else "1"), token.split(".")[0], "tok-999." + token.split(".")[1]):
        reply = server.post("/api/reservations", {**wish, "userId": "kim"}, headers=bearer(forged))
        assert (reply.status, reply.code) == (401, "TOKEN_INVALID"), forged
        assert server.get("/api/queue/status", headers=bearer(forged)).status == 401
    stolen = server.post("/api/reservations", wish, headers=bearer(token))
    assert (stolen.status, stolen.code) == (403, "QUEUE_NOT_ACTIVE")
    held = server.post("/api/reservations", {**wish, "userId": "kim"}, headers=bearer(token), key="hold")
    assert held.status == 201
    paid = server.post("/api/payments", {"reservationId": held.json["reservationId"], "userId": "kim"}, key="pay")
    assert paid.status == 200
    assert server.get("/api/queue/status", headers=bearer(token)).json["status"] == "EXPIRED"
    assert server.stop() == 0
    server.start()
    again = server.post("/api/queue/token", {"userId": "kim"}, key="enter")
    assert again.headers["Idempotency-Hit"] == "true" and (again.status, again.body) == (issued.status, issued.body)
    assert server.post("/api/payments", {"reservationId": held.json["reservationId"], "userId": "kim"}, key="pay").body == paid.body
    wish = {**wish, "userId": "kim", "queueToken": token}
    assert server.command({"id": "hold", "type": "reservation.create", **wish})["body"] == held.json
