"""The traps of the service that ledgerline takes its seed from: mistakes of an outbox, a cache and a clock, one test each.

Those of the public topics (envelope, keys, consumers) are the relay's. Each test says which mistake it is that it looks for.
"""

import json
import shutil
import time

import pytest
from world import balance, held, hold, milliseconds, open_schedule, pay, policy, reservation, rich, seats, statuses, strike


@pytest.fixture
def server(engines, tmp_path):
    return engines(tmp_path / "data").start()


def journal(ledgerline, engine):
    lines = ledgerline("journal", "cat", f"local:{engine.data / 'journal'}", check=0).stdout.splitlines()
    return [json.loads(line) for line in lines]


def without_projections(engine):
    """Starts it again with nothing but its journal: everything is folded from offset 0."""
    engine.kill()
    shutil.rmtree(engine.data / "projections")
    engine.start()


def rankings(engine):
    paths = ("popular?window=all", "popular?window=day", "sold-out?from=opening", "sold-out?from=first")
    return [engine.get(f"/api/rankings/{path}").json["rankings"] for path in paths]


# Trap: the payment's message lacks the schedule that the ranking needs. Here the entry of a payment names all that any reader asks.
def test_a_payment_says_all_that_its_readers_need(server, ledgerline):
    who, show = rich(server, 9000), open_schedule(server, seats=3)
    paid = pay(server, who, held(server, who, show, 2, 3)).json
    event = next(line for line in journal(ledgerline, server) if line["type"] == "payment.completed")
    assert event["scheduleId"] == show and event["seatNos"] == [2, 3] and event["userId"] == who
    assert (event["paymentId"], event["amount"]) == (paid["paymentId"], 4000) and event["position"] and event["time"]


# Trap: what was processed is remembered for a day, the log for a week. Here a key binds for ever: also after a replay from 0.
def test_a_key_outlives_the_projections(server):
    who = rich(server, 5000)
    wish = {"userId": who, "amount": 700}
    first = server.post("/api/points/use", wish, key="once")
    without_projections(server)
    again = server.post("/api/points/use", wish, key="once")
    assert (again.status, again.json, again.headers["Idempotency-Hit"]) == (200, first.json, "true")
    assert balance(server, who)["balance"] == 4300


# Trap: "was it processed?" and "it was" are two steps, and two consumers pass between them. Here one of many takes effect.
def test_one_key_from_many_at_once(server):
    who = rich(server, 5000)
    replies = strike(server, [lambda: server.post("/api/points/use", {"userId": who, "amount": 100}, key="k")] * 16)
    assert len({(one.status, one.body) for one in replies}) == 1
    assert sum("Idempotency-Hit" not in one.headers for one in replies) == 1 and balance(server, who)["balance"] == 4900


# Trap: without an id all events share one key, and everything after the first is skipped. Here equal wishes are two wishes.
def test_equal_content_is_not_a_repetition(server):
    who = rich(server, 5000)
    for _ in range(2):
        assert server.post("/api/points/use", {"userId": who, "amount": 100}).status == 200
    assert balance(server, who)["balance"] == 4800


# Trap: rankings by the clock of the consumer, and of what a cache still holds. Here they are the same when replayed later.
def test_rankings_can_be_replayed(server):
    who, show = rich(server, 20000), open_schedule(server, seats=2)
    pay(server, who, held(server, who, show, 1))
    time.sleep(0.3)
    pay(server, who, held(server, who, show, 2))
    before = rankings(server)
    assert all(len(rows) == 1 for rows in before)
    time.sleep(1.1)
    without_projections(server)
    assert rankings(server) == before


# Trap: every schedule is taken to have fifty seats. Here it is sold out with its own last seat, be it the third or the 60th.
@pytest.mark.parametrize("count", [3, 60])
def test_sold_out_by_its_own_seats(server, count):
    policy(server, seatsPerReservation=60)
    who, show = rich(server, 1000000), open_schedule(server, seats=count)
    pay(server, who, held(server, who, show, *range(1, count)))
    assert server.get("/api/rankings/sold-out").json["rankings"] == []
    pay(server, who, held(server, who, show, count))
    assert [row["scheduleId"] for row in server.get("/api/rankings/sold-out").json["rankings"]] == [show]


# Trap: a cancellation never lowers the ranking.
def test_cancelling_lowers_the_ranking(server):
    who, show = rich(server, 9000), open_schedule(server, seats=3)
    pay(server, who, held(server, who, show, 1))
    two = held(server, who, show, 2, 3)
    pay(server, who, two)
    counts = lambda: [row["reservationCount"] for row in server.get("/api/rankings/popular").json["rankings"]]
    assert counts() == [3]
    assert server.http("DELETE", f"/api/reservations/{two}").status == 200
    assert counts() == [1]


# Trap: the client says what it pays. Here the seat has a price, and a client that says another one is refused.
def test_the_price_is_the_seats(server):
    who, show = rich(server, 5000), open_schedule(server, price=2000)
    name = held(server, who, show, 1)
    for amount in (1, 1999, 2001):
        reply = server.post("/api/payments", {"reservationId": name, "userId": who, "amount": amount})
        assert (reply.status, reply.code) == (409, "AMOUNT_MISMATCH")
    assert balance(server, who)["balance"] == 5000
    assert pay(server, who, name).json["amount"] == 2000 and balance(server, who)["balance"] == 3000


# Trap: points are used in a transaction of their own, and lost when the payment fails. Here both stand in one entry, or neither.
def test_points_and_payment_are_one_entry(server, ledgerline):
    policy(server, holdSeconds=1)
    who, show = rich(server, 10000), open_schedule(server, seats=3, price=4000)
    names = [held(server, who, show, seat) for seat in (1, 2, 3)]
    replies = [pay(server, who, name) for name in names[:2]] + [pay(server, "stranger", names[2])]
    server.wait_for(lambda: reservation(server, names[2])["status"] == "EXPIRED", "the end of the hold")
    replies += [pay(server, who, name) for name in names]
    assert statuses(replies) == {200: 2, 403: 1, 409: 2, 410: 1} and balance(server, who)["balance"] == 2000
    lines = journal(ledgerline, server)
    places = lambda kind: [line["position"] for line in lines if line["type"] == kind]
    assert len(places("point.used")) == 2
    assert places("point.used") == places("payment.completed") == places("reservation.confirmed")


# Trap: the waiting room's gate is written down and never asked. Here nobody holds a seat without an active token, and paying ends it.
def test_the_gate_is_asked_and_payment_ends_the_token(server):
    policy(server, queueRequired=True, queueActiveMax=1)
    who, show = rich(server, 5000), open_schedule(server, seats=2)
    first = server.post("/api/queue/token", {"userId": who}).json["token"]
    second = server.post("/api/queue/token", {"userId": "lee"}).json["token"]
    wish = lambda user, seat, token: server.post(
        "/api/reservations",
        {"userId": user, "scheduleId": show, "seatNo": seat},
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    assert wish(who, 1, None).status == 401
    assert (wish("lee", 1, second).status, wish("lee", 1, first).status) == (403, 403)
    mine = wish(who, 1, first)
    assert mine.status == 201 and pay(server, who, mine.json["reservationId"]).status == 200
    assert wish(who, 2, first).code == "QUEUE_NOT_ACTIVE"
    place = lambda: server.get("/api/queue/status", headers={"Authorization": f"Bearer {second}"}).json
    server.wait_for(lambda: place()["status"] == "ACTIVE", "the next one's turn")
    assert wish("lee", 2, second).status == 201


# Trap: seats are shown without their status, from a cache of a day. Here each answer shows what the command before it did.
def test_seats_show_their_status_at_once(server):
    who, show = rich(server, 5000), open_schedule(server, seats=2)
    assert seats(server, show) == {1: "AVAILABLE", 2: "AVAILABLE"}
    name = held(server, who, show, 1)
    assert seats(server, show) == {1: "HELD", 2: "AVAILABLE"}
    pay(server, who, name)
    assert seats(server, show) == {1: "RESERVED", 2: "AVAILABLE"}
    server.http("DELETE", f"/api/reservations/{name}")
    assert seats(server, show) == {1: "AVAILABLE", 2: "AVAILABLE"}


# Trap: order by user, though a seat is one for all users. Here one writer decides: of many users one gets the seat.
def test_one_seat_for_many_users(server, ledgerline):
    show = open_schedule(server)
    replies = strike(server, [lambda k=k: hold(server, f"user{k}", show, 1) for k in range(12)])
    assert statuses(replies) == {201: 1, 409: 11}
    assert [line["type"] for line in journal(ledgerline, server)].count("reservation.created") == 1


# Trap: paying and expiring travel through different topics, and at the boundary both win. Here the log says who was first.
def test_paying_against_expiring(server, ledgerline):
    policy(server, holdSeconds=1)
    who, show = rich(server, 100000), open_schedule(server, seats=30, price=1000)
    names = [held(server, who, show, seat) for seat in range(1, 31)]
    ends = milliseconds(reservation(server, names[0])["expiresAt"]) / 1000
    replies = []
    for name in names:
        time.sleep(max(0, min(0.02, ends - time.time() - 0.1)))
        replies.append(pay(server, who, name))
    time.sleep(max(0, ends - time.time() + 0.05))
    replies += [pay(server, who, name) for name in names]
    assert set(statuses(replies)) <= {200, 409, 410}
    server.wait_for(lambda: all(reservation(server, name)["status"] != "HELD" for name in names), "the end of all holds")
    ended = {"CONFIRMED": 0, "EXPIRED": 0}
    lines = journal(ledgerline, server)
    for name in names:
        shown = reservation(server, name)
        ended[shown["status"]] += 1
        own = [line for line in lines if name in (line.get("reservationId"), *line.get("reservationIds", []))]
        kinds = {line["type"] for line in own} & {"reservation.confirmed", "reservation.expired"}
        assert kinds == {f"reservation.{shown['status'].lower()}"}
        if shown["status"] == "CONFIRMED":
            paid = next(line for line in own if line["type"] == "payment.completed")
            assert milliseconds(paid["time"]) < milliseconds(shown["expiresAt"])
    assert balance(server, who)["balance"] == 100000 - 1000 * ended["CONFIRMED"]


# Trap: folds that read the clock. Here a replay after everything is long over shows what was, with the times at which it was.
def test_a_replay_reads_no_clock(server):
    policy(server, holdSeconds=1, pointHoldSeconds=1)
    who, show = rich(server, 9000), open_schedule(server, seats=3)
    paid, left = held(server, who, show, 1), held(server, who, show, 2)
    pay(server, who, paid)
    assert server.post("/api/points/holds", {"userId": who, "amount": 500}).status == 201
    server.wait_for(lambda: reservation(server, left)["status"] == "EXPIRED", "the end of the hold")
    server.wait_for(lambda: balance(server, who)["held"] == 0, "the end of the points' hold")
    paths = [f"/api/reservations/{paid}", f"/api/reservations/{left}", f"/api/points/balance?userId={who}"]
    paths += [f"/api/points/history?userId={who}", f"/api/concerts/seats?scheduleId={show}"]
    before = [server.get(path).json for path in paths]
    without_projections(server)
    assert [server.get(path).json for path in paths] == before
