"""Sequences of commands from a seed, and nothing but the seed: no outcome is looked at, so a seed is a sequence.

A sequence is a list of steps that JSON can hold:

	{"do": "command", "n": 17, "element": {...}}   with what is known only later in the place of values:
	    {"$id": "reservationId", "of": 12}   that field of the answer to step 12; when it has none, of an earlier one, or a name
	                                         that is not there
	    {"$id": "userId", "of": 12, "with": "reservationId"}   the field of the answer whose reservationId would be taken
	    {"$in": -3600}                       the time so many seconds from the sending
	    {"$day": 3}                          the day so many days from then
	    {"$again": 12}                       in the place of a whole element: the very element that step 12 sent
	{"do": "send", "how": "routes"}                what was collected goes out: as one array, or as sending.py says
	{"do": "sleep", "seconds": 1.1}
	{"do": "check"}                                waits until all has settled, and compares everything that can be read
"""

import random

HOUR, DAY = 3600, 86400
AMOUNT_MAX = 2**53 - 1
FORGED = "tok-1.0123456789abcdef0123456789abcdef"
BAD_VALUES = [
    None, 0, -1, 1.5, 1000.0, -0.0, 10**30, 2**63, -(2**63), AMOUNT_MAX + 1, True, False,
    "", "a b", "é", "é" * 128, "x" * 64, "x" * 65, "x" * 128, "x" * 129, "1", FORGED,
    [], [1], [1, 1], [0], [None], [[1, 2]], {}, {"a": 1},
    "2026-02-30", "2027-06-30T23:59:60Z", "2027-01-01T25:00:00Z", "2027-01-01T00:00:00", "2027-01-01T09:00:00+09:00", "1969-12-31T23:59:59Z",
]  # fmt: skip


class Sequence:
    def __init__(self, seed, length):
        self.random = random.Random(seed)
        self.length, self.steps, self.n = length, [], 0
        self.made = {}  # kind -> [(step, what is known about it)], only what was sent in an earlier array
        self.fresh = []
        self.sent = []
        self.users = [f"u{k}" for k in range(self.random.randint(2, 8))]
        self.concerts, self.schedules, self.sizes = [], [], {}
        self.days = []  # (concert, day) of schedules
        self.ways = self.random.choice(((None,), (None, None, "msgpack", "alone"), (None, "msgpack", "alone", "routes"), ("routes",)))
        self.with_queue = self.random.random() < 0.35
        self.extreme = seed % 8 == 3
        self.weights = {name: weight * self.random.choice((0.3, 1, 1, 2)) for name, weight in WEIGHTS.items()}

    # ---- drawing ----

    def chance(self, p):
        return self.random.random() < p

    def user(self):
        return "stranger" if self.chance(0.01) else self.random.choice(self.users)

    def recent(self, kind):
        """(step, knowledge) of something made before, most likely lately; None when there is none."""
        made = self.made.get(kind)
        if not made:
            return None
        back = min(int(self.random.expovariate(1 / 6)), len(made) - 1) if self.chance(0.85) else self.random.randrange(len(made))
        return made[-1 - back]

    def amount(self):
        draw = self.random.random()
        if draw < 0.6:
            return self.random.randint(1, 40) * 100
        if draw < 0.9:
            return self.random.randint(1, 5000)
        if draw < 0.99:
            return self.random.choice((1, 999, 1000, 5000, 5001, 100000, 1000000, 1000001))
        return self.random.choice((AMOUNT_MAX, AMOUNT_MAX - 1, AMOUNT_MAX // 2))

    # ---- steps ----

    def command(self, kind, makes=None, **fields):
        element = {"id": f"k{self.n}", "type": kind, **{k: v for k, v in fields.items() if v is not None}}
        if self.chance(0.1):
            element["actor"] = {"type": self.random.choice(("user", "admin", "system")), "id": "someone"}
        if self.chance(0.02):
            del element["id"]
        elif self.sent and self.chance(0.015):
            element["id"] = f"k{self.random.choice(self.sent[-60:])}"
        if self.chance(0.03):
            element = self.spoil(element)
        elif makes:
            self.fresh.append((makes, self.n, fields))
        self.steps.append({"do": "command", "n": self.n, "element": element})
        if kind != "schedule.cancel":
            self.sent.append(self.n)
        self.n += 1

    def spoil(self, element):
        if self.chance(0.06):
            return self.random.choice([7, None, "x", [], {}, {"id": f"k{self.n}"}, {"id": "a b", "type": "user.register"}])
        element = dict(element)
        names = [name for name in element if name not in ("id", "actor", "type")]
        draw = self.random.random()
        if draw < 0.3 and names:
            for name in self.random.sample(names, min(len(names), self.random.choice((1, 1, 2)))):
                del element[name]
        elif draw < 0.4:
            element["colour"] = self.random.choice((None, 1))
        elif draw < 0.45:
            element["type"] = self.random.choice(("points.steal", 7, "", None))
        elif draw < 0.5:
            element["actor"] = self.random.choice((7, "x", {"type": "god", "id": "x"}, {"type": "user", "id": "a b"}, {"x": 1}))
        elif names:
            element[self.random.choice(names)] = self.random.choice(BAD_VALUES)
        if element.get("type") == "reservation.create" and self.chance(0.4):
            element["queueToken"] = self.random.choice((FORGED, FORGED, "x", "", 7, "x" * 129))
        return element

    def again(self):
        if self.sent:
            of = self.random.choice(self.sent[-100:])
            self.steps.append({"do": "command", "n": self.n, "element": {"$again": of}})
            self.n += 1

    def send(self, size=60):
        step, how = {"do": "send"}, self.random.choice(self.ways)
        if how and size <= 20:
            step["how"] = how
        self.steps.append(step)
        for kind, n, known in self.fresh:
            self.made.setdefault(kind, []).append((n, known))
        self.fresh = []

    def all(self):
        self.opening()
        since = 0
        while self.n < self.length:
            size = self.random.choice((1, 1, 2, 3, 5, 8, 20, 60))
            for _ in range(size):
                name = self.random.choices(list(self.weights), list(self.weights.values()))[0]
                getattr(self, name)()
            self.send(size)
            since += size
            if self.chance(0.02):
                self.steps.append({"do": "sleep", "seconds": self.random.choice((0.05, 0.3, 0.7, 1.1))})
            if since > 1500:
                self.steps.append({"do": "check"})
                since = 0
        self.steps.append({"do": "check"})
        return self.steps

    def to_the_end_of_totals(self):
        """As much as int64 holds has come in, but for some thousands; mostly it is used, too."""
        kinds = ("points.charge", "points.use") if self.chance(0.7) else ("points.charge",)
        self.command("policy.set", chargeMax=AMOUNT_MAX, registrationRequired=False)
        rich = [f"rich{k}" for k in range(1023)]
        for kind in kinds:
            for at in range(0, len(rich), 200):
                for user in rich[at : at + 200]:
                    self.n, element = self.n + 1, {"id": f"k{self.n}", "type": kind, "userId": user, "amount": AMOUNT_MAX}
                    self.steps.append({"do": "command", "n": self.n - 1, "element": element})
                self.send()
        for user in self.users:
            self.command("points.charge", userId=user, amount=AMOUNT_MAX // len(self.users) - 3000)
        self.length += self.n
        self.users += ["rich1", "rich2"]

    def seats_beyond_a_block(self):
        seats = [{"seatNo": 2000 + k, "section": "s" * 128, "grade": "g" * 128, "price": 1} for k in range(6000)]
        if self.schedules and self.chance(0.5):
            self.command("schedule.addSeats", scheduleId=self.random.choice(self.schedules), seats=seats)
        else:
            self.command("schedule.create", scheduleId=f"large{self.n}", concertId=self.random.choice(self.concerts), concertDate={"$day": 9}, seats=seats)
        self.send()

    def opening(self):
        if self.extreme:
            self.to_the_end_of_totals()
        if self.chance(0.8):
            for _ in range(self.random.randint(1, 6)):
                self.set_policy()
        for _ in range(2):
            self.create_concert()
            self.create_schedule()
        for user in self.users:
            self.command("points.charge", userId=user, amount=self.random.randint(10, 500) * 100)
        self.send()
        if self.extreme:
            self.seats_beyond_a_block()

    # ---- points ----

    def expiry(self):
        draw = self.random.random()
        if draw < 0.6:
            return None
        if draw < 0.63:
            return {"$in": -self.random.choice((1, HOUR))}
        return {"$in": self.random.choice((1.2, 1.5, 2, 3, HOUR, DAY, 2 * DAY, 400 * DAY))}

    def charge(self):
        source = self.random.choice((None, None, "paid", "bonus", "bonus"))
        self.command("points.charge", userId=self.user(), amount=self.amount(), source=source, expiresAt=self.expiry())

    def use(self):
        self.command("points.use", makes="use", userId=self.user(), amount=self.amount(), reference=self.random.choice((None, "r")))

    def refund(self):
        found = self.recent("use")
        if not found:
            return self.use()
        amount = None if self.chance(0.4) else min(self.amount(), self.random.randint(1, max(1, found[1].get("amount") or 1)))
        self.command("points.refund", useId={"$id": "useId", "of": found[0]}, amount=amount)

    def hold(self):
        seconds = self.random.choice((None, 1, 1, 2, 600))
        self.command("points.hold", makes="hold", userId=self.user(), amount=self.amount(), expiresInSeconds=seconds)

    def capture(self):
        found = self.recent("hold")
        if not found:
            return self.hold()
        amount = None if self.chance(0.4) else self.random.randint(1, max(1, found[1]["amount"] if self.chance(0.9) else 2 * found[1]["amount"]))
        self.command("points.capture", makes="use", holdId={"$id": "holdId", "of": found[0]}, amount=amount)

    def release(self):
        found = self.recent("hold")
        if not found:
            return self.hold()
        self.command("points.release", holdId={"$id": "holdId", "of": found[0]})

    def adjust(self):
        up = self.chance(0.5)
        more = {"source": self.random.choice((None, "bonus")), "expiresAt": self.expiry()} if up else {}
        amount = min(self.amount(), AMOUNT_MAX if self.chance(0.1) else 20000) * (1 if up else -1)
        self.command("points.adjust", userId=self.user(), amount=amount, reason="a reason", approver="chief", **more)

    # ---- concerts, schedules ----

    def register(self):
        self.command("user.register", userId=self.user())

    def create_concert(self):
        name = f"c{len(self.concerts)}" if self.chance(0.9) or not self.concerts else self.random.choice(self.concerts)
        self.concerts.append(name)
        self.command("concert.create", concertId=name, title=f"Title of {name}")

    def show(self):
        draw = self.random.random()
        if draw < 0.05:
            return {"$in": -HOUR}
        if draw < 0.2:
            return {"$day": self.random.randint(0, 40)}
        return {"$in": self.random.choice((2, 6 * HOUR, DAY, 2 * DAY, 3 * DAY, 4 * DAY, 7 * DAY, 9 * DAY, 12 * DAY, 40 * DAY))}

    def window(self):
        return self.random.choices(
            (None, {"$in": -DAY}, {"$in": -0.5}, {"$in": 1}, {"$in": HOUR}), (9, 2, 2, 1, 0.3)
        )[0]

    def seats(self, first, count):
        prices = self.random.choice(((0,), (1000,), (0, 777, 1500), (333, 50001)))
        made = []
        for number in range(first, first + count):
            seat = {"seatNo": number, "price": self.random.choice(prices)}
            if self.chance(0.2):
                seat.update(section="A", grade="VIP")
            made.append(seat)
        self.random.shuffle(made)
        return made

    def create_schedule(self):
        name = f"s{len(self.schedules)}" if self.chance(0.93) or not self.schedules else self.random.choice(self.schedules)
        concert = self.random.choice(self.concerts) if self.chance(0.97) else "nowhere"
        size, show = self.random.choice((1, 2, 3, 6, 12, 40)), self.show()
        if "$day" in show:
            show = {"$day": self.random.choice(self.days)[1]} if self.days and self.chance(0.5) else show
            self.days.append((concert, show["$day"]))
        self.schedules.append(name)
        self.sizes.setdefault(name, size)
        closes = self.random.choices((None, {"$in": -1}, {"$in": 1.5}, {"$in": 5 * DAY}), (12, 0.3, 1, 1))[0]
        self.command(
            "schedule.create",
            scheduleId=name,
            concertId=concert,
            concertDate=show,
            bookingOpensAt=self.window(),
            bookingClosesAt=closes,
            seats=self.seats(1, size),
            queueId="vip" if self.with_queue and self.chance(0.3) else None,
        )

    def schedule(self):
        if self.chance(0.01):
            return "nowhere"
        return self.random.choice(self.schedules[-5:] if self.chance(0.85) else self.schedules)

    def add_seats(self):
        self.command("schedule.addSeats", scheduleId=self.schedule(), seats=self.seats(self.random.randint(1, 50), self.random.randint(1, 4)))

    def update_schedule(self):
        fields = {"concertDate": self.show(), "bookingOpensAt": self.window(), "bookingClosesAt": self.random.choice(({"$in": 2}, {"$in": DAY}, {"$in": DAY}))}
        chosen = {name: value for name, value in fields.items() if self.chance(0.5)}
        self.command("schedule.update", scheduleId=self.schedule(), **chosen)

    def cancel_schedule(self):
        """Nothing about points may follow in the same array, as refunds come when they come."""
        if len(self.schedules) < 4:
            return self.create_schedule()
        self.send()
        name = self.random.choice(self.schedules[:-1])
        self.command("schedule.cancel", scheduleId=name, reason="rain")
        for _ in range(self.random.choice((0, 0, 1, 3))):
            draw = self.random.randrange(4)
            if draw == 0:
                self.command("schedule.cancel", scheduleId=name, reason="rain")
            elif draw == 1:
                self.command("reservation.create", userId=self.user(), scheduleId=name, seatNo=1)
            elif draw == 2:
                self.command("schedule.update", scheduleId=name, bookingOpensAt={"$in": -1})
            else:
                self.command("schedule.addSeats", scheduleId=name, seats=self.seats(100, 1))
        self.send()

    # ---- reservations ----

    def reserve(self):
        user, name = self.user(), self.schedule()
        place = {"scheduleId": name}
        if self.chance(0.05):
            concert, day = self.random.choice(self.concerts), self.random.randint(0, 40)
            if self.days and self.chance(0.9):
                concert, day = self.random.choice(self.days[-8:])
            place = {"concertId": concert, "date": {"$day": day}}
        draw = self.random.random()
        most = self.sizes.get(name, 3) + self.chance(0.05)
        if draw < 0.5:
            seats = {"seatNo": self.random.randint(1, most)}
        elif draw < 0.52:
            seats = {"seatNo": 1, "seatNos": [2]}
        else:
            count = min(self.random.choice((1, 2, 2, 3, 5)), most)
            seats = {"seatNos": self.random.sample(range(1, most + 1), count)}
        if "date" in place and self.chance(0.7):
            seats = {"seatNumber": self.random.randint(1, most)}
        self.command("reservation.create", makes="reservation", userId=user, queueToken=self.token_of(user), **place, **seats)

    def token_of(self, user):
        if self.chance(0.005):
            return FORGED
        if not self.with_queue or self.chance(0.1):
            return None
        own = [one for one in self.made.get("token", [])[-30:] if one[1]["userId"] == user]
        found = self.random.choice(own) if own and self.chance(0.9) else self.recent("token")
        return {"$id": "token", "of": found[0]} if found else None

    def pay(self):
        found = self.recent("reservation")
        if not found:
            return self.reserve()
        user = {"$id": "userId", "of": found[0], "with": "reservationId"} if self.chance(0.95) else self.user()
        amount = self.random.choice((None, None, None, None, None, None, 1000, 0))
        self.command("payment.create", makes="payment", reservationId={"$id": "reservationId", "of": found[0]}, userId=user, amount=amount)

    def cancel(self):
        found = self.recent("reservation")
        if not found:
            return self.reserve()
        owner = {"$id": "userId", "of": found[0], "with": "reservationId"}
        user = self.random.choice((None, owner, owner, self.user()))
        self.command("reservation.cancel", reservationId={"$id": "reservationId", "of": found[0]}, userId=user)

    def cancel_payment(self):
        found = self.recent("payment")
        if not found:
            return self.pay()
        self.command("payment.cancel", paymentId={"$id": "paymentId", "of": found[0]})

    # ---- waiting room ----

    def enter(self):
        queue = self.random.choice((None, None, "default", "vip"))
        self.command("queue.enter", makes="token", userId=self.user(), queueId=queue)

    def leave(self):
        found = self.recent("token")
        if not found:
            return self.enter()
        token = {"$id": "token", "of": found[0]} if self.chance(0.97) else FORGED
        self.command("queue.leave", queueToken=token)

    # ---- policies ----

    def set_policy(self):
        choices = {
            "holdSeconds": (1, 2, 300, 300, 86400),
            "chargeMin": (1, 1000, 10),
            "chargeMax": (1000000, 5000, AMOUNT_MAX),
            "balanceMax": (0, 0, 100000, 3000000),
            "seatsPerReservation": (1, 4, 2),
            "bonusExpiresSeconds": (31536000, 1, 2, 0, HOUR),
            "paidExpiresSeconds": (0, 0, 2, 5 * DAY),
            "lotOrder": ("expiry-bonus-oldest",),
            "refundExpiredLot": ("regrant", "expire"),
            "regrantExpiresSeconds": (2592000, 1, HOUR),
            "seatsPerUserPerSchedule": (0, 0, 2, 6),
            "timeZone": ("Asia/Seoul", "UTC", "America/New_York", "Pacific/Kiritimati"),
            "pointHoldSeconds": (600, 1, 2),
            "queueActiveMax": (50, 1, 2),
            "refundTable": ([[10, 100], [7, 90], [3, 80], [1, 70], [0, 10]], [[5, 50]], [[0, 33]], [[2, 100], [1, 51], [0, 0]]),
            "refundFullWithinSeconds": (86400, 0, 1),
            "registrationRequired": (False, False, False, True),
        }
        if self.with_queue:
            choices.update(queueRequired=(False, True), queueWaitSeconds=(600, 600, 1), queueActiveSeconds=(600, 600, 1))
        names = self.random.sample(list(choices), self.random.choice((0, 1, 1, 1, 2, 2, 3)))
        values = {name: self.random.choice(choices[name]) for name in names}
        if self.chance(0.1):
            name = self.random.choice(list(BEYOND))
            values[name] = self.random.choice(BEYOND[name])
        self.command("policy.set", **values)


# Just outside of what a policy may be.
BEYOND = {
    "holdSeconds": (0, 86401),
    "chargeMin": (0, AMOUNT_MAX + 1),
    "balanceMax": (-1,),
    "seatsPerReservation": (0, 1001),
    "seatsPerUserPerSchedule": (-1, 1000001),
    "bonusExpiresSeconds": (-1, 3153600001),
    "regrantExpiresSeconds": (0,),
    "pointHoldSeconds": (0, 31536001),
    "queueActiveMax": (0, 1000001),
    "lotOrder": ("oldest", ""),
    "refundExpiredLot": ("Regrant", True),
    "timeZone": ("Mars/Olympus", "asia/seoul", ""),
    "queueRequired": (0, "true"),
    "refundTable": ([], [[1]], [[1, 101]], [[-1, 50]], [[1, 50, 2]], [[1.0, 50]], {}),
    "refundFullWithinSeconds": (-1, 31536001),
    "registrationRequired": (1,),
}


WEIGHTS = {
    "charge": 12, "use": 9, "refund": 6, "hold": 6, "capture": 4, "release": 2, "adjust": 4,
    "register": 1, "create_concert": 0.4, "create_schedule": 1.2, "add_seats": 1, "update_schedule": 1, "cancel_schedule": 0.2,
    "reserve": 18, "pay": 16, "cancel": 3, "cancel_payment": 3,
    "enter": 3, "leave": 1,
    "set_policy": 0.8, "again": 2,
}  # fmt: skip


def sequence(seed, length):
    return Sequence(seed, length).all()
