"""A model of ledgerline: the rules of API.md and DESIGN.md, written from these two alone. It shares no code with the engine.

	ledger = Ledger(when)
	outcome, status, body = ledger.apply(element, receipt)

The model has no clock. The engine's receipt gives the time and the number of its entry; where the contract leaves the engine a
choice (the waiting room's second, the background of a cancelled schedule), the model reads the engine's choice from the receipt
and checks that it was one. Everything else is decided without looking at the answer; `body` says what it must be.

`when(user, reference)` -> (time, (entry, index)) of an entry that the engine made by itself: a hold that ended, a refund of a
cancelled schedule; from the account's history.
"""

import json
from collections import Counter

from forms import Malformed, moments, read
from points import Points
from policy import Policy
from tickets import Tickets
from waiting import Waiting
from words import Names, Refusal, Rejection, Such, ms_of, text_of


class Ledger:
    def __init__(self, when):
        self.when = when
        self.names, self.policy = Names(), Policy()
        self.points = Points(self)
        self.queue = Waiting(self)
        self.tickets = Tickets(self)
        self.users, self.keys, self.cancelling = {}, {}, []
        self.time, self.position, self.seen = 0, -1, {}
        self.answered = 0  # no answer that is looked at was made later than this
        self.accepted = self.refused = 0
        self.notes = Counter()
        self.reading = False  # the command turned out to be a read

    # ---- what the engine says, where it has the choice ----

    @property
    def seen_body(self):
        body = self.seen.get("body")
        return body if isinstance(body, dict) else {}

    @property
    def seen_code(self):
        return self.seen_body.get("code")

    @property
    def seen_status(self):
        return self.seen.get("status")

    # ---- commands ----

    def apply(self, element, receipt):
        """(outcome, status, body) as they must be; a repeated key gives ("hit", None, the old receipt)."""
        self.seen = receipt
        if receipt.get("time") and not receipt.get("hit"):
            self.time, self.position = ms_of(receipt["time"]), int(receipt["position"].split(":")[1])
        now = self.time
        try:
            key, kind, fields = read(element, lambda text: self.names.find("token", text))
            return self.keyed(key, kind, fields, now, receipt)
        except Malformed as wrong:
            fields = wrong.fields
            wrong.details = {"reason": Such("a reason", lambda value: isinstance(value, str) and value != "")}
            if fields:
                wrong.details["field"] = Such(f"one of {fields}", lambda value: isinstance(value, str) and named(value, fields))
            return "rejected", 400, wrong.body()
        except Rejection as no:
            return "rejected", no.status, no.body()

    def keyed(self, key, kind, fields, now, receipt):
        self.advance(now)
        if kind == "reservation.create":
            fields = self.one_place(fields)
        same = json.dumps([kind, canonical(fields)], sort_keys=True)
        if key in self.keys:
            bound, old = self.keys[key]
            if bound != same:
                raise Rejection(422, "IDEMPOTENCY_KEY_REUSED")
            return "hit", None, {**old, "hit": True}
        self.reading = False
        try:
            status, body = self.decide(kind, now, moments(fields, self.policy))
        except Rejection:
            raise
        except Refusal as no:
            self.bind(key, same, receipt)
            self.refused += 1
            return "refused", no.status, no.body()
        if self.reading:
            return "read", status, body
        self.bind(key, same, receipt)
        self.accepted += 1
        return "accepted", status, body

    def bind(self, key, same, receipt):
        self.keys[key if key is not None else receipt.get("commandId")] = (same, receipt)

    def one_place(self, fields):
        """A wish by concert and day, as the wish for the schedule that it names."""
        fields = dict(fields)
        if "seatNos" not in fields:
            fields["seatNos"] = [fields.pop("seatNo") if "seatNo" in fields else fields.pop("seatNumber")]
        if "scheduleId" not in fields:
            try:
                fields["scheduleId"] = self.tickets.on_day(fields.pop("concertId"), fields.pop("date"))
            except Rejection:
                if self.policy.queueRequired and "queueToken" not in fields:
                    raise Rejection(401, "TOKEN_REQUIRED") from None  # access comes before existence
                raise
        return fields

    def decide(self, kind, now, fields):
        what, verb = kind.split(".")
        owner, method = {
            "points": (self.points, verb),
            "queue": (self.queue, verb),
            "concert": (self.tickets, "create_concert"),
            "schedule": (self.tickets, {"addSeats": "add_seats"}.get(verb, f"{verb}_schedule")),
            "reservation": (self.tickets, {"create": "reserve"}.get(verb, verb)),
            "payment": (self.tickets, {"create": "pay"}.get(verb, "cancel_payment")),
            "user": (self, "register"),
            "policy": (self, "set_policy"),
        }[what]
        return getattr(owner, method)(now, **fields)

    def register(self, now, userId):
        if userId in self.users:
            raise Refusal(409, "USER_EXISTS")
        self.users[userId] = now
        return 201, {"userId": userId, "registeredAt": text_of(now)}

    def set_policy(self, now, **values):
        self.queue.policy_changes(now)
        shown = self.policy.set(values)
        self.queue.policy_changed()
        return 200, shown

    # ---- time ----

    def note(self, what):
        """Something worth being drawn happened: the campaign tells how often."""
        self.notes[what] += 1

    def advance(self, now):
        for account in list(self.points.accounts.values()):
            self.points.advance(account, now)
        self.tickets.advance(now)

    def finish_cancelling(self, now):
        """The background is done with every schedule that was cancelled."""
        for schedule in self.cancelling:
            self.tickets.finish_cancelling(schedule, now)
        self.cancelling = []


def canonical(fields):
    """Without what is there by default; seats are a set, whatever order they are named in."""
    defaults = {"source": "paid", "queueId": "default"}
    kept = {name: value for name, value in fields.items() if defaults.get(name) != value}
    if "seatNos" in kept:
        kept["seatNos"] = sorted(kept["seatNos"])
    if "seats" in kept:
        kept["seats"] = sorted(kept["seats"], key=lambda seat: seat["seatNo"])
    return kept


def named(field, fields):
    """Whether `field` is one of them, or a part of one: seats[0].price."""
    return any(field == one or field.startswith((f"{one}[", f"{one}.")) for one in fields)
