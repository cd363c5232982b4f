"""A history checker: does the journal's order explain every reply that clients got?

	history = History(engine, clients=4); history.start(); ...; history.finish()     records, while a test does harm
	check(history, log_of(ledgerline, engine.data))                                  raises Wrong, with a sentence

Clients write down when they sent each command and each read, when its answer came, and what it was. A command is sent again under its key until
it is answered; now and then a client gives up. Afterwards, with the journal as `journal cat` shows it:

	once         an answered command is in the journal exactly once, where its reply says; one that was turned away each time (429, 503 NOT_LEADER
	             or JOURNAL_UNAVAILABLE) is not there; one in doubt is there once or not at all; nothing is there that nobody sent
	real time    a command that was answered before another was sent stands before it
	replies      the independent model (tests/model), fed in the journal's order, gives each reply
	reads        show what the model has at their position, which is not before the one that they asked for

So the history is strictly serializable; reads are of a past that is told. Nothing ends by itself here (no lots, holds or tokens that expire): the
clock's part is for the model's own tests.
"""

import http.client
import json
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))

from ledger import Ledger  # noqa: E402
from words import ANY_TIME, Some, differences  # noqa: E402
from world import fresh  # noqa: E402

NEVER = float("inf")
SEATS = 8
GIVE_UP = 0.1  # after an attempt that told nothing
SECONDS_MAX = 120
NOT_TAKEN = {"OVERLOADED", "NOT_LEADER", "JOURNAL_UNAVAILABLE"}


class Wrong(AssertionError):
    pass


def number(position):
    return int(position.split(":")[1])


@dataclass
class Command:
    element: dict
    invoked: float
    replied: float = NEVER
    receipt: dict = None
    doubt: bool = False  # some attempt may have been taken

    @property
    def key(self):
        return self.element["id"]

    @property
    def is_entry(self):
        return self.receipt is not None and self.receipt["outcome"] in ("accepted", "refused")


@dataclass
class Read:
    user: str
    at_least: str
    position: str
    status: int
    body: dict


@dataclass
class Client:
    engine: object
    user: str
    chance: random.Random
    commands: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    uses: list = field(default_factory=list)
    held: list = field(default_factory=list)
    last: str = None
    failure: BaseException = None

    def command(self, kind, **fields):
        """The receipt, or None when it was given up."""
        actor = {"type": "admin", "id": self.user}  # without one it would be the system, as the engine is
        one = Command({"id": fresh(f"{self.user}-c"), "type": kind, "actor": actor, **fields}, time.monotonic())
        self.commands.append(one)
        while True:
            try:
                reply = self.engine.post("/api/commands", one.element)
                if reply.status == 200:
                    one.receipt = reply.json
                    one.replied = time.monotonic()
                    self.last = reply.position or self.last
                    return one.receipt
                one.doubt |= reply.code not in NOT_TAKEN
            except ConnectionRefusedError:
                pass
            except (OSError, http.client.HTTPException):
                one.doubt = True
            if self.chance.random() < GIVE_UP:
                return None
            if time.monotonic() - one.invoked > SECONDS_MAX:
                raise Wrong(f"no answer to {one.element} within {SECONDS_MAX} s")
            time.sleep(0.005)

    def read(self, user):
        at_least = self.last if self.chance.random() < 0.5 else None
        try:
            reply = self.engine.get(f"/api/points/balance?userId={user}", headers={"Ledger-Min-Position": at_least} if at_least else {})
        except (OSError, http.client.HTTPException):
            return
        if reply.status in (200, 404):
            self.reads.append(Read(user, at_least, reply.position, reply.status, reply.json))

    def step(self, users, schedule):
        kind = self.chance.choices(("charge", "use", "refund", "adjust", "hold", "read"), (25, 20, 10, 5, 20, 30))[0]
        user = self.chance.choice((self.user, self.user, *users))
        if kind == "charge":
            self.command("points.charge", userId=user, amount=self.chance.randrange(1000, 5000))
        elif kind == "use":
            receipt = self.command("points.use", userId=user, amount=self.chance.randrange(1, 3000))
            self.uses += [receipt["body"]["useId"]] if receipt and receipt["status"] == 200 else []
        elif kind == "refund" and self.uses:
            self.command("points.refund", useId=self.chance.choice(self.uses[-20:]), amount=self.chance.randrange(1, 500))
        elif kind == "adjust":
            self.command("points.adjust", userId=user, amount=self.chance.choice((-700, 900)), reason="history", approver="auditor")
        elif kind == "hold":
            self.hold(schedule)
        elif kind == "read":
            self.read(user)

    def hold(self, schedule):
        seat = self.chance.randrange(1, SEATS + 1)
        receipt = self.command("reservation.create", userId=self.user, scheduleId=schedule, seatNos=[seat])
        if not receipt or receipt["status"] != 201:
            return
        name = receipt["body"]["reservationId"]
        if self.chance.random() < 0.6:
            self.command("payment.create", userId=self.user, reservationId=name)
        self.command("reservation.cancel", reservationId=name, userId=self.user)

    def run(self, stop, users, schedule):
        try:
            while not stop.is_set():
                self.step(users, schedule)
        except BaseException as failure:  # told by the thread that waits
            self.failure = failure


class History:
    def __init__(self, engine, clients=4, seed=1):
        self.engine, self.stop = engine, threading.Event()
        self.users = [fresh("writer") for _ in range(clients)]
        self.clients = [Client(engine, user, random.Random(f"{seed} {user}")) for user in self.users]
        self.first = Client(engine, fresh("opener"), random.Random(seed))
        self.in_doubt = {}  # key: the receipt that was asked for afterwards

    def start(self):
        concert, schedule = fresh("concert"), fresh("schedule")
        seats = [{"seatNo": n, "price": 700} for n in range(1, SEATS + 1)]
        self.first.command("concert.create", concertId=concert, title="History")
        self.first.command("schedule.create", scheduleId=schedule, concertId=concert, concertDate="2037-05-01", seats=seats)
        self.threads = [
            threading.Thread(target=one.run, args=(self.stop, self.users, schedule), daemon=True) for one in self.clients
        ]
        for thread in self.threads:
            thread.start()
        return self

    def alive(self):
        for one in self.clients:
            if one.failure:
                raise one.failure

    def finish(self):
        """Lets every client end its step; then asks for what became of the commands in doubt."""
        self.stop.set()
        for thread in self.threads:
            thread.join(SECONDS_MAX + 60)
        self.alive()
        for one in self.commands:
            if one.receipt is None:
                reply = self.engine.get(f"/api/receipts/{one.key}")
                if reply.status == 200:
                    self.in_doubt[one.key] = reply.json

    @property
    def commands(self):
        return [one for client in (self.first, *self.clients) for one in client.commands]

    @property
    def reads(self):
        return [one for client in self.clients for one in client.reads]


def log_of(ledgerline, *where):
    """[(entry, command id)] of the journal in its order, without what the engine does by itself."""
    places = {}
    for line in ledgerline("journal", "cat", *where, check=0).stdout.splitlines():
        event = json.loads(line)
        if event.get("commandId") and event["actor"]["type"] != "system":
            places[number(event["position"]), event["commandId"]] = True
    return sorted(places)


def check(history, log):
    """Counts of what was checked: {commands, reads, doubt, landed}."""
    sent = {one.key: one for one in history.commands}
    places = {}
    for place, key in log:
        places.setdefault(key, []).append(place)
    check_once(sent, places)
    check_real_time([sent[key] for _, key in log])
    check_replies(history, sent, log)
    doubt = [one for one in sent.values() if one.receipt is None]
    landed = sum(one.key in places for one in doubt)
    return {"commands": len(log), "reads": len(history.reads), "doubt": len(doubt), "landed": landed}


def check_once(sent, places):
    for key, found in places.items():
        if key not in sent:
            raise Wrong(f"{key} is in the journal, and nobody sent it")
        if len(found) > 1:
            raise Wrong(f"{key} is in the journal at {found}")
    for key, one in sent.items():
        found = places.get(key)
        if one.is_entry and (not found or found != [number(one.receipt["position"])]):
            raise Wrong(f"{key} was answered at {one.receipt['position']}, the journal has it at {found}")
        if found and not one.is_entry and (one.receipt is not None or not one.doubt):
            raise Wrong(f"{key} was turned away, and is in the journal at {found}")


def check_real_time(commands):
    """From the end: nobody may have been sent after the reply of one that stands behind him."""
    first_reply, of = NEVER, None
    for one in reversed(commands):
        if first_reply < one.invoked:
            raise Wrong(f"{of.key} was answered before {one.key} was sent, and stands behind it")
        if one.replied < first_reply:
            first_reply, of = one.replied, one


def check_replies(history, sent, log):
    def when(user, reference):
        raise Wrong(f"something ended by itself: {reference} of {user}")

    ledger = Ledger(when)
    reads = sorted(history.reads, key=lambda read: number(read.position), reverse=True)
    for place, key in log:
        while reads and number(reads[-1].position) < place:
            check_read(ledger, reads.pop())
        one = sent[key]
        receipt = one.receipt or history.in_doubt.get(key)
        if receipt is None:
            raise Wrong(f"{key} is in the journal, and has no receipt")
        receipt = {name: value for name, value in receipt.items() if name != "hit"}
        outcome, status, body = ledger.apply(one.element, receipt)
        why = differences(Some(commandId=key, outcome=outcome, status=status, body=body), receipt)
        if why:
            raise Wrong(f"entry {place}: {one.element}: {why}; receipt: {receipt}")
    for read in reversed(reads):
        check_read(ledger, read)


def check_read(ledger, read):
    if read.at_least and number(read.position) < number(read.at_least):
        raise Wrong(f"a read asked for {read.at_least} and got {read.position}")
    shown = ledger.points.shown(read.user)
    expected = (200, {**shown, "lastUpdated": ANY_TIME}) if shown else (404, Some(code="USER_NOT_FOUND"))
    why = differences(expected[0], read.status) or differences(expected[1], read.body)
    if why:
        raise Wrong(f"the balance of {read.user} at {read.position}: {why}; read: {read.body}")
