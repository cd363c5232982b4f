"""Random cuts over a long journal of sales: each says what the matching read answered live, right after that entry.

Charges, reservations, payments and cancellations come in large arrays; between two of them some reads are asked, and what they answered is kept with the
position that they told. Afterwards each is asked of the past, in another order: balances, seat maps, reservations and rankings, and the totals beside them.
"""

import http.client
import json
import random
import time

import msgpack
from cuts import spread
from scene import Engine, main, run

SCHEDULES, SEATS, ARRAY = 100, 500, 1000
QUESTIONS = {
    "account": ("/api/points/balance?userId={}", "/api/audit/accounts/{}"),
    "schedule": ("/api/concerts/seats?scheduleId={}", "/api/audit/schedules/{}"),
    "reservation": ("/api/reservations/{}", "/api/audit/reservations/{}"),
    "popular": ("/api/rankings/popular", "/api/audit/rankings/popular"),
    "sold-out": ("/api/rankings/sold-out", "/api/audit/rankings/sold-out"),
}


def opened():
    for number in range(SCHEDULES):
        yield {"type": "concert.create", "concertId": f"concert-{number}", "title": f"Concert {number}"}
        seats = [{"seatNo": seat, "price": 1000 * (1 + seat % 5)} for seat in range(1, SEATS + 1)]
        yield {"type": "schedule.create", "scheduleId": f"show-{number}", "concertId": f"concert-{number}",
               "concertDate": "2099-05-01", "seats": seats}  # fmt: skip


class Buyers:
    """What the next commands are. Sales go from one schedule to the next, as on-sales do; who holds a seat pays or lets it go."""

    def __init__(self, users, dice):
        self.users, self.dice = users, dice
        self.held, self.paid, self.made, self.sent = [], [], [], 0

    def user(self):
        return f"user-{self.dice.randrange(self.users):06}"

    def one(self, share):
        kind = self.dice.random()
        if kind < 0.25 and self.held:
            user, reservation = self.held.pop(self.dice.randrange(len(self.held)))
            if self.dice.random() < 0.2:
                return {"type": "reservation.cancel", "userId": user, "reservationId": reservation}
            self.paid.append((user, reservation))
            return {"type": "payment.create", "userId": user, "reservationId": reservation}
        if kind < 0.35 and self.paid:
            user, reservation = self.paid.pop(self.dice.randrange(len(self.paid)))
            return {"type": "reservation.cancel", "userId": user, "reservationId": reservation}
        if kind < 0.65:
            show = min(SCHEDULES - 1, int((share + self.dice.gauss(0, 0.03)) * SCHEDULES)) % SCHEDULES
            return {"type": "reservation.create", "userId": self.user(), "scheduleId": f"show-{show}",
                    "seatNos": [self.dice.randint(1, SEATS)]}  # fmt: skip
        if kind < 0.9:
            return {"type": "points.charge", "userId": self.user(), "amount": 1000 * self.dice.randint(1, 20)}
        return {"type": "points.use", "userId": self.user(), "amount": self.dice.randint(1, 5000)}

    def some(self, share):
        commands = [{"id": f"c{self.sent + i}", **self.one(share)} for i in range(ARRAY)]
        self.sent += ARRAY
        return commands

    def learn(self, commands, receipts):
        for command, receipt in zip(commands, receipts):
            if command["type"] == "reservation.create" and receipt["outcome"] == "accepted":
                reservation = f"reservation-{receipt['position'][2:]}"
                self.held.append((command["userId"], reservation))
                self.made.append(reservation)

    def question(self):
        kind = self.dice.choice(list(QUESTIONS))
        subject = {"account": self.user, "schedule": lambda: f"show-{self.dice.randrange(SCHEDULES)}",
                   "reservation": lambda: self.dice.choice(self.made)}  # fmt: skip
        return kind, subject[kind]() if kind in subject else ""


def post(connection, commands):
    form = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    connection.request("POST", "/api/commands", msgpack.packb(commands), form)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:300]
    return msgpack.unpackb(body)


def sell(engine, entries, cuts, users, dice):
    """The journal; and (entry, kind, subject, status, body) of each live read."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port)
    for receipt in post(connection, [{"id": f"o{i}", **command} for i, command in enumerate(opened())]):
        assert receipt["outcome"] == "accepted", receipt
    buyers, recorded, arrays = Buyers(users, dice), [], entries // ARRAY
    for number in range(arrays):
        commands = buyers.some(number / arrays)
        buyers.learn(commands, post(connection, commands))
        while len(recorded) < cuts * (number + 1) // arrays:
            kind, subject = buyers.question()
            live = engine.get(QUESTIONS[kind][0].format(subject))
            recorded.append((live.position, kind, subject, live.status, live.json))
    connection.close()
    return recorded


def compare(engine, then):
    """Seconds to answer, opened and open; and whether it says what was answered then."""
    position, kind, subject, status, body = then
    path = f"{QUESTIONS[kind][1].format(subject)}?at={position}"
    begin = time.perf_counter()
    first = engine.get(path)
    between = time.perf_counter()
    again = engine.get(path)
    end = time.perf_counter()
    said = {name: value for name, value in first.json.items() if name not in ("at", "message")}
    wanted = {name: value for name, value in body.items() if name != "message"}
    return between - begin, end - between, (first.status, said) == (status, wanted) and again.body == first.body


def totals_hold(engine, position):
    answer = engine.get(f"/api/audit/totals?at={position}").json
    points, seats = answer["points"], answer["seats"]
    signed = points["charged"] - points["used"] + points["refunded"] - points["expired"] + points["adjusted"]
    return (answer["entries"] == int(position[2:]) + 1 and signed == points["balances"]
            and seats["available"] + seats["held"] + seats["reserved"] == seats["total"])  # fmt: skip


def play(place, binary, entries=2_000_000, every=100_000, cuts=1000, totals=50, users=200_000, seed=11):
    data, dice = place / "data", random.Random(seed)
    engine = Engine(binary, data, f"local:{data / 'journal'}").start()
    opened, again, wrong = [], [], []
    try:
        recorded = sell(engine, entries, cuts, users, dice)
        made = engine.get("/api/audit/totals").json["entries"]
        assert engine.stop() == 0
        begin = time.time()
        run(binary, "snapshot", "--data", data, "--every", every, check=0, timeout=7200)
        snapshots = time.time() - begin
        engine.start()
        dice.shuffle(recorded)
        for then in recorded:
            took, repeated, same = compare(engine, then)
            opened.append(took)
            again.append(repeated)
            wrong += [] if same else [then[:3]]
        assert all(totals_hold(engine, then[0]) for then in recorded[:totals])
        assert engine.stop() == 0
    finally:
        engine.kill()
    assert not wrong, f"{len(wrong)} of {len(recorded)} answers are not what was answered then: {wrong[:5]}"
    kinds = {kind: sum(then[1] == kind for then in recorded) for kind in QUESTIONS}
    return {"entries": made, "cuts": kinds, "totals": totals, "snapshotsSeconds": round(snapshots, 1), "opened": spread(opened),
            "open": spread(again)}  # fmt: skip


if __name__ == "__main__":
    main(play, entries=2_000_000, every=100_000, cuts=1000, totals=50, users=200_000, seed=11)
