"""A full schedule is cancelled while commands run, and, if asked, the engine is killed in the middle of it."""

import time
from collections import Counter

import lmdb

from scene import Engine, Pace, conserved, events, load, main, seconds_of, until, verified

PRICE, SEATS_A_REQUEST = 10_000, 10_000
SETTLED_SECONDS = 1.0
LARGE = 20_000  # fewer seats are done before anybody can tell that half of them are: the kill follows the first answer
CANCEL = "/api/admin/schedules/show/cancel"


def opening(seats):
    yield {"type": "concert.create", "concertId": "concert", "title": "A large hall"}
    for first in range(1, seats + 1, SEATS_A_REQUEST):
        numbers = range(first, min(first + SEATS_A_REQUEST, seats + 1))
        made = {"scheduleId": "show", "seats": [{"seatNo": number, "price": PRICE} for number in numbers]}
        if first == 1:
            yield {"type": "schedule.create", "concertId": "concert", "concertDate": "2099-05-01", **made}
        else:
            yield {"type": "schedule.addSeats", **made}


def sales(seats, held):
    """A buyer for each seat; the last `held` have not paid. A reservation's id is the number of its entry."""
    commands = list(opening(seats))
    for number in range(1, seats + 1):
        commands.append({"type": "points.charge", "userId": f"user-{number}", "amount": PRICE})
        reservation = f"reservation-{len(commands)}"
        commands.append({"type": "reservation.create", "userId": f"user-{number}", "scheduleId": "show", "seatNos": [number]})
        if number <= seats - held:
            commands.append({"type": "payment.create", "userId": f"user-{number}", "reservationId": reservation})
    return commands


def blocks(data, first, last):
    """Bytes of the largest block from one offset to the other."""
    with lmdb.open(str(data / "journal"), readonly=True, max_dbs=8, lock=False) as env:
        with env.begin() as txn:
            names = [bytes(name) for name, _ in txn.cursor()]
        for name in names:
            database = env.open_db(name, create=False)
            with env.begin(db=database) as txn:
                sizes = [
                    len(value)
                    for key, value in txn.cursor()
                    if len(key) == 8 and first <= int.from_bytes(key, "big") <= last
                ]
            if len(sizes) >= last - first:
                return max(sizes)
    raise AssertionError("the journal's blocks were not found")


def prove(binary, data, seats, held):
    """Each reservation ended once, each payment came back in full, once. The steps' entries, by block."""
    ends, refunds, entries = Counter(), Counter(), Counter()
    begun = done = None
    for event in events(
        binary,
        data,
        "concert.schedule.cancelling",
        "reservation.cancelled",
        "point.refunded",
        "payment.cancelled",
        "concert.schedule.cancelled",
    ):
        kind = event["type"]
        if kind == "concert.schedule.cancelling":
            begun, first = seconds_of(event["time"]), event["offset"]
        elif kind == "reservation.cancelled":
            ends[event["reservationId"]] += 1
            entries[event["offset"]] += 1
        elif kind == "point.refunded":
            refunds[event["userId"]] += event["amount"]
        elif kind == "concert.schedule.cancelled":
            done, last = seconds_of(event["time"]), event["offset"]
    assert len(ends) == seats and set(ends.values()) == {1}, Counter(ends.values())
    assert refunds == Counter({f"user-{number}": PRICE for number in range(1, seats - held + 1)})
    totals = conserved(data)
    assert totals["refunded"] == (seats - held) * PRICE
    return {
        "seconds": round(done - begun, 3),
        "blocks": len(entries),
        "blockStepsMax": max(entries.values()),
        "blockBytesMax": blocks(data, first, last),
    }, (begun, done)


def play(place, binary, seats=50_000, held=500, rate=5000, lead=3.0, tail=3.0, kill=0):
    data = place / "data"
    load(binary, data, sales(seats, held))
    engine = Engine(binary, data).start()
    remaining = lambda: engine.post(CANCEL, {"reason": "rain"}).json["remaining"]  # noqa: E731
    try:
        with Pace(engine, rate) as pace:
            begin = time.time()
            time.sleep(lead)
            opened = engine.post(CANCEL, {"reason": "rain"})
            assert (opened.status, opened.json["remaining"]) == (202, seats), opened
            if not kill:
                until(lambda: remaining() == 0, "the last refund")
                time.sleep(SETTLED_SECONDS + tail)
            else:
                if seats >= LARGE:
                    until(lambda: remaining() < seats * 0.7, "a good part of the refunds")
                engine.kill()
                raise InterruptedError
        turn = engine.metrics()["ledgerline_loop_turn_max_seconds"]
        assert pace.all_accepted()
    except InterruptedError:
        turn = 0
        killed = time.monotonic()
        engine.start()
        left = remaining()
        assert seats < LARGE or 0 < left < seats * 0.7, left
        until(lambda: remaining() == 0, "the last refund")
        resumed = time.monotonic() - killed
    try:
        shown = engine.get("/api/schedules/show").json
        assert (shown["status"], shown["heldSeats"], shown["reservedSeats"]) == ("CANCELLED", 0, 0), shown
        assert engine.get("/api/rankings/popular").json["rankings"] == []
        for number in (1, seats - held, seats):
            assert engine.get(f"/api/points/balance?userId=user-{number}").json["available"] == PRICE
        assert engine.stop() == 0
    finally:
        engine.kill()
    figures, (begun, done) = prove(binary, data, seats, held)
    assert verified(binary, data)
    if kill:
        return {"seats": seats, **figures, "leftAfterKill": left, "secondsFromKillToEnd": round(resumed, 3)}
    return {
        "seats": seats,
        **figures,
        "before": pace.between(begin, begun),
        "during": pace.between(begun, done),
        "after": pace.between(done + SETTLED_SECONDS, float("inf")),
        "turnMaxMs": round(turn * 1000, 1),
    }


if __name__ == "__main__":
    main(play, seats=50_000, held=500, rate=5000, lead=3.0, tail=3.0, kill=0)
