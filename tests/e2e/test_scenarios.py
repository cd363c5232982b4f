"""The scenarios of a ticket office under real concurrency: threads on kept-alive connections, on both journals.

Each ends with the invariants over HTTP and with `verify`.
"""

import random
import threading
import time

import pytest
from world import (
    balance,
    check,
    fresh,
    held,
    hold,
    milliseconds,
    open_schedule,
    pay,
    policy,
    reservation,
    rich,
    seats,
    statuses,
    strike,
    wall,
)


def sleep_until(moment):
    """A time of the wall clock, in ms."""
    time.sleep(max(0, (moment - wall()) / 1000))


def count_of(engine, schedule):
    ranked = engine.get("/api/rankings/popular?limit=100").json["rankings"]
    return sum(row["reservationCount"] for row in ranked if row["scheduleId"] == schedule)


# Of ten buyers of one seat one gets it, nine are told so, and one reservation holds it.
def test_one_seat_ten_buyers(engine, ledgerline):
    schedule = open_schedule(engine)
    users = [fresh("buyer") for _ in range(10)]
    replies = strike(engine, [lambda user=user: hold(engine, user, schedule, 1) for user in users])
    assert statuses(replies) == {201: 1, 409: 9}
    assert {reply.code for reply in replies if reply.status == 409} == {"SEAT_ALREADY_RESERVED"}
    won = next(reply.json for reply in replies if reply.status == 201)
    assert won["status"] == "HELD" and seats(engine, schedule) == {1: "HELD"}
    check(engine, ledgerline, schedules={schedule: [won["reservationId"]]})


# Seats of several are taken together or not at all: two buyers that overlap never share, none gets a part.
def test_overlapping_seats(engine, ledgerline):
    schedule = open_schedule(engine, seats=5)
    wishes = [(1, 2, 3), (3, 4, 5), (2, 4), (1, 5), (5, 3), (4, 1)] * 2
    replies = strike(engine, [lambda wish=wish: hold(engine, fresh("buyer"), schedule, *wish) for wish in wishes])
    assert set(statuses(replies)) == {201, 409}
    check(engine, ledgerline, schedules={schedule: [r.json["reservationId"] for r in replies if r.status == 201]})


# Ten charges at once all count.
def test_ten_charges(engine, ledgerline):
    user = fresh("user")
    body = {"userId": user, "amount": 1000}
    replies = strike(engine, [lambda: engine.post("/api/points/charge", body) for _ in range(10)])
    assert statuses(replies) == {200: 10}
    assert sorted(reply.json["balance"] for reply in replies) == [1000 * n for n in range(1, 11)]
    assert balance(engine, user)["balance"] == 10000
    check(engine, ledgerline, users=[user], charged=10000)


# 5,000 points are enough for two payments of 2,000 out of five, whichever come first.
def test_five_payments_two_fit(engine, ledgerline):
    user, schedule = rich(engine, 5000), open_schedule(engine, seats=5, price=2000)
    policy(engine, seatsPerReservation=5)
    made = [held(engine, user, schedule, seat) for seat in range(1, 6)]
    replies = strike(engine, [lambda name=name: pay(engine, user, name) for name in made])
    assert statuses(replies) == {200: 2, 402: 3}
    for reply in replies:
        if reply.status == 402:
            assert reply.code == "INSUFFICIENT_POINTS" and reply.json["details"]["balance"] < 2000
    assert sorted(reply.json["remainingBalance"] for reply in replies if reply.status == 200) == [1000, 3000]
    assert balance(engine, user)["balance"] == 1000
    check(engine, ledgerline, users=[user], schedules={schedule: made}, charged=5000, paid=4000)


# A reservation that is paid five times at once is charged once.
def test_one_reservation_paid_five_times(engine, ledgerline):
    user, schedule = rich(engine, 10000), open_schedule(engine, price=2000)
    made = held(engine, user, schedule, 1)
    replies = strike(engine, [lambda: pay(engine, user, made) for _ in range(5)])
    assert statuses(replies) == {200: 1, 409: 4}
    assert {reply.code for reply in replies if reply.status == 409} == {"PAYMENT_CONFLICT"}
    assert balance(engine, user)["balance"] == 8000 and reservation(engine, made)["status"] == "CONFIRMED"
    check(engine, ledgerline, users=[user], schedules={schedule: [made]}, charged=10000, paid=2000)


# A hold whose time is over cannot be paid, costs nothing, and its seat is free for somebody else.
def test_expired_hold(engine, ledgerline):
    policy(engine, holdSeconds=1)
    user, other, schedule = rich(engine, 5000), rich(engine, 5000), open_schedule(engine)
    made = hold(engine, user, schedule, 1).json
    sleep_until(milliseconds(made["expiresAt"]))
    reply = pay(engine, user, made["reservationId"])
    assert (reply.status, reply.code) == (410, "RESERVATION_EXPIRED")
    assert balance(engine, user)["balance"] == 5000
    assert reservation(engine, made["reservationId"])["status"] == "EXPIRED"
    second = held(engine, other, schedule, 1)
    assert pay(engine, other, second).status == 200
    schedules = {schedule: [made["reservationId"], second]}
    check(engine, ledgerline, users=[user, other], schedules=schedules, charged=10000, paid=2000)


# A payment, a rival's hold and the expiry at the same instant, 90 times: paid and expired are never both true.
def test_payment_against_expiry(engine, ledgerline):
    policy(engine, holdSeconds=1)
    rounds, count = 3, 30
    chance = random.Random(7)
    outcomes, users, schedules = {200: 0, 410: 0}, [], {}
    for _ in range(rounds):
        schedule = open_schedule(engine, seats=count, price=2000)
        buyers = [rich(engine, 2000) for _ in range(count)]
        rivals = [fresh("rival") for _ in range(count)]
        made = [hold(engine, user, schedule, seat).json for seat, user in enumerate(buyers, 1)]

        def buy(index, delay):
            sleep_until(milliseconds(made[index]["expiresAt"]) + delay)
            return pay(engine, buyers[index], made[index]["reservationId"])

        def rival(index, delay):
            sleep_until(milliseconds(made[index]["expiresAt"]) + delay)
            return hold(engine, rivals[index], schedule, index + 1)

        strikes = [lambda i=i, d=chance.uniform(-12, 4): buy(i, d) for i in range(count)]
        strikes += [lambda i=i, d=chance.uniform(-8, 8): rival(i, d) for i in range(count)]
        replies = strike(engine, strikes)
        schedules[schedule] = [one["reservationId"] for one in made]
        for index in range(count):
            paid, taken = replies[index], replies[count + index]
            outcomes[paid.status] += 1
            state = reservation(engine, made[index]["reservationId"])["status"]
            left = balance(engine, buyers[index])["balance"]
            assert (state, left) == (("CONFIRMED", 0) if paid.status == 200 else ("EXPIRED", 2000))
            assert not (paid.status == 200 and taken.status == 201), "sold to one and held by another"
            if taken.status == 201:
                schedules[schedule].append(taken.json["reservationId"])
        users += buyers
    assert sum(outcomes.values()) == rounds * count
    charged, paid = 2000 * rounds * count, 2000 * outcomes[200]
    time.sleep(1.1)  # the rivals' holds end too, by themselves
    check(engine, ledgerline, users=users, schedules=schedules, charged=charged, paid=paid)


# One key from many connections at once, with one body: one effect, and the same reply for all and for ever.
def test_one_key_at_once(engine, engines, ledgerline):
    user, key = fresh("user"), fresh("key")
    body = {"userId": user, "amount": 1500}
    replies = strike(engine, [lambda: engine.post("/api/points/charge", body, key=key) for _ in range(16)])
    assert {(reply.status, reply.body, reply.position) for reply in replies} == {
        (200, replies[0].body, replies[0].position)
    }
    assert sum(reply.headers["Idempotency-Hit"] is None for reply in replies) == 1
    assert {reply.headers["Idempotency-Key"] for reply in replies} == {key}
    other = engine.post("/api/points/charge", {**body, "amount": 1501}, key=key)
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert balance(engine, user)["balance"] == 1500
    assert engine.stop() == 0
    again = engine.start().post("/api/points/charge", body, key=key)
    assert (again.status, again.body, again.headers["Idempotency-Hit"]) == (200, replies[0].body, "true")
    check(engine, ledgerline, users=[user], charged=1500)


# One key with two bodies at once: whichever comes first is the command, the others are told that the key is taken.
def test_one_key_two_bodies(engine, ledgerline):
    user, key = fresh("user"), fresh("key")
    bodies = [{"userId": user, "amount": amount} for amount in (1000, 2000)] * 5
    replies = strike(engine, [lambda body=body: engine.post("/api/points/charge", body, key=key) for body in bodies])
    assert statuses(replies) == {200: 5, 422: 5}
    amounts = {body["amount"] for body, reply in zip(bodies, replies) if reply.status == 200}
    assert len(amounts) == 1
    check(engine, ledgerline, users=[user], charged=amounts.pop())


# Fifty buyers hold and pay fifty seats at once: the ranking counts fifty, and the schedule is sold out, not at 49.
def test_fifty_confirmations(engine, ledgerline):
    schedule, other = open_schedule(engine, seats=50), open_schedule(engine, seats=50)
    users = [rich(engine, 4000) for _ in range(50)]
    made = strike(engine, [lambda u=u, n=n: held(engine, u, schedule, n) for n, u in enumerate(users, 1)])
    few = strike(engine, [lambda u=u, n=n: held(engine, u, other, n) for n, u in enumerate(users[:49], 1)])
    replies = strike(engine, [lambda u=u, r=r: pay(engine, u, r) for u, r in zip(users, made)])
    replies += strike(engine, [lambda u=u, r=r: pay(engine, u, r) for u, r in zip(users, few)])
    assert statuses(replies) == {200: 99}
    assert (count_of(engine, schedule), count_of(engine, other)) == (50, 49)
    popular = engine.get("/api/rankings/popular").json["rankings"]
    assert [(row["rank"], row["scheduleId"], row["reservationCount"]) for row in popular] == [
        (1, schedule, 50),
        (2, other, 49),
    ]
    for origin in ("opening", "first"):
        sold = engine.get(f"/api/rankings/sold-out?from={origin}").json["rankings"]
        assert [row["scheduleId"] for row in sold] == [schedule] and sold[0]["soldOutDurationSec"] >= 0
    check(engine, ledgerline, users, {schedule: made, other: few}, 50 * 4000, 99 * 2000)


# Buying and cancelling at once by many, until nothing moves: nothing is lost, nothing is sold twice.
def test_a_busy_hour(engine, ledgerline):
    schedule, rounds = open_schedule(engine, seats=6, price=1000), 25
    users = [rich(engine, 100000) for _ in range(8)]
    made, lock = [], threading.Lock()
    refunds = []

    def customer(user, seed):
        chance = random.Random(seed)
        for _ in range(rounds):
            reply = hold(engine, user, schedule, *chance.sample(range(1, 7), chance.choice((1, 1, 2))))
            if reply.status != 201:
                assert reply.code == "SEAT_ALREADY_RESERVED"
                continue
            name = reply.json["reservationId"]
            with lock:
                made.append(name)
            paid = pay(engine, user, name) if chance.random() < 0.7 else None
            assert paid is None or paid.status == 200, paid
            gone = engine.http("DELETE", f"/api/reservations/{name}?userId={user}")
            assert gone.status == 200, gone
            if paid:
                with lock:
                    refunds.append((paid.json["amount"], gone.json["refundAmount"], gone.json["fee"]))

    strike(engine, [lambda u=u, n=n: customer(u, n) for n, u in enumerate(users)])
    assert refunds and all(paid == back + fee for paid, back, fee in refunds)
    assert set(seats(engine, schedule).values()) == {"AVAILABLE"}
    check(engine, ledgerline, users, {schedule: made}, 800000, sum(fee for _, _, fee in refunds))


# Two-phase holds of points at once never promise more than there is.
@pytest.mark.parametrize("take", ["capture", "release"])
def test_point_holds(engine, ledgerline, take):
    user = rich(engine, 5000)
    body = {"userId": user, "amount": 2000}
    replies = strike(engine, [lambda: engine.post("/api/points/holds", body) for _ in range(5)])
    assert statuses(replies) == {201: 2, 402: 3}
    assert (balance(engine, user)["balance"], balance(engine, user)["available"]) == (5000, 1000)
    names = [reply.json["holdId"] for reply in replies if reply.status == 201]
    ends = strike(engine, [lambda n=n: engine.post(f"/api/points/holds/{n}/{take}", {}) for n in names * 3])
    assert statuses(ends) == {200: 2, 409: 4}
    check(engine, ledgerline, [user], charged=5000, paid=4000 if take == "capture" else 0)
