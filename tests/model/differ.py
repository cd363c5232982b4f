"""One sequence, sent to an engine and to the model side by side; Difference at the first thing that is not the same.

	Differ(engine).play(steps)
"""

import json
import re
import time
from bisect import bisect_right, insort
from datetime import datetime, timedelta, timezone

from forms import is_id
from ledger import Ledger
from sending import Sender, Unanswered
from words import ANY_TIME, Some, differences, ms_of, text_of

SETTLE_SECONDS = 1.4  # what is due shows as expired within 1 s, and free places of the waiting room are filled
PATIENCE_SECONDS = 20  # to give up on a busy machine, not to measure
SOON_MS = 10000  # what ends so soon is waited for; generate.py makes things end within 3 s, or not before an hour
PAGE = 100
LENT = {"reservationId", "paymentId", "useId", "holdId"}  # a command that was to name what was not made names another one of these


class Difference(Exception):
    """`what`: the kind of difference, alike for alike ones whatever their ids and amounts."""

    def __init__(self, step, text, why=""):
        super().__init__(text)
        self.step = step
        self.law = False  # found only by the laws of invariants.py
        self.what = re.sub(r"'[^']*'|\"[^\"]*\"|<[^>]*>|\d+", "", why or text.splitlines()[0])


class Differ:
    def __init__(self, engine):
        self.engine, self.ledger = engine, Ledger(self.when)
        self.gave = {}  # field: the steps whose answers have it
        self.sender = Sender(engine)
        self.elements, self.answers, self.codes = {}, {}, {}
        self.compared = 0
        self.step = 0

    # ---- steps ----

    def play(self, steps):
        waiting = []
        for self.step, step in enumerate(steps):
            if step["do"] == "command":
                waiting.append(step)
            elif step["do"] == "send":
                self.send(waiting, step.get("how"))
                waiting = []
            elif step["do"] == "sleep":
                time.sleep(step["seconds"])
            else:
                self.send(waiting)
                waiting = []
                self.check()
        self.send(waiting)

    def send(self, steps, how=None):
        if not steps:
            return
        for step in steps:
            self.elements[step["n"]] = self.resolve(step["element"])
        # Rejections tell no time: it is then at least this.
        self.ledger.time = max(self.ledger.time, int(time.time() * 1000))
        try:
            answered = self.sender.send(how, [(step["n"], self.elements[step["n"]]) for step in steps])
        except Unanswered as strange:
            raise Difference(self.step, str(strange)) from None
        self.ledger.answered = round(time.time() * 1000) + 1
        for step, (element, receipt) in zip(steps, answered):
            self.answered(step["n"], receipt)
            self.compare(element, receipt)
        if self.ledger.cancelling:
            self.finish_cancelling()

    def resolve(self, value):
        """A step's element with what only now is known."""
        if isinstance(value, list):
            return [self.resolve(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$again" in value:
            return self.elements.get(value["$again"], {"type": "user.register", "userId": "again"})
        if "$in" in value:
            return text_of(round(time.time() * 1000 + value["$in"] * 1000))
        if "$day" in value:
            return (datetime.now(timezone.utc) + timedelta(days=value["$day"])).strftime("%Y-%m-%d")
        if "$id" in value:
            n = self.giver(value.get("with", value["$id"]), value["of"])
            return self.body(n).get(value["$id"]) or f"none-{value['of']}"
        return {name: self.resolve(one) for name, one in value.items()}

    def body(self, n):
        body = self.answers.get(n, {}).get("body")
        return body if isinstance(body, dict) else {}

    def answered(self, n, receipt):
        self.answers[n] = receipt
        for name in LENT & set(self.body(n)):
            if self.body(n)[name]:
                insort(self.gave.setdefault(name, []), n)

    def giver(self, name, n):
        """The step whose answer is meant: that one, or mostly, when it has no such id, the last one before it that has."""
        gave = self.gave.get(name, [])
        at = bisect_right(gave, n)
        return gave[at - 1] if at and n % 6 else n

    def compare(self, element, receipt):
        outcome, status, body = self.ledger.apply(element, receipt)
        self.compared += 1
        key = element.get("id") if isinstance(element, dict) else None
        if outcome == "hit":
            expected, kind = body, "hit"
        else:
            expected = {"outcome": outcome, "status": status, "body": body, **self.envelope(outcome, key, element, receipt)}
            kind = f"{status} {body['code']}" if isinstance(body, dict) and "code" in body else f"{status}"
            if outcome == "read":
                kind += " read"
        why = differences(expected, receipt)
        if why:
            sent = json.dumps(element, ensure_ascii=False)
            raise Difference(self.step, f"{sent}\n  {why}\n  receipt: {json.dumps(receipt, ensure_ascii=False)}", f"{kind} {why}")
        name = (element.get("type") if isinstance(element, dict) else None) or "?"
        self.codes[f"{name} {kind}"] = self.codes.get(f"{name} {kind}", 0) + 1

    def envelope(self, outcome, key, element, receipt):
        """The receipt's other fields."""
        if outcome == "rejected":
            readable = is_id(key)
            made = outcome == "rejected" and key is None
            kind = {"type": element.get("type")} if "type" in receipt else {}
            return {"commandId": receipt.get("commandId") if made else key if readable else None, **kind}
        same = ("type",) if outcome == "read" else ("type", "position", "offset", "time", "events")
        return {"commandId": key or receipt.get("commandId"), **{name: receipt.get(name) for name in same}}

    def outcomes(self):
        return {**self.codes, **{f"- {what}": count for what, count in self.ledger.notes.items()}}

    # ---- what the engine does by itself ----

    def patient(self, ask, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := ask()):
            if time.monotonic() > deadline:
                raise Difference(self.step, f"waited in vain for {what}")
            time.sleep(0.02)
        return value

    def when(self, user, reference):
        return self.patient(lambda: self.ended(user, reference), f"the end of {reference}")

    def ended(self, user, reference):
        """(time, (entry, index)) of what ended a hold or refunded a payment; None when it is not there yet."""
        before = ""
        while True:
            page = self.engine.get(f"/api/points/history?userId={user}&limit={PAGE}{before}").json
            for index, line in enumerate(page["entries"]):
                if line["reference"] == reference and line["type"] not in ("point.held", "point.used"):
                    return ms_of(line["time"]), (int(line["position"].split(":")[1]), -index)
            if not page["next"]:
                return None
            before = f"&before={page['next']}"

    def finish_cancelling(self):
        for schedule in self.ledger.cancelling:
            path = f"/api/schedules/{schedule.name}"
            self.patient(lambda path=path: self.engine.get(path).json["status"] == "CANCELLED", f"the end of {path}")
        self.ledger.finish_cancelling(round(time.time() * 1000))

    def settle(self):
        """Waits until nothing is due, nor will be soon."""
        self.ledger.position = 2**62
        while True:
            now = round(time.time() * 1000)
            self.ledger.time = max(self.ledger.time, now)
            self.ledger.advance(now)
            due = [time_ms for time_ms in self.dues() if now - SETTLE_SECONDS * 1000 < time_ms < now + SOON_MS]
            if not due:
                break
            time.sleep((max(due) - now) / 1000 + SETTLE_SECONDS + 0.01)

    def dues(self):
        for account in self.ledger.points.accounts.values():
            yield from (hold.expires for hold in account.holds)
            yield from (lot.expires for lot in account.lots if lot.expires is not None)
        yield from (one.expires for one in self.ledger.tickets.held)
        for token in self.ledger.queue.tokens:
            if token.status != "EXPIRED" and token.expires:
                yield token.expires

    # ---- reading everything ----

    def check(self):
        self.settle()
        time.sleep(SETTLE_SECONDS * (1 + self.ledger.queue.brief) if self.ledger.queue.tokens else 0)
        for path, status, body in self.reads():
            reply = self.engine.get(path)
            why = differences(status, reply.status) or differences(body, reply.json)
            if why:
                raise Difference(self.step, f"GET {path}\n  {why}\n  answer: {reply.status} {reply.body.decode()[:2000]}", f"{path} {why}")
        self.check_queue()
        self.check_totals()

    def reads(self):
        ledger, tickets = self.ledger, self.ledger.tickets
        for user in {*ledger.points.accounts, *ledger.users}:
            shown = ledger.points.shown(user)
            empty = {"userId": user, "balance": 0, "held": 0, "debt": 0, "available": 0, "lots": []}
            yield f"/api/points/balance?userId={user}", 200, {**(shown or empty), "lastUpdated": ANY_TIME}
        for one in tickets.schedules.values():
            states = [seat.status() for seat in one.seats.values()]
            yield f"/api/concerts/seats?scheduleId={one.name}", 200, Some(
                scheduleId=one.name, seats=[one.seats[number].shown() for number in sorted(one.seats)]
            )
            yield f"/api/schedules/{one.name}", 200, Some(
                scheduleId=one.name,
                concertId=one.concert,
                concertDate=text_of(one.show),
                bookingOpensAt=text_of(one.opens),
                bookingClosesAt=text_of(one.closes),
                totalSeats=len(states),
                availableSeats=states.count("AVAILABLE"),
                **one.money(),
            )
        for concert in tickets.concerts:
            rows = [
                {
                    "scheduleId": one.name,
                    "concertId": concert,
                    "concertTitle": tickets.concerts[concert],
                    "concertDate": text_of(one.show),
                    "availableSeats": sum(seat.status() == "AVAILABLE" for seat in one.seats.values()),
                    "totalSeats": len(one.seats),
                }
                for one in sorted(tickets.schedules.values(), key=lambda one: (one.show, one.name))
                if one.concert == concert and one.status == "OPEN"
            ]
            yield f"/api/concerts/dates?concertId={concert}", 200, {"dates": rows}
        for one in tickets.reservations:
            yield f"/api/reservations/{one.name.value}", 200, Some(one.shown())
            if one.payment:
                yield f"/api/payments/{one.payment.name.value}", 200, Some(one.payment.shown())
        today = ledger.policy.day(ledger.time)
        windows = {
            "all": lambda day: True,
            "day": lambda day: day == today,
            "week": lambda day: day.isocalendar()[:2] == today.isocalendar()[:2],
            "month": lambda day: (day.year, day.month) == (today.year, today.month),
        }
        for name, inside in windows.items():
            yield f"/api/rankings/popular?limit=100&window={name}", 200, {"rankings": tickets.popular(inside)[:100]}
        for origin in ("opening", "first"):
            yield f"/api/rankings/sold-out?limit=100&from={origin}", 200, {"rankings": tickets.sold_out(origin)[:100]}
        for key, (_, receipt) in list(ledger.keys.items())[:: max(1, len(ledger.keys) // 30)]:
            yield f"/api/receipts/{key}", 200, {name: value for name, value in receipt.items() if name != "hit"}

    def check_queue(self):
        """Tokens as the engine shows them, which must be possible, and no free place beside somebody who waits."""
        queue = self.ledger.queue
        for token in queue.tokens:
            reply = self.engine.get("/api/queue/status", headers={"Authorization": f"Bearer {token.name.value}"})
            self.ledger.time = round(time.time() * 1000)
            shown = reply.json
            why = differences(200, reply.status) or differences(token.user, shown["userId"])
            until = shown.get("activeUntil")
            why = why or queue.learn(token, shown["status"], ms_of(until) if until else None)
            if not why and shown["status"] == "WAITING":
                place = 1 + sum(one.number < token.number for one in queue.of(token.queue, "WAITING"))
                why = differences(place, shown["queuePosition"])
            if why:
                raise Difference(self.step, f"the token {token.name} of {token.user}: {why}\n  {shown}")
        most = self.ledger.policy.queueActiveMax
        for name in {token.queue for token in queue.tokens}:
            active, waiting = len(queue.of(name, "ACTIVE")), len(queue.of(name, "WAITING"))
            if waiting and active < most:
                raise Difference(self.step, f"queue {name}: {waiting} wait though {active} of {most} places are taken")
        queue.loose.clear()

    def check_totals(self):
        reply = self.engine.get("/api/audit/totals?at=latest")
        if reply.code == "NOT_FOUND":
            return
        points, (seats, reservations) = self.ledger.points.sums(), self.ledger.tickets.sums()
        expected = Some(points=Some(points), seats=Some(seats), accepted=self.ledger.accepted, refused=self.ledger.refused)
        why = differences(200, reply.status) or differences(expected, reply.json)
        shown = reply.json.get("reservations", {})
        why = why or next((f"reservations: {s}" for s, n in reservations.items() if shown.get(s, shown.get(s.lower(), 0)) != n), None)
        if why:
            raise Difference(self.step, f"GET /api/audit/totals\n  {why}\n  answer: {reply.body.decode()[:2000]}")
