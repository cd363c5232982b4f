"""The HTTP API, request by request: what API.md promises, with each of its codes.

`server` is one engine on the embedded journal for the whole file: tests name things of their own. Tests that change policies
start an engine of their own. The last part runs on the embedded journal and on Kafka.
"""

import itertools
import json
import re
import shutil
import socket
import threading
import time
from datetime import datetime, timedelta, timezone

import msgpack
import pytest
from engine import Engine

numbers = itertools.count(1)
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
ID = re.compile(r"^[A-Za-z0-9._:-]{1,64}$")
AMOUNT_MAX = 2**53 - 1


def fresh(kind):
    return f"{kind}-{next(numbers)}"


def at(**delta):
    """The time so long from now, as text."""
    return (datetime.now(timezone.utc) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    directory = tmp_path_factory.mktemp("api")
    engine = Engine(binary, directory / "data").start()
    yield engine
    engine.kill()
    shutil.rmtree(directory, ignore_errors=True)


def user(server, points=0):
    name = fresh("user")
    for part in [1000000] * (points // 1000000) + ([points % 1000000] if points % 1000000 else []):
        assert server.post("/api/points/charge", {"userId": name, "amount": part}).status == 200
    return name


def schedule(server, seats=4, price=1000, date=None, **more):
    """A concert with one schedule; returns both ids."""
    concert, name = fresh("concert"), fresh("schedule")
    assert server.post("/api/admin/concerts", {"concertId": concert, "title": f"Title of {concert}"}).status == 201
    body = {
        "scheduleId": name,
        "concertId": concert,
        "concertDate": date or at(days=30),
        "seats": [{"seatNo": n, "price": price, "section": "A", "grade": "R"} for n in range(1, seats + 1)],
        **more,
    }
    reply = server.post("/api/admin/schedules", body)
    assert (reply.status, reply.json) == (201, {"scheduleId": name, "totalSeats": seats})
    return concert, name


def reserve(server, who, where, *seats):
    reply = server.post("/api/reservations", {"userId": who, "scheduleId": where, "seatNos": list(seats)})
    assert reply.status == 201, reply
    return reply.json["reservationId"]


def pay(server, who, reservation):
    reply = server.post("/api/payments", {"reservationId": reservation, "userId": who})
    assert reply.status == 200, reply
    return reply.json["paymentId"]


def expect(reply, status, code, **details):
    assert (reply.status, reply.code) == (status, code), reply
    assert reply.json["message"] and set(reply.json) == {"code", "message", "details"}
    for name, value in details.items():
        assert reply.json["details"][name] == value
    return reply


def invalid(reply, field):
    expect(reply, 400, "VALIDATION_ERROR", field=field)
    assert reply.json["details"]["reason"] and field in reply.json["message"]


# ---- users, concerts, schedules ----


# A user is registered once.
def test_users(server):
    who = fresh("user")
    reply = server.post("/api/admin/users", {"userId": who})
    assert reply.status == 201 and reply.json["userId"] == who and TIME.match(reply.json["registeredAt"])
    expect(server.post("/api/admin/users", {"userId": who}), 409, "USER_EXISTS")
    invalid(server.post("/api/admin/users", {}), "userId")
    invalid(server.post("/api/admin/users"), "userId")
    balance = server.get(f"/api/points/balance?userId={who}")
    assert balance.status == 200 and balance.json["balance"] == 0 and balance.json["lots"] == []


# Concerts and schedules are made once, and only of what is there.
def test_concerts_and_schedules(server):
    concert, name = schedule(server, seats=3)
    expect(server.post("/api/admin/concerts", {"concertId": concert, "title": "x"}), 409, "CONCERT_EXISTS")
    body = {"scheduleId": name, "concertId": concert, "concertDate": at(days=3), "seats": [{"seatNo": 1, "price": 0}]}
    expect(server.post("/api/admin/schedules", body), 409, "SCHEDULE_EXISTS")
    expect(server.post("/api/admin/schedules", {**body, "concertId": "nope"}), 404, "CONCERT_NOT_FOUND")
    invalid(server.post("/api/admin/schedules", {**body, "seats": []}), "seats")
    invalid(server.post("/api/admin/schedules", {**body, "seats": [{"seatNo": 1, "price": 0}] * 2}), "seats")
    invalid(server.post("/api/admin/schedules", {**body, "seats": [{"seatNo": 1, "price": -1}]}), "seats[0].price")
    invalid(server.post("/api/admin/schedules", {**body, "concertDate": "2026-02-30"}), "concertDate")
    invalid(server.post("/api/admin/schedules", {**body, "concertDate": "2016-12-31T23:59:60Z"}), "concertDate")
    listed = server.get("/api/concerts").json["concerts"]
    assert any(one["concertId"] == concert and one["title"] == f"Title of {concert}" for one in listed)


# Seats are added until something is sold; each number once.
def test_adding_seats(server):
    _, name = schedule(server, seats=2)
    path = f"/api/admin/schedules/{name}/seats"
    reply = server.post(path, {"seats": [{"seatNo": 10, "price": 5}, {"seatNo": 9, "price": 5}]})
    assert (reply.status, reply.json) == (200, {"scheduleId": name, "addedSeats": 2, "totalSeats": 4})
    expect(server.post(path, {"seats": [{"seatNo": 10, "price": 5}]}), 409, "SEAT_EXISTS")
    expect(server.post("/api/admin/schedules/nope/seats", {"seats": [{"seatNo": 1, "price": 5}]}), 404, "SCHEDULE_NOT_FOUND")
    invalid(server.post(path, {"scheduleId": name, "seats": [{"seatNo": 11, "price": 5}]}), "scheduleId")
    who = user(server, 5000)
    pay(server, who, reserve(server, who, name, 1))
    expect(server.post(path, {"seats": [{"seatNo": 11, "price": 5}]}), 409, "SALES_STARTED")


# Date and booking window can be changed; an empty change is refused.
def test_changing_a_schedule(server):
    _, name = schedule(server)
    path = f"/api/admin/schedules/{name}"
    reply = server.http("PATCH", path, {"bookingOpensAt": at(days=1)})
    assert reply.status == 200 and set(reply.json) == {"scheduleId", "concertDate", "bookingOpensAt", "bookingClosesAt"}
    expect(server.post("/api/reservations", {"userId": "u", "scheduleId": name, "seatNo": 1}), 409, "BOOKING_CLOSED")
    invalid(server.http("PATCH", path, {}), "body")
    invalid(server.http("PATCH", path, {"bookingOpensAt": None}), "body")
    invalid(server.http("PATCH", path, {"title": None}), "title")
    expect(server.http("PATCH", "/api/admin/schedules/nope", {"concertDate": at(days=1)}), 404, "SCHEDULE_NOT_FOUND")


# Cancelling ends sales at once and refunds in full in the background; asking again is a read that shows what remains.
def test_cancelling_a_schedule(server):
    _, name = schedule(server)
    who = user(server, 5000)
    held, paid = reserve(server, who, name, 1), reserve(server, who, name, 2)
    payment = pay(server, who, paid)
    path = f"/api/admin/schedules/{name}/cancel"
    invalid(server.post(path, {}), "reason")
    reply = server.post(path, {"reason": "rain"})
    assert (reply.status, reply.json) == (202, {"scheduleId": name, "status": "CANCELLING", "remaining": 2})
    again = server.wait_for(
        lambda: (r := server.post(path, {"reason": "rain"})).json["status"] == "CANCELLED" and r, "the cancellation"
    )
    assert again.status == 200 and again.json["remaining"] == 0 and again.position
    assert server.get(f"/api/reservations/{held}").json["status"] == "CANCELLED"
    assert server.get(f"/api/reservations/{paid}").json["status"] == "CANCELLED"
    assert server.get(f"/api/payments/{payment}").json["status"] == "CANCELLED"
    assert server.get(f"/api/points/balance?userId={who}").json["balance"] == 5000
    expect(server.post("/api/reservations", {"userId": who, "scheduleId": name, "seatNo": 1}), 409, "SCHEDULE_CANCELLED")
    expect(server.http("PATCH", f"/api/admin/schedules/{name}", {"concertDate": at(days=9)}), 409, "SCHEDULE_CANCELLED")
    expect(server.post(f"/api/admin/schedules/{name}/seats", {"seats": [{"seatNo": 50, "price": 1}]}), 409, "SCHEDULE_CANCELLED")
    expect(server.post("/api/admin/schedules/nope/cancel", {"reason": "x"}), 404, "SCHEDULE_NOT_FOUND")


# ---- policies ----


# Each policy may be set alone; what is out of its range changes nothing.
def test_policies(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    reply = engine.http("PUT", "/api/admin/policies", {"chargeMin": 10, "refundTable": [[5, 50], [0, 0]]})
    assert reply.status == 200 and reply.json["version"] == 2
    assert reply.json["chargeMin"] == 10 and reply.json["refundTable"] == [[5, 50], [0, 0]] and reply.json["holdSeconds"] == 300
    for wrong in (
        {"holdSeconds": 0}, {"holdSeconds": 1.5}, {"chargeMin": 0}, {"seatsPerReservation": 1001}, {"queueRequired": 1},
        {"timeZone": "Mars/Olympus"}, {"refundTable": [[1, 101]]}, {"refundTable": []}, {"lotOrder": "random"},
    ):
        invalid(engine.http("PUT", "/api/admin/policies", wrong), next(iter(wrong)) if wrong != {"refundTable": [[1, 101]]} else "refundTable[0].percent")
    invalid(engine.http("PUT", "/api/admin/policies", {}), "body")
    invalid(engine.http("PUT", "/api/admin/policies", {"colour": None}), "colour")
    assert engine.http("PUT", "/api/admin/policies", {"holdSeconds": 60}).json["version"] == 3


# Limits of the policy are refusals, with their own codes; the right to points can be bound to registration.
def test_policy_limits(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    assert engine.http("PUT", "/api/admin/policies", {"balanceMax": 3000, "registrationRequired": True}).status == 200
    expect(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 404, "USER_NOT_FOUND")
    assert engine.post("/api/admin/users", {"userId": "kim"}).status == 201
    assert engine.post("/api/points/charge", {"userId": "kim", "amount": 2500}).status == 200
    expect(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 422, "BALANCE_LIMIT")
    reply = engine.http("PUT", "/api/admin/policies", {"holdSeconds": 1, "seatsPerReservation": 1, "registrationRequired": False})
    assert reply.status == 200
    _, name = schedule(engine)
    expect(engine.post("/api/reservations", {"userId": "kim", "scheduleId": name, "seatNos": [1, 2]}), 409, "SEAT_LIMIT")
    held = reserve(engine, "kim", name, 1)
    engine.wait_for(lambda: engine.get(f"/api/reservations/{held}").json["status"] == "EXPIRED", "the hold's end")
    expect(engine.post("/api/payments", {"reservationId": held, "userId": "kim"}), 410, "RESERVATION_EXPIRED")
    expect(engine.http("DELETE", f"/api/reservations/{held}"), 409, "RESERVATION_NOT_ACTIVE")
    assert reserve(engine, "lee", name, 1)


# Who had points before registration was asked for has what they had: nothing new begins, what began is ended.
def test_registration_comes_later(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    who, (_, name) = user(engine, 9000), schedule(engine)
    use = engine.post("/api/points/use", {"userId": who, "amount": 1000}).json["useId"]
    one, other = (engine.post("/api/points/holds", {"userId": who, "amount": 1000}).json["holdId"] for _ in range(2))
    held, paid = reserve(engine, who, name, 1), reserve(engine, who, name, 2)
    payment = pay(engine, who, paid)
    assert engine.http("PUT", "/api/admin/policies", {"registrationRequired": True}).status == 200
    body = {"userId": who, "amount": 1000}
    for path, more in (("points/charge", {}), ("points/use", {}), ("points/holds", {}), ("admin/points/adjust", {"reason": "x", "approver": "y"})):
        expect(engine.post(f"/api/{path}", {**body, **more}), 404, "USER_NOT_FOUND")
    assert engine.post("/api/points/refund", {"useId": use}).status == 200
    assert engine.post(f"/api/points/holds/{one}/capture").status == 200
    assert engine.post(f"/api/points/holds/{other}/release").status == 200
    assert engine.post(f"/api/payments/{payment}/cancel").status == 200
    pay(engine, who, held)
    assert engine.get(f"/api/points/balance?userId={who}").json["balance"] == 7000


# ---- points ----


# A charge opens a lot; amounts outside the policy are refused, what is no amount at all is rejected.
def test_charge(server):
    who = fresh("user")
    reply = server.post("/api/points/charge", {"userId": who, "amount": 1500})
    assert reply.status == 200 and set(reply.json) == {"userId", "balance", "chargedAmount", "lotId", "lastUpdated"}
    assert (reply.json["balance"], reply.json["chargedAmount"]) == (1500, 1500) and TIME.match(reply.json["lastUpdated"])
    assert ID.match(reply.headers["Idempotency-Key"]) and "Idempotency-Hit" not in reply.headers
    assert server.post("/api/points/charge", {"userId": who, "amount": 1, "source": "bonus"}).status == 200
    expect(server.post("/api/points/charge", {"userId": who, "amount": 999}), 400, "INVALID_AMOUNT")
    expect(server.post("/api/points/charge", {"userId": who, "amount": 1000001}), 400, "INVALID_AMOUNT")
    for amount in ("1000", 0, -1, 1000.5, AMOUNT_MAX + 1, 10**30, None, True, [], {}):
        invalid(server.post("/api/points/charge", {"userId": who, "amount": amount}), "amount")
    for raw in ("1000.0", "1e3", "-0", "01000"):
        reply = server.post("/api/points/charge", '{"userId":"%s","amount":%s}' % (who, raw))
        expect(reply, 400, "VALIDATION_ERROR")
    invalid(server.post("/api/points/charge", {"userId": who, "amount": 1000, "expiresAt": at(days=-1)}), "expiresAt")
    invalid(server.post("/api/points/charge", {"userId": who, "amount": 1000, "source": "gift"}), "source")
    invalid(server.post("/api/points/charge", {"userId": "a b", "amount": 1000}), "userId")
    balance = server.get(f"/api/points/balance?userId={who}").json
    assert balance["balance"] == balance["available"] == 1501 and len(balance["lots"]) == 2
    assert set(balance) == {"userId", "balance", "held", "debt", "available", "lots", "lastUpdated"}


# Points are used, refunded in parts, and never more than was used.
def test_use_and_refund(server):
    who = user(server, 5000)
    used = server.post("/api/points/use", {"userId": who, "amount": 3000, "reference": "order 7"})
    assert used.status == 200 and used.json["balance"] == 2000 and used.json["usedAmount"] == 3000
    use = used.json["useId"]
    expect(server.post("/api/points/use", {"userId": who, "amount": 2001}), 402, "INSUFFICIENT_POINTS", balance=2000, available=2000, required=2001)
    expect(server.post("/api/points/use", {"userId": fresh("nobody"), "amount": 1}), 402, "INSUFFICIENT_POINTS")
    part = server.post("/api/points/refund", {"useId": use, "amount": 1000})
    assert part.json == {"userId": who, "balance": 3000, "refundedAmount": 1000, "remainingRefundable": 2000}
    expect(server.post("/api/points/refund", {"useId": use, "amount": 2001}), 409, "REFUND_EXCEEDS_USE")
    assert server.post("/api/points/refund", {"useId": use}).json["remainingRefundable"] == 0
    for nowhere in ("use-999999999", "use-01", "x", "hold-1"):
        expect(server.post("/api/points/refund", {"useId": nowhere}), 404, "USE_NOT_FOUND")
    invalid(server.post("/api/points/refund", {"useId": "a b"}), "useId")
    invalid(server.post("/api/points/refund", {"useId": 7}), "useId")
    invalid(server.post("/api/points/use", {"userId": who, "amount": 1, "reference": "x" * 129}), "reference")


# Points are held, then captured in part or released, once.
def test_holds(server):
    who = user(server, 5000)
    made = server.post("/api/points/holds", {"userId": who, "amount": 4000})
    assert made.status == 201 and made.json["status"] == "HELD" and made.json["available"] == 1000 and made.json["balance"] == 5000
    hold = made.json["holdId"]
    expect(server.post("/api/points/use", {"userId": who, "amount": 1001}), 402, "INSUFFICIENT_POINTS")
    expect(server.post(f"/api/points/holds/{hold}/capture", {"amount": 4001}), 409, "CAPTURE_EXCEEDS_HOLD")
    done = server.post(f"/api/points/holds/{hold}/capture", {"amount": 1500})
    assert done.status == 200 and done.json["status"] == "CAPTURED"
    assert (done.json["capturedAmount"], done.json["releasedAmount"], done.json["balance"]) == (1500, 2500, 3500)
    expect(server.post(f"/api/points/holds/{hold}/capture"), 409, "HOLD_CLOSED")
    expect(server.post(f"/api/points/holds/{hold}/release"), 409, "HOLD_CLOSED")
    other = server.post("/api/points/holds", {"userId": who, "amount": 100}).json["holdId"]
    assert server.post(f"/api/points/holds/{other}/release", {}).json["status"] == "RELEASED"
    short = server.post("/api/points/holds", {"userId": who, "amount": 100, "expiresInSeconds": 1}).json["holdId"]
    server.wait_for(lambda: server.get(f"/api/points/balance?userId={who}").json["held"] == 0, "the hold's end")
    expect(server.post(f"/api/points/holds/{short}/capture"), 410, "HOLD_EXPIRED")
    expect(server.post("/api/points/holds/hold-999999999/capture"), 404, "HOLD_NOT_FOUND")
    expect(server.post("/api/points/holds/nope/release"), 404, "HOLD_NOT_FOUND")
    invalid(server.post(f"/api/points/holds/{hold}/capture", {"holdId": hold}), "holdId")
    invalid(server.post("/api/points/holds", {"userId": who, "amount": 1, "expiresInSeconds": 0}), "expiresInSeconds")


# Adjustments go both ways; downwards may make debt, which what comes in repays first.
def test_adjust(server):
    who = user(server, 1000)
    body = {"userId": who, "reason": "goodwill", "approver": "boss"}
    up = server.post("/api/admin/points/adjust", {**body, "amount": 500})
    assert up.status == 200 and up.json["balance"] == 1500 and up.json["lotId"]
    down = server.post("/api/admin/points/adjust", {**body, "amount": -2000})
    assert down.status == 200 and (down.json["balance"], down.json["debt"]) == (-500, 500)
    assert server.post("/api/points/charge", {"userId": who, "amount": 1000}).json["balance"] == 500
    invalid(server.post("/api/admin/points/adjust", {**body, "amount": 0}), "amount")
    invalid(server.post("/api/admin/points/adjust", {**body, "amount": 1, "reason": ""}), "reason")
    invalid(server.post("/api/admin/points/adjust", {"userId": who, "amount": 1, "reason": "x"}), "approver")


# The history is newest first, pages by position, and its amounts are signed.
def test_points_history(server):
    who = user(server, 5000)
    server.post("/api/points/use", {"userId": who, "amount": 1000, "reference": "r"})
    page = server.get(f"/api/points/history?userId={who}&limit=1").json
    assert [e["amount"] for e in page["entries"]] == [-1000] and page["next"]
    entry = page["entries"][0]
    assert entry["reference"] == "r" and entry["actor"] == {"type": "user", "id": who} and entry["balanceAfter"] == 4000
    assert entry["position"].startswith("0:") and isinstance(entry["offset"], int)
    rest = server.get(f"/api/points/history?userId={who}&before={page['next']}").json
    assert [e["amount"] for e in rest["entries"]] == [5000] and rest["next"] is None
    for query, field in (("", "userId"), (f"userId={who}&limit=0", "limit"), (f"userId={who}&limit=x", "limit"), (f"userId={who}&before=7", "before")):
        invalid(server.get(f"/api/points/history?{query}"), field)


# Reads of accounts say who is missing and what is wrong with the query.
def test_balance_errors(server):
    reply = expect(server.get("/api/points/balance?userId=nobody"), 404, "USER_NOT_FOUND")
    assert reply.position
    for query, field in (("", "userId"), ("userId=", "userId"), ("userId=a%20b", "userId"), ("userId=a&userId=b", "userId"), ("userId=a&x=1", "x")):
        invalid(server.get(f"/api/points/balance?{query}"), field)


# ---- seats, reservations, payments ----


# Seats can be looked at and booked by schedule, or by concert and day; both are the same wish.
def test_seats_and_days(server):
    concert, name = schedule(server, date="2027-05-01")
    dates = server.get(f"/api/concerts/dates?concertId={concert}").json["dates"]
    assert [(d["scheduleId"], d["availableSeats"], d["totalSeats"]) for d in dates] == [(name, 4, 4)]
    seats = server.get(f"/api/concerts/seats?concertId={concert}&date=2027-05-01").json
    assert seats == server.get(f"/api/concerts/seats?scheduleId={name}").json
    assert seats["seats"][0] == {"seatNo": 1, "section": "A", "grade": "R", "price": 1000, "status": "AVAILABLE"}
    who, key = fresh("user"), fresh("key")
    by_day = {"userId": who, "concertId": concert, "date": "2027-05-01", "seatNumber": 2}
    first = server.post("/api/reservations", by_day, key=key)
    assert first.status == 201 and first.json["scheduleId"] == name and first.json["seatNos"] == [2]
    again = server.post("/api/reservations", {"userId": who, "scheduleId": name, "seatNos": [2]}, key=key)
    assert again.headers["Idempotency-Hit"] == "true" and again.json == first.json
    expect(server.post("/api/reservations", {**by_day, "date": "2027-05-02"}), 404, "SCHEDULE_NOT_FOUND")
    expect(server.post("/api/reservations", {**by_day, "concertId": "nope"}), 404, "CONCERT_NOT_FOUND")
    invalid(server.post("/api/reservations", {**by_day, "scheduleId": name}), "concertId")
    invalid(server.post("/api/reservations", {**by_day, "date": "tomorrow"}), "date")
    invalid(server.post("/api/reservations", {**by_day, "seatNo": 1}), "seatNo")
    twin = {"scheduleId": fresh("schedule"), "concertId": concert, "concertDate": "2027-05-01", "seats": [{"seatNo": 1, "price": 0}]}
    assert server.post("/api/admin/schedules", twin).status == 201
    expect(server.post("/api/reservations", {**by_day, "seatNumber": 3}), 409, "SCHEDULE_AMBIGUOUS")
    expect(server.get(f"/api/concerts/seats?concertId={concert}&date=2027-05-01"), 409, "SCHEDULE_AMBIGUOUS")
    cancel = lambda one: server.post(f"/api/admin/schedules/{one}/cancel", {"reason": "rain"}).status
    assert cancel(name) == 202  # it leaves dates, so the day names the other one
    moved = server.post("/api/reservations", {**by_day, "seatNumber": 1})
    assert (moved.status, moved.json["scheduleId"]) == (201, twin["scheduleId"])
    assert cancel(twin["scheduleId"]) == 202  # only cancelled ones are left: the one with the greatest id says so
    expect(server.post("/api/reservations", {**by_day, "seatNumber": 1}), 409, "SCHEDULE_CANCELLED")
    left = server.get(f"/api/concerts/seats?concertId={concert}&date=2027-05-01").json["scheduleId"]
    assert left == max(name, twin["scheduleId"])
    expect(server.get("/api/concerts/seats?scheduleId=nope"), 404, "SCHEDULE_NOT_FOUND")
    expect(server.get("/api/concerts/dates?concertId=nope"), 404, "CONCERT_NOT_FOUND")
    invalid(server.get("/api/concerts/seats"), "scheduleId")
    invalid(server.get(f"/api/concerts/seats?concertId={concert}"), "date")
    invalid(server.get(f"/api/concerts/seats?concertId={concert}&date=1.5.2027"), "date")
    assert server.get(f"/api/schedules/{name}").status == 200
    expect(server.get("/api/schedules/nope"), 404, "SCHEDULE_NOT_FOUND")


# A seat is held by one, and each rule of booking has its code.
def test_reservations(server):
    _, name = schedule(server, seats=8)
    who = user(server, 10000)
    made = server.post("/api/reservations", {"userId": who, "scheduleId": name, "seatNos": [3, 1]})
    assert made.status == 201 and made.json["seatNos"] == [1, 3] and made.json["price"] == 2000 and made.json["status"] == "HELD"
    assert server.get(f"/api/reservations/{made.json['reservationId']}").json["status"] == "HELD"
    expect(server.post("/api/reservations", {"userId": "lee", "scheduleId": name, "seatNos": [2, 3]}), 409, "SEAT_ALREADY_RESERVED", seatNos=[3])
    expect(server.post("/api/reservations", {"userId": "lee", "scheduleId": name, "seatNos": [4, 5, 6, 7, 8]}), 409, "SEAT_LIMIT")
    expect(server.post("/api/reservations", {"userId": "lee", "scheduleId": name, "seatNo": 99}), 404, "SEAT_NOT_FOUND")
    expect(server.post("/api/reservations", {"userId": "lee", "scheduleId": "nope", "seatNo": 1}), 404, "SCHEDULE_NOT_FOUND")
    invalid(server.post("/api/reservations", {"userId": "lee", "scheduleId": name}), "seatNos")
    invalid(server.post("/api/reservations", {"userId": "lee", "scheduleId": name, "seatNos": [1, 1]}), "seatNos")
    expect(server.get("/api/reservations/reservation-999999999"), 404, "RESERVATION_NOT_FOUND")
    expect(server.get("/api/reservations/x"), 404, "RESERVATION_NOT_FOUND")
    _, closed = schedule(server, bookingClosesAt=at(days=-1))
    expect(server.post("/api/reservations", {"userId": "lee", "scheduleId": closed, "seatNo": 1}), 409, "BOOKING_CLOSED")


# A hold is released and a sale is refunded by who owns it, once.
def test_cancelling_reservations(server):
    _, name = schedule(server)
    who = user(server, 5000)
    held, paid = reserve(server, who, name, 1), reserve(server, who, name, 2)
    payment = pay(server, who, paid)
    expect(server.http("DELETE", f"/api/reservations/{held}?userId=lee"), 403, "NOT_YOUR_RESERVATION")
    invalid(server.http("DELETE", f"/api/reservations/{held}?userId="), "userId")
    invalid(server.http("DELETE", f"/api/reservations/{held}?user=lee"), "user")
    gone = server.http("DELETE", f"/api/reservations/{held}?userId={who}")
    assert (gone.status, gone.json) == (200, {"reservationId": held, "status": "CANCELLED", "refundAmount": 0, "fee": 0})
    expect(server.http("DELETE", f"/api/reservations/{held}"), 409, "RESERVATION_NOT_ACTIVE")
    expect(server.http("DELETE", "/api/reservations/x"), 404, "RESERVATION_NOT_FOUND")
    back = server.post(f"/api/payments/{payment}/cancel")
    assert back.status == 200 and back.json["refundAmount"] == 1000 and back.json["fee"] == 0 and back.json["reservationId"] == paid
    expect(server.post(f"/api/payments/{payment}/cancel"), 409, "PAYMENT_CANCELLED")
    expect(server.post("/api/payments/payment-999999999/cancel"), 404, "PAYMENT_NOT_FOUND")
    shown = server.get(f"/api/payments/{payment}").json
    assert shown["status"] == "CANCELLED" and shown["refundAmount"] == 1000 and TIME.match(shown["cancelledAt"])
    assert server.get(f"/api/points/balance?userId={who}").json["balance"] == 5000
    _, past = schedule(server, date=at(days=-1))
    late = reserve(server, who, past, 1)
    pay(server, who, late)
    expect(server.http("DELETE", f"/api/reservations/{late}"), 409, "REFUND_CLOSED")


# Paying takes the price from the owner's points, once.
def test_payments(server):
    _, name = schedule(server, price=1000)
    who = user(server, 1500)
    held = reserve(server, who, name, 1)
    body = {"reservationId": held, "userId": who}
    expect(server.post("/api/payments", {**body, "userId": "lee"}), 403, "NOT_YOUR_RESERVATION")
    expect(server.post("/api/payments", {**body, "amount": 999}), 409, "AMOUNT_MISMATCH")
    expect(server.post("/api/payments", {**body, "reservationId": "x"}), 404, "RESERVATION_NOT_FOUND")
    invalid(server.post("/api/payments", {**body, "amount": -1}), "amount")
    done = server.post("/api/payments", {**body, "amount": 1000})
    assert done.status == 200 and done.json["status"] == "SUCCESS" and done.json["remainingBalance"] == 500 and done.json["useId"]
    assert set(done.json) >= {"paymentId", "reservationId", "userId", "amount", "status", "paidAt", "remainingBalance"}
    expect(server.post("/api/payments", body), 409, "PAYMENT_CONFLICT")
    expect(server.post("/api/points/refund", {"useId": done.json["useId"]}), 409, "USE_BELONGS_TO_PAYMENT")
    poor = reserve(server, who, name, 2)
    expect(server.post("/api/payments", {"reservationId": poor, "userId": who}), 402, "INSUFFICIENT_POINTS", balance=500, required=1000)
    shown = server.get(f"/api/payments/{done.json['paymentId']}")
    assert shown.status == 200 and shown.json["reservationId"] == held
    expect(server.get("/api/payments/x"), 404, "PAYMENT_NOT_FOUND")
    assert server.get(f"/api/reservations/{held}").json["status"] == "CONFIRMED"
    expect(server.http("DELETE", f"/api/reservations/{poor}?userId=x"), 403, "NOT_YOUR_RESERVATION")


# ---- the waiting room ----


# A token is given once, shows its place, is asked for by policy, and cannot be forged.
def test_queue(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    assert engine.http("PUT", "/api/admin/policies", {"queueRequired": True, "queueActiveMax": 1}).status == 200
    _, name = schedule(engine)
    bearer = lambda token: {"Authorization": f"Bearer {token}"}
    first = engine.post("/api/queue/token", {"userId": "kim"}, key="enter-1")
    assert first.status == 201 and first.json["status"] == "ACTIVE" and first.json["queuePosition"] == 0
    token = first.json["token"]
    hit = engine.post("/api/queue/token", {"userId": "kim"}, key="enter-1")
    assert (hit.status, hit.json, hit.headers["Idempotency-Hit"]) == (201, first.json, "true")
    again = engine.post("/api/queue/token", {"userId": "kim"})
    assert again.status == 200 and again.json["token"] == token
    second = engine.post("/api/queue/token", {"userId": "lee"}).json
    assert second["status"] == "WAITING" and second["queuePosition"] == 1
    status = engine.get("/api/queue/status", headers=bearer(second["token"]))
    assert status.status == 200 and status.json["queuePosition"] == 1 and status.json["userId"] == "lee" and status.position
    expect(engine.get("/api/queue/status"), 401, "TOKEN_REQUIRED")
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    expect(engine.get("/api/queue/status", headers=bearer(forged)), 401, "TOKEN_INVALID")
    seat = {"scheduleId": name, "seatNo": 1}
    expect(engine.post("/api/reservations", {"userId": "kim", **seat}), 401, "TOKEN_REQUIRED")
    expect(engine.post("/api/reservations", {"userId": "kim", **seat}, headers=bearer(forged)), 401, "TOKEN_INVALID")
    expect(engine.post("/api/reservations", {"userId": "lee", **seat}, headers=bearer(second["token"])), 403, "QUEUE_NOT_ACTIVE")
    expect(engine.post("/api/reservations", {"userId": "lee", **seat}, headers=bearer(token)), 403, "QUEUE_NOT_ACTIVE")
    assert engine.post("/api/reservations", {"userId": "kim", **seat}, headers=bearer(token)).status == 201
    receipt = engine.command({"id": "by-command", "type": "reservation.create", "userId": "kim", "scheduleId": name, "seatNo": 2, "queueToken": token})
    assert receipt["status"] == 201
    expect(engine.http("DELETE", "/api/queue/token"), 401, "TOKEN_REQUIRED")
    left = engine.http("DELETE", "/api/queue/token", headers=bearer(token))
    assert left.status == 204 and left.body == b"" and left.position
    assert engine.http("DELETE", "/api/queue/token", headers=bearer(token)).status == 204
    ended = engine.get("/api/queue/status", headers=bearer(token))
    assert ended.status == 200 and ended.json["status"] == "EXPIRED"
    engine.wait_for(lambda: engine.get("/api/queue/status", headers=bearer(second["token"])).json["status"] == "ACTIVE", "the next one's turn")
    read = engine.command({"id": "read", "type": "queue.enter", "userId": "lee"})
    assert read["outcome"] == "read" and read["body"]["token"] == second["token"]
    expect(engine.get("/api/receipts/read"), 404, "RECEIPT_NOT_FOUND")


# ---- rankings ----


# Rankings count what is confirmed; a sold-out schedule shows how long it took.
def test_rankings(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    _, one = schedule(engine, seats=2)
    _, two = schedule(engine, seats=4)
    who = user(engine, 100000)
    for where, seats in ((one, (1,)), (one, (2,)), (two, (1, 2, 3))):
        pay(engine, who, reserve(engine, who, where, *seats))
    popular = engine.get("/api/rankings/popular").json["rankings"]
    assert [(r["rank"], r["scheduleId"], r["reservationCount"]) for r in popular] == [(1, two, 3), (2, one, 2)]
    for window in ("all", "day", "week", "month"):
        assert len(engine.get(f"/api/rankings/popular?window={window}").json["rankings"]) == 2
    assert len(engine.get("/api/rankings/popular?limit=1").json["rankings"]) == 1
    for origin in ("opening", "first"):
        sold = engine.get(f"/api/rankings/sold-out?from={origin}").json["rankings"]
        assert [r["scheduleId"] for r in sold] == [one] and sold[0]["soldOutDurationSec"] >= 0
    for path, field in (("popular?limit=0", "limit"), ("popular?limit=101", "limit"), ("popular?window=year", "window"), ("sold-out?from=x", "from"), ("sold-out?limit=1.0", "limit")):
        invalid(engine.get(f"/api/rankings/{path}"), field)


# Histories of accounts, reservations and seats are oldest first.
def test_audit_histories(server):
    _, name = schedule(server)
    who = user(server, 5000)
    held = reserve(server, who, name, 1)
    pay(server, who, held)
    for path in (f"account/{who}", f"reservation/{held}", f"seat/{name}/1"):
        reply = server.get(f"/api/audit/history/{path}")
        positions = [int(e["position"].split(":")[1]) for e in reply.json["entries"]]
        assert reply.status == 200 and len(positions) >= 2 and positions == sorted(positions), path
    invalid(server.get(f"/api/audit/history/seat/{name}/x"), "seatNo")


# ---- keys, positions, receipts ----


# The same key and body answer the same for ever, in whatever form; another body is refused, and nothing happens twice.
def test_idempotency(server):
    who, key = fresh("user"), fresh("key")
    body = {"userId": who, "amount": 1000}
    first = server.post("/api/points/charge", body, key=key)
    for same in (body, {"amount": 1000, "userId": who}, {**body, "source": "paid", "expiresAt": None}, f' {{"amount" : 1000, "userId" : "{who}"}} '):
        again = server.post("/api/points/charge", same, key=key)
        assert (again.status, again.body, again.position) == (first.status, first.body, first.position)
        assert again.headers["Idempotency-Hit"] == "true" and again.headers["Idempotency-Key"] == key
    by_command = server.command({"id": key, "type": "points.charge", **body})
    assert by_command["hit"] is True and by_command["body"] == first.json
    expect(server.post("/api/points/charge", {**body, "amount": 1001}, key=key), 422, "IDEMPOTENCY_KEY_REUSED")
    expect(server.post("/api/points/use", body, key=key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert server.get(f"/api/points/balance?userId={who}").json["balance"] == 1000
    for bad in ("a b", "x" * 65, "é".encode().decode("latin-1")):
        invalid(server.post("/api/points/charge", body, key=bad), "Idempotency-Key")


# A refusal binds its key; what was rejected does not.
def test_which_outcomes_bind(server):
    who, key, other = fresh("user"), fresh("key"), fresh("key")
    use = {"userId": who, "amount": 500}
    expect(server.post("/api/points/use", use, key=key), 402, "INSUFFICIENT_POINTS")
    assert server.post("/api/points/charge", {"userId": who, "amount": 1000}).status == 200
    again = expect(server.post("/api/points/use", use, key=key), 402, "INSUFFICIENT_POINTS")
    assert again.headers["Idempotency-Hit"] == "true"
    assert server.get(f"/api/receipts/{key}").json["outcome"] == "refused"
    name = fresh("schedule")
    wish = {"userId": who, "scheduleId": name, "seatNo": 1}
    expect(server.post("/api/reservations", wish, key=other), 404, "SCHEDULE_NOT_FOUND")
    expect(server.get(f"/api/receipts/{other}"), 404, "RECEIPT_NOT_FOUND")
    concert, _ = schedule(server)
    assert server.post("/api/admin/schedules", {"scheduleId": name, "concertId": concert, "concertDate": at(days=1), "seats": [{"seatNo": 1, "price": 0}]}).status == 201
    assert server.post("/api/reservations", wish, key=other).status == 201


# Many at once with one key: one effect, and one answer for all.
def test_one_key_from_many(server):
    who, key, replies = fresh("user"), fresh("key"), []

    def ask():
        for _ in range(10):
            replies.append(server.post("/api/points/charge", {"userId": who, "amount": 1000}, key=key))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(replies) == 80 and len({(r.status, r.body, r.position) for r in replies}) == 1
    assert sum("Idempotency-Hit" not in r.headers for r in replies) == 1
    assert server.get(f"/api/points/balance?userId={who}").json["balance"] == 1000


# Receipts say what became of a command; keys survive kill -9.
def test_receipts_survive(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    first = engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}, key="k")
    receipt = engine.get("/api/receipts/k")
    assert receipt.status == 200 and receipt.position
    assert set(receipt.json) == {"commandId", "type", "outcome", "position", "offset", "time", "status", "body", "events"}
    assert receipt.json["body"] == first.json and receipt.json["events"] == ["point.charged"] and receipt.json["position"] == first.position
    assert receipt.json["time"] == first.json["lastUpdated"]
    engine.kill()
    engine.start()
    assert engine.get("/api/receipts/k").json == receipt.json
    again = engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}, key="k")
    assert (again.status, again.json, again.headers["Idempotency-Hit"]) == (200, first.json, "true")
    assert engine.get("/api/points/balance?userId=kim").json["balance"] == 1000
    invalid(engine.get("/api/receipts/a%20b"), "commandId")


# A read may wait for a position; positions grow with every entry and stand on every answer.
def test_positions(server):
    who = user(server, 1000)
    position = server.post("/api/points/use", {"userId": who, "amount": 1}).position
    reply = server.get(f"/api/points/balance?userId={who}", headers={"Ledger-Min-Position": position})
    assert reply.status == 200 and int(reply.position[2:]) >= int(position[2:])
    assert server.get("/api/concerts", headers={"Ledger-Min-Position": "start"}).status == 200
    late = {"Ledger-Min-Position": "0:99999999", "Ledger-Wait-Seconds": "0"}
    expect(server.get("/api/concerts", headers=late), 504, "POSITION_NOT_REACHED")
    for wrong in ("7", "1:7", "0:-1", "0:07", "0:", "0:x", "0:99999999999999999999"):
        invalid(server.get("/api/concerts", headers={"Ledger-Min-Position": wrong}), "Ledger-Min-Position")
    invalid(server.get("/api/concerts", headers={"Ledger-Min-Position": position, "Ledger-Wait-Seconds": "x"}), "Ledger-Wait-Seconds")
    position = int(server.post("/api/points/use", {"userId": who, "amount": 1}).position[2:])
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(server.get("/api/concerts", headers={"Ledger-Min-Position": f"0:{position + 1}", "Ledger-Wait-Seconds": "30"}))
    )
    waiting.start()
    server.post("/api/points/use", {"userId": who, "amount": 1})
    waiting.join()
    assert answers[0].status == 200 and int(answers[0].position[2:]) > position


# ---- /api/commands ----


# An array is applied in order, each element on its own, with its receipt in its place.
def test_array_of_commands(server):
    who, a, b, c = fresh("user"), fresh("id"), fresh("id"), fresh("id")
    charge = {"id": a, "type": "points.charge", "userId": who, "amount": 1000}
    receipts = server.command(
        charge,
        {"id": b, "type": "points.use", "userId": who, "amount": 5000},
        charge,
        {**charge, "amount": 1001},
        {"id": c, "type": "points.charge", "userId": who, "amount": "1000"},
        {"id": "a b", "type": "points.charge", "userId": who, "amount": 1000},
        7,
        {"id": fresh("id"), "type": "points.steal"},
        {"id": fresh("id"), "type": "points.refund", "useId": "nope"},
        {"type": "points.use", "userId": who, "amount": 400, "actor": {"type": "admin", "id": "root"}},
    )
    assert [r["outcome"] for r in receipts] == ["accepted", "refused", "accepted", *["rejected"] * 6, "accepted"]
    assert [r["status"] for r in receipts] == [200, 402, 200, 422, 400, 400, 400, 400, 404, 200]
    assert [r["commandId"] for r in receipts[:7]] == [a, b, a, a, c, None, None]
    assert "hit" not in receipts[0] and receipts[2] == {**receipts[0], "hit": True}
    assert receipts[0] == server.get(f"/api/receipts/{a}").json and receipts[1] == server.get(f"/api/receipts/{b}").json
    assert receipts[4]["body"]["details"]["field"] == "amount" and ID.match(receipts[9]["commandId"])
    assert server.get(f"/api/points/balance?userId={who}").json["balance"] == 600
    newest = server.get(f"/api/points/history?userId={who}&limit=1").json["entries"][0]
    assert newest["actor"] == {"type": "admin", "id": "root"}


# One object gets one receipt; an empty array an empty one; too many, or what is no JSON, fail as a whole.
def test_shapes_of_commands(server):
    who = fresh("user")
    one = server.command({"id": fresh("id"), "type": "user.register", "userId": who})
    assert one["outcome"] == "accepted" and one["type"] == "user.register" and one["status"] == 201
    assert server.command({"id": fresh("id"), "type": "user.register"})["outcome"] == "rejected"
    assert server.post("/api/commands", []).json == []
    many = [{"id": fresh("id"), "type": "points.charge", "userId": who, "amount": 1000} for _ in range(1001)]
    expect(server.post("/api/commands", many), 413, "BODY_TOO_LARGE")
    receipts = server.post("/api/commands", many[:1000]).json
    assert [r["commandId"] for r in receipts] == [m["id"] for m in many[:1000]]
    assert [r["body"]["balance"] for r in receipts] == [1000 * n for n in range(1, 1001)]
    for bad in ("", "{", "[{]", "7", '"x"', "null", '{"id":1,"id":2}', b"\xff", "[1,]"):
        expect(server.post("/api/commands", bad), 400, "VALIDATION_ERROR")


# An element that names its schedule by concert and day sees what the elements before it did.
def test_days_within_an_array(server):
    concert, name, who = fresh("concert"), fresh("schedule"), fresh("user")
    receipts = server.command(
        {"id": fresh("id"), "type": "concert.create", "concertId": concert, "title": "t"},
        {"id": fresh("id"), "type": "schedule.create", "scheduleId": name, "concertId": concert, "concertDate": "2027-06-01", "seats": [{"seatNo": 1, "price": 0}]},
        {"id": fresh("id"), "type": "reservation.create", "userId": who, "concertId": concert, "date": "2027-06-01", "seatNumber": 1},
        {"id": fresh("id"), "type": "user.register", "userId": who},
    )
    assert [r["status"] for r in receipts] == [201, 201, 201, 201]
    assert receipts[2]["body"]["scheduleId"] == name


# An element that turns out to be a read answers with what it found, whatever the elements behind it change.
def test_reads_within_an_array(server):
    who = fresh("user")
    token = server.post("/api/queue/token", {"userId": who}).json["token"]
    receipts = server.command(
        {"id": fresh("id"), "type": "queue.enter", "userId": who},
        {"id": fresh("id"), "type": "queue.leave", "queueToken": token},
        {"id": fresh("id"), "type": "queue.enter", "userId": who},
    )
    assert [r["outcome"] for r in receipts] == ["read", "accepted", "accepted"]
    assert receipts[0]["status"] == 200 and receipts[0]["body"]["token"] == token != receipts[2]["body"]["token"]


# The same maps as msgpack, up to 10,000, answered in kind on request.
def test_msgpack(server):
    who = fresh("user")
    kind = {"Content-Type": "application/msgpack"}
    many = [{"id": fresh("id"), "type": "points.charge", "userId": who, "amount": 1000} for _ in range(3000)]
    reply = server.post("/api/commands", msgpack.packb(many), headers=kind)
    assert reply.status == 200 and [r["status"] for r in reply.json] == [200] * 3000
    again = server.post("/api/commands", msgpack.packb(many), headers={**kind, "Accept": "application/msgpack"})
    assert again.headers["Content-Type"] == "application/msgpack"
    assert msgpack.unpackb(again.body) == [{**r, "hit": True} for r in reply.json]
    one = server.post("/api/commands", msgpack.packb({"id": fresh("id"), "type": "points.charge", "userId": who, "amount": 1000.0}), headers=kind)
    assert one.json["outcome"] == "rejected" and one.json["body"]["details"]["field"] == "amount"
    for bad in (b"", b"\xc1", b"\x91", msgpack.packb([1])[:-1], msgpack.packb({1: 2})):
        expect(server.post("/api/commands", bad, headers=kind), 400, "VALIDATION_ERROR")
    expect(server.post("/api/commands", msgpack.packb([None] * 10001), headers=kind), 413, "BODY_TOO_LARGE")


# ---- what is no request of ours ----


# Bad bodies, types, paths, methods and sizes are told apart.
def test_bad_input(server):
    path = "/api/points/charge"
    for bad in ("{", "[]", "7", "null", '{"userId":"u","userId":"u","amount":1000}', b'{"userId":"\xff","amount":1000}', '{"userId":"\\ud800","amount":1000}'):
        expect(server.post(path, bad), 400, "VALIDATION_ERROR")
    expect(server.post(path, "{}", headers={"Content-Type": "text/plain"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    expect(server.post(path, "x" * (2**20 + 1)), 413, "BODY_TOO_LARGE")
    expect(server.get(path), 405, "METHOD_NOT_ALLOWED")
    expect(server.get("/api/nothing"), 404, "NOT_FOUND")
    invalid(server.post(path + "?x=1", {"userId": "u", "amount": 1000}), "x")
    unknown = server.post(path, {"userId": "u", "amount": 1000, "colour": None})
    invalid(unknown, "colour")
    assert unknown.position is None
    with socket.create_connection((server.host, server.port)) as raw:
        raw.sendall(b"hello\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


# ---- status ----


# Status, health and metrics say what there is.
def test_status(server):
    user(server, 1000)
    status = server.status()
    assert status["version"] and re.match(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", status["ledger"]) and status["leader"]["self"] is True
    assert status["journal"]["kind"] == "local" and status["journal"]["low"] == 0 and status["journal"]["high"] > 0
    assert set(status["projections"]) == {"balances", "seats", "queue", "receipts", "rankings", "history"}
    for one in status["projections"].values():
        assert {"generation", "schemaVersion", "position", "lag", "state", "mapUsedBytes", "readers"} <= set(one)
        assert one["lag"] == 0 and one["state"] == "live"
    assert server.get("/healthz").json == {"status": "ok"} and server.get("/readyz").status == 200
    text = server.get("/metrics")
    assert text.headers["Content-Type"].startswith("text/plain")
    named = re.findall(r"^# HELP (\S+) .+\n# TYPE (\S+) (counter|gauge|histogram)$", text.body.decode(), re.M)
    assert named and all(a == b for a, b, _ in named) and len({a for a, _, _ in named}) == len(named)
    metrics = server.metrics()
    assert metrics['ledgerline_commands_total{outcome="accepted",code=""}'] > 0
    assert metrics['ledgerline_http_requests_total{route="/api/points/charge",status="200"}'] > 0
    assert metrics["ledgerline_journal_high_offset"] >= metrics["ledgerline_journal_folded_offset"] - 1


# SIGTERM finishes what was taken: every answer that was given is there after the next start.
def test_stopping(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    answered, done = [], threading.Event()

    def ask(name):
        while not done.is_set():
            try:
                reply = engine.post("/api/points/charge", {"userId": name, "amount": 1000})
            except OSError:
                return
            except Exception:  # a connection that ends between two requests
                return
            if reply.status == 200:
                answered.append(reply)

    threads = [threading.Thread(target=ask, args=(f"u{n}",)) for n in range(4)]
    [t.start() for t in threads]
    engine.wait_for(lambda: len(answered) > 50, "some answers")
    assert engine.stop() == 0
    done.set()
    [t.join() for t in threads]
    engine.start()
    for reply in answered:
        receipt = engine.get(f"/api/receipts/{reply.headers['Idempotency-Key']}").json
        assert (receipt["position"], receipt["body"]) == (reply.position, reply.json)


# ---- on both journals ----


# The way of a ticket, with keys, arrays and receipts, on the embedded journal and on Kafka.
def test_on_each_journal(engine):
    concert, name = schedule(engine, seats=2)
    who = user(engine, 3000)
    held = reserve(engine, who, name, 1)
    paid = engine.post("/api/payments", {"reservationId": held, "userId": who}, key="pay")
    assert paid.status == 200 and paid.json["remainingBalance"] == 2000
    again = engine.post("/api/payments", {"reservationId": held, "userId": who}, key="pay")
    assert (again.body, again.headers["Idempotency-Hit"]) == (paid.body, "true")
    receipts = engine.command(*({"id": f"c{n}", "type": "points.use", "userId": who, "amount": 1500} for n in range(3)))
    assert [r["status"] for r in receipts] == [200, 402, 402]
    engine.kill()
    engine.start()
    assert engine.get("/api/receipts/pay").json["body"] == paid.json
    assert engine.get(f"/api/points/balance?userId={who}").json["balance"] == 500
    assert engine.get(f"/api/concerts/seats?scheduleId={name}").json["seats"][0]["status"] == "RESERVED"
    assert engine.status()["journal"]["kind"] in ("local", "kafka")
