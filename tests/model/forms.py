"""What can be a command (API.md sections 1 and 2): fields, their forms, and the command in one form (aliases, defaults)."""

import re
from datetime import datetime, timezone

from words import ID, Rejection, ms_of

AMOUNT_MAX = 2**53 - 1
YEAR, CENTURY = 31536000, 3153600000
DAY = re.compile(r"^\d{4}-\d\d-\d\d$")
MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$")
REQUIRED = True


def is_int(value):
    return type(value) is int


def is_id(value):
    return isinstance(value, str) and bool(ID.match(value))


def is_amount(value):
    return is_int(value) and 1 <= value <= AMOUNT_MAX


def is_price(value):
    return is_int(value) and 0 <= value <= AMOUNT_MAX


def is_signed(value):
    return is_int(value) and value != 0 and abs(value) <= AMOUNT_MAX


def is_text(value):
    return isinstance(value, str) and 1 <= len(value) <= 128


def is_moment(value):
    try:
        return isinstance(value, str) and bool(MOMENT.match(value)) and ms_of(value) >= 0
    except ValueError:
        return False


def is_day(value):
    try:
        return isinstance(value, str) and bool(DAY.match(value)) and bool(datetime.strptime(value, "%Y-%m-%d"))
    except ValueError:
        return False


def is_show(value):
    return is_moment(value) or is_day(value)


def is_source(value):
    return value in ("paid", "bonus")


def is_seat_number(value):
    return is_int(value) and 1 <= value <= 1000000


def is_seat_numbers(value):
    return isinstance(value, list) and bool(value) and all(map(is_seat_number, value)) and len(set(value)) == len(value)


def within(least, most):
    return lambda value: is_int(value) and least <= value <= most


def is_seats(value):
    return isinstance(value, list) and bool(value) and all(map(is_seat, value)) and len({s["seatNo"] for s in value}) == len(value)


def is_seat(value):
    if not isinstance(value, dict) or not set(value) <= {"seatNo", "price", "section", "grade"}:
        return False
    texts = all(value.get(name) is None or is_text(value[name]) for name in ("section", "grade"))
    return is_seat_number(value.get("seatNo")) and is_price(value.get("price")) and texts


def is_switch(value):
    return isinstance(value, bool)


def is_zone(value):
    return value in ("Asia/Seoul", "UTC", "America/New_York", "Pacific/Kiritimati")


def is_refund_table(value):
    rows = isinstance(value, list) and bool(value) and all(isinstance(row, list) and len(row) == 2 for row in value)
    return rows and all(is_int(days) and is_int(percent) and days >= 0 and 0 <= percent <= 100 for days, percent in value)


POLICIES = {
    "holdSeconds": within(1, 86400),
    "chargeMin": is_amount,
    "chargeMax": is_amount,
    "balanceMax": is_price,
    "seatsPerReservation": within(1, 1000),
    "bonusExpiresSeconds": within(0, CENTURY),
    "paidExpiresSeconds": within(0, CENTURY),
    "lotOrder": lambda value: value == "expiry-bonus-oldest",
    "refundExpiredLot": lambda value: value in ("regrant", "expire"),
    "regrantExpiresSeconds": within(1, CENTURY),
    "seatsPerUserPerSchedule": within(0, 1000000),
    "timeZone": is_zone,
    "pointHoldSeconds": within(1, YEAR),
    "queueRequired": is_switch,
    "queueActiveMax": within(1, 1000000),
    "queueWaitSeconds": within(1, YEAR),
    "queueActiveSeconds": within(1, YEAR),
    "refundTable": is_refund_table,
    "refundFullWithinSeconds": within(0, YEAR),
    "registrationRequired": is_switch,
}

# type: {field: (form, whether it must be there)}
COMMANDS = {
    "user.register": {"userId": (is_id, REQUIRED)},
    "concert.create": {"concertId": (is_id, REQUIRED), "title": (is_text, REQUIRED)},
    "schedule.create": {
        "scheduleId": (is_id, REQUIRED),
        "concertId": (is_id, REQUIRED),
        "concertDate": (is_show, REQUIRED),
        "bookingOpensAt": (is_moment, False),
        "bookingClosesAt": (is_moment, False),
        "seats": (is_seats, REQUIRED),
        "queueId": (is_id, False),
    },
    "schedule.addSeats": {"scheduleId": (is_id, REQUIRED), "seats": (is_seats, REQUIRED)},
    "schedule.update": {
        "scheduleId": (is_id, REQUIRED),
        "concertDate": (is_show, False),
        "bookingOpensAt": (is_moment, False),
        "bookingClosesAt": (is_moment, False),
    },
    "schedule.cancel": {"scheduleId": (is_id, REQUIRED), "reason": (is_text, REQUIRED)},
    "policy.set": {name: (form, False) for name, form in POLICIES.items()},
    "points.charge": {
        "userId": (is_id, REQUIRED),
        "amount": (is_amount, REQUIRED),
        "source": (is_source, False),
        "expiresAt": (is_moment, False),
    },
    "points.use": {"userId": (is_id, REQUIRED), "amount": (is_amount, REQUIRED), "reference": (is_text, False)},
    "points.refund": {"useId": (is_id, REQUIRED), "amount": (is_amount, False)},
    "points.hold": {"userId": (is_id, REQUIRED), "amount": (is_amount, REQUIRED), "expiresInSeconds": (within(1, YEAR), False)},
    "points.capture": {"holdId": (is_id, REQUIRED), "amount": (is_amount, False)},
    "points.release": {"holdId": (is_id, REQUIRED)},
    "points.adjust": {
        "userId": (is_id, REQUIRED),
        "amount": (is_signed, REQUIRED),
        "reason": (is_text, REQUIRED),
        "approver": (is_text, REQUIRED),
        "source": (is_source, False),
        "expiresAt": (is_moment, False),
    },
    "queue.enter": {"userId": (is_id, REQUIRED), "queueId": (is_id, False)},
    "queue.leave": {"queueToken": (is_text, REQUIRED)},
    "reservation.create": {
        "userId": (is_id, REQUIRED),
        "scheduleId": (is_id, False),
        "concertId": (is_id, False),
        "date": (is_day, False),
        "seatNo": (is_seat_number, False),
        "seatNos": (is_seat_numbers, False),
        "seatNumber": (is_seat_number, False),
        "queueToken": (is_text, False),
    },
    "reservation.cancel": {"reservationId": (is_id, REQUIRED), "userId": (is_id, False)},
    "payment.create": {"reservationId": (is_id, REQUIRED), "userId": (is_id, REQUIRED), "amount": (is_price, False)},
    "payment.cancel": {"paymentId": (is_id, REQUIRED)},
}
WITH_TOKEN = ("queue.leave", "reservation.create")
ANYTHING_BUT_NOTHING = ("policy.set", "schedule.update")  # at least one field beside the schedule's id


class Malformed(Rejection):
    """400 VALIDATION_ERROR; `fields`: those that may be named as the reason."""

    def __init__(self, *fields):
        super().__init__(400, "VALIDATION_ERROR")
        self.fields = fields


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def read(element, is_token):
    """An element of POST /api/commands as (id or None, type, fields), or Malformed.

    `is_token(text)`: whether the ledger gave that credential: access comes before form.
    """
    if not isinstance(element, dict):
        raise Malformed()
    token = element.get("queueToken")
    if element.get("type") in WITH_TOKEN and isinstance(token, str) and token and not is_token(token):
        raise Rejection(401, "TOKEN_INVALID")
    if element.get("id") is not None and not is_id(element["id"]):
        raise Malformed("id")
    if not isinstance(element.get("type"), str) or element["type"] not in COMMANDS:
        raise Malformed("type")
    kind, known = element["type"], COMMANDS[element["type"]]
    unknown = [name for name in element if name not in known and name not in ("id", "type", "actor")]
    fields = {name: value for name, value in element.items() if name in known and value is not None}
    missing = [name for name, (_, required) in known.items() if required and name not in fields]
    wrong = [name for name, value in fields.items() if not known[name][0](value)]
    if not is_actor(element.get("actor")):
        wrong.append("actor")
    if kind == "reservation.create":
        wrong += misplaced(fields)
    if unknown or missing or wrong:
        raise Malformed(*unknown, *missing, *wrong)
    if kind in ANYTHING_BUT_NOTHING and not set(fields) - {"scheduleId"}:
        raise Malformed("body")
    return element.get("id"), kind, without_nulls(fields)


def is_actor(actor):
    if actor is None:
        return True
    if not isinstance(actor, dict) or not set(actor) <= {"type", "id"}:
        return False
    return actor.get("type") in ("user", "admin", "system") and (actor.get("id") is None or is_id(actor["id"]))


def misplaced(fields):
    """What is wrong about naming the seats in exactly one way, and the schedule in one."""
    by_day = [name for name in ("concertId", "date") if name in fields]
    seats = [name for name in ("seatNo", "seatNos", "seatNumber") if name in fields]
    wrong = []
    if "scheduleId" in fields and by_day:
        wrong += ["scheduleId", *by_day]
    if "scheduleId" not in fields and len(by_day) < 2:
        wrong += ["scheduleId", "concertId", "date"]
    if len(seats) != 1:
        wrong += ["seatNo", "seatNos", "seatNumber"]
    return wrong


def moments(fields, policy):
    """Times as milliseconds."""
    read_out = dict(fields)
    for name in ("expiresAt", "bookingOpensAt", "bookingClosesAt"):
        if name in fields:
            read_out[name] = ms_of(fields[name])
    if "concertDate" in fields:
        show = fields["concertDate"]
        read_out["concertDate"] = policy.start_of_day(show) if is_day(show) else ms_of(show)
    return read_out
