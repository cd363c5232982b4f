"""What the attacking tests share: threads that strike at once, a world to strike at, and what must hold after it.

	together([function, ...])      runs all at the same instant, each on a kept-alive connection of its own; their results
	open_schedule(engine, ...)     a concert with one schedule
	check(engine, ledgerline)      the invariants over HTTP, then `verify`
"""

import itertools
import json
import threading
import time
from datetime import datetime, timezone

numbers = itertools.count(1)


def fresh(kind):
    return f"{kind}-{next(numbers)}"


def milliseconds(text):
    """The time of an answer as ms since 1970."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def wall():
    return time.time() * 1000


def together(functions, prepare=None):
    """Results of all, in order. `prepare` runs in each thread before any strikes: to open its connection."""
    functions = list(functions)
    results, failures = [None] * len(functions), []
    gate = threading.Barrier(len(functions))

    def one(index):
        try:
            if prepare:
                prepare()
            gate.wait(60)
            results[index] = functions[index]()
        except BaseException as failure:  # told by the thread that waits
            failures.append(failure)
            gate.abort()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def strike(engine, functions):
    return together(functions, prepare=lambda: engine.get("/healthz"))


def statuses(replies):
    """How often each status came."""
    counts = {}
    for reply in replies:
        counts[reply.status] = counts.get(reply.status, 0) + 1
    return counts


# ---- a world ----


def policy(engine, **settings):
    reply = engine.http("PUT", "/api/admin/policies", settings)
    assert reply.status == 200, reply


def rich(engine, points):
    """A user with so many points."""
    user = fresh("user")
    if points:
        reply = engine.post("/api/points/charge", {"userId": user, "amount": points})
        assert reply.status == 200, reply
    return user


def open_schedule(engine, seats=1, price=2000):
    concert, schedule = fresh("concert"), fresh("schedule")
    assert engine.post("/api/admin/concerts", {"concertId": concert, "title": f"Title of {concert}"}).status == 201
    body = {
        "scheduleId": schedule,
        "concertId": concert,
        "concertDate": datetime.fromtimestamp(time.time() + 30 * 86400, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "seats": [{"seatNo": number, "price": price} for number in range(1, seats + 1)],
    }
    assert engine.post("/api/admin/schedules", body).status == 201
    return schedule


def hold(engine, user, schedule, *seats):
    return engine.post("/api/reservations", {"userId": user, "scheduleId": schedule, "seatNos": list(seats)})


def held(engine, user, schedule, *seats):
    """The id of a reservation that must succeed."""
    reply = hold(engine, user, schedule, *seats)
    assert reply.status == 201, reply
    return reply.json["reservationId"]


def pay(engine, user, reservation, **options):
    return engine.post("/api/payments", {"reservationId": reservation, "userId": user}, **options)


def balance(engine, user):
    reply = engine.get(f"/api/points/balance?userId={user}")
    assert reply.status == 200, reply
    return reply.json


def seats(engine, schedule):
    """Number -> status."""
    reply = engine.get(f"/api/concerts/seats?scheduleId={schedule}")
    assert reply.status == 200, reply
    return {seat["seatNo"]: seat["status"] for seat in reply.json["seats"]}


def reservation(engine, name):
    reply = engine.get(f"/api/reservations/{name}")
    assert reply.status == 200, reply
    return reply.json


# ---- what must hold ----


def check_account(engine, user):
    """An account is the sum of its lots and the last line of its own history; returns its balance."""
    account = balance(engine, user)
    assert account["balance"] == sum(lot["remaining"] for lot in account["lots"]) + account["held"] - account["debt"]
    assert account["available"] == account["balance"] - account["held"] >= 0
    lines, before = [], None
    while True:
        page = engine.get(f"/api/points/history?userId={user}&limit=100" + (f"&before={before}" if before else "")).json
        lines += page["entries"]
        before = page["next"]
        if not before:
            break
    running = 0
    for line in reversed(lines):
        running += line["amount"]
        assert running == line["balanceAfter"] >= 0, line
    assert running == account["balance"]
    return account["balance"]


def check_schedule(engine, schedule, reservations):
    """Seats stand as the reservations say, no seat belongs to two, and the counts are those of the seats.

    `reservations`: the ids of all that were ever made for it.
    """
    shown = seats(engine, schedule)
    expected = {number: "AVAILABLE" for number in shown}
    for name in reservations:
        one = reservation(engine, name)
        if one["status"] not in ("HELD", "CONFIRMED"):
            continue
        for number in one["seatNos"]:
            assert expected[number] == "AVAILABLE", f"seat {number} belongs to two"
            expected[number] = "HELD" if one["status"] == "HELD" else "RESERVED"
    assert shown == expected
    counts = engine.get(f"/api/schedules/{schedule}").json
    assert counts["totalSeats"] == len(shown)
    assert counts["availableSeats"] == list(shown.values()).count("AVAILABLE")
    ranked = engine.get("/api/rankings/popular?limit=100").json["rankings"]
    confirmed = sum(row["reservationCount"] for row in ranked if row["scheduleId"] == schedule)
    assert confirmed == list(shown.values()).count("RESERVED")


def check(engine, ledgerline, users=(), schedules=None, charged=None, paid=None):
    """`schedules`: {id: [reservations]}. `charged` - `paid` is what all users together must have left."""
    total = sum(check_account(engine, user) for user in users)
    if charged is not None:
        assert total == charged - (paid or 0)
    for schedule, reservations in (schedules or {}).items():
        check_schedule(engine, schedule, reservations)
    return verified(ledgerline, engine.data)


def verified(ledgerline, data):
    """`verify`, which must find the journal whole and the projections equal to a replay; what it reports."""
    return json.loads(ledgerline("verify", "--data", data, "--json", check=0).stdout)
