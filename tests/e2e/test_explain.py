"""Why a command was decided as it was: `audit explain`, by the command line and by HTTP, and `verify --decide --invariants`."""

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples import must, sell

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))

from differ import Differ  # noqa: E402
from generate import sequence  # noqa: E402

# LEDGERLINE_EXPLAINED=10000 explains so many commands of a history that is as long.
EXPLAINED = int(os.environ.get("LEDGERLINE_EXPLAINED") or 200)
SEED = int(os.environ.get("LEDGERLINE_EXPLAINED_SEED") or 7)
LENGTH = max(1500, EXPLAINED + EXPLAINED // 10)


def explained(ledgerline, what, *arguments, check=0):
    done = ledgerline("audit", "explain", what, *arguments, "--json", check=check)
    return json.loads(done.stdout) if done.stdout else done.stderr


def facts(answer):
    """{name: (value, position)}; of several with one name the first."""
    found = {}
    for fact in answer["facts"]:
        found.setdefault(fact["fact"], (fact["value"], fact["position"]))
    return found


# Each fact has its value before the entry, and the entry that set it; HTTP, the command line beside the engine, and an archive of the journal
# alone say the same.
def test_facts(ledgerline, engine, journal_url, tmp_path):
    must(engine.http("PUT", "/api/admin/policies", {"chargeMin": 500}), 200)  # 0:0
    made = sell(engine)  # 0:1 .. 0:9
    must(engine.post("/api/points/use", {"userId": "kim", "amount": 100}, key="u1"), 200)  # 0:10
    must(engine.post("/api/points/use", {"userId": "kim", "amount": 99000}, key="u2"), 402)  # 0:11
    must(engine.post("/api/reservations", {"userId": "lee", "scheduleId": "seoul-1", "seatNo": 2}, key="r9"), 409)  # 0:12
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 400}, key="c9"), 400)  # 0:13
    archive = f"local:{tmp_path / 'archive'}"
    ledgerline("journal", "copy", journal_url, archive, check=0)
    for key, outcome, code, wanted in [
        ("charge-kim", "accepted", None, {"balance": (0, None), "chargeMin": (500, "0:0"), "chargeMax": (1000000, None)}),
        ("use-lee", "refused", "INSUFFICIENT_POINTS", {"balance": (1000, "0:4"), "available": (1000, "0:4"), "required": (5000, None)}),
        ("u1", "accepted", None, {"balance": (7000, "0:8"), "lotOrder": ("expiry-bonus-oldest", None)}),
        ("u2", "refused", "INSUFFICIENT_POINTS", {"balance": (6900, "0:10"), "registrationRequired": (False, None)}),
        ("r9", "refused", "SEAT_ALREADY_RESERVED", {"seatNos": ([2], "0:8"), "scheduleStatus": ("OPEN", "0:2")}),
        ("c9", "refused", "INVALID_AMOUNT", {"amount": (400, None), "chargeMin": (500, "0:0")}),
    ]:
        answer = must(engine.get(f"/api/audit/explain/{key}"), 200)
        assert (answer["commandId"], answer["outcome"], answer["code"]) == (key, outcome, code)
        assert answer["redecided"] is True and answer["again"] is None and answer["policyVersion"] == 2
        assert {name: facts(answer)[name] for name in wanted} == wanted
        assert explained(ledgerline, key, "--data", engine.data) == answer == explained(ledgerline, key, "--journal", archive)
        assert explained(ledgerline, answer["position"], "--data", engine.data) == answer
        receipt = must(engine.get(f"/api/receipts/{key}"), 200)
        assert [answer[name] for name in ("position", "offset", "time", "type")] == [receipt[name] for name in ("position", "offset", "time", "type")]
    lot = facts(must(engine.get("/api/audit/explain/u1"), 200))["lot"]
    assert lot == ({"lotId": "lot-3", "source": "paid", "amount": 10000, "remaining": 7000, "expiresAt": None}, "0:8")
    seat = facts(must(engine.get("/api/audit/explain/r9"), 200))["seat"]
    assert seat == ({"scheduleId": "seoul-1", "seatNo": 2, "price": 2000, "status": "RESERVED", "reservationId": made[2]}, "0:8")
    assert "redecided" in ledgerline("audit", "explain", "u1", "--data", engine.data, check=0).stdout


# The engine's own entries are asked for by position: what came to its end, its deadline, and which entry had set that. Whoever came too late is
# told the same.
def test_expiry(ledgerline, engine):
    must(engine.http("PUT", "/api/admin/policies", {"holdSeconds": 1}), 200)
    sell_only = {"concertId": "c", "title": "C"}
    must(engine.post("/api/admin/concerts", sell_only), 201)
    must(engine.post("/api/admin/schedules", {"scheduleId": "s", "concertId": "c", "concertDate": "2090-01-01", "seats": [{"seatNo": 1, "price": 0}]}), 201)
    held = must(engine.post("/api/reservations", {"userId": "kim", "scheduleId": "s", "seatNo": 1}), 201)
    path = f"/api/reservations/{held['reservationId']}"
    engine.wait_for(lambda: engine.get(path).json["status"] == "EXPIRED", "the hold to end")
    must(engine.post("/api/payments", {"reservationId": held["reservationId"], "userId": "kim"}, key="late"), 410)
    late = must(engine.get("/api/audit/explain/late"), 200)
    reservation, expired_by = facts(late)["reservation"]
    assert reservation["status"] == "EXPIRED" and facts(late)["expiresAt"] == (held["expiresAt"], expired_by)
    answer = explained(ledgerline, expired_by, "--data", engine.data)
    assert (answer["outcome"], answer["type"], answer["commandId"]) == ("system", "reservation.expired", None)
    assert facts(answer)["deadline"] == (held["expiresAt"], "0:3") and answer["time"] >= held["expiresAt"]
    assert facts(answer)["reservation"][0]["status"] == "HELD" and answer["redecided"] is True
    assert must(engine.get(f"/api/audit/explain/{expired_by}"), 200) == answer


# What is not there, and what makes no sense.
def test_nothing_to_explain(ledgerline, engine):
    assert engine.post("/api/points/charge", {"userId": "kim", "amount": -5}, key="bad").status == 400
    for key in ("bad", "never-sent"):
        assert engine.get(f"/api/audit/explain/{key}").code == "RECEIPT_NOT_FOUND"
        for place in (("--data", engine.data), ("--journal", engine.journal or f"local:{engine.data}/journal")):
            words = explained(ledgerline, key, *place, check=1)
            assert "RECEIPT_NOT_FOUND" in words and "rejected" in words
    lost = engine.get("/api/audit/explain/0:99")
    assert lost.code == "CUT_NOT_FOUND" and lost.position == "start"
    assert engine.get("/api/audit/accounts/nobody?at=start").position == "start"
    assert "CUT_NOT_FOUND" in explained(ledgerline, "0:99", "--data", engine.data, check=1)
    assert engine.get("/api/audit/explain/a%20b").json["details"]["field"] == "commandId"
    assert engine.get("/api/audit/explain/bad?at=latest").code == "VALIDATION_ERROR"
    ledgerline("audit", "explain", "a b", "--data", engine.data, check=2)
    ledgerline("audit", "explain", "bad", check=2)
    ledgerline("audit", "explain", "--data", engine.data, check=2)


# ---- a random history ----


class Story:
    """Who set what, read from the events alone, by other code than the engine's: the last entry before a position that names a thing."""

    NAMED = {"reservation": ("reservation.", "reservationId"), "use": ("point.used point.refunded", "useId"), "payment": ("payment.", "paymentId"),
             "hold": ("point.held point.hold.", "holdId"), "token": ("queue.token.", "tokenId")}  # fmt: skip

    def __init__(self, lines):
        self.events = [json.loads(line) for line in lines.splitlines()]
        self.standing, self.named, self.seats, self.policy = {}, {}, {}, {}
        for event in self.events:
            self.take(event, int(event["position"][2:]))

    def take(self, event, entry):
        for field in ("balance", "available"):
            if f"{field}After" in event and "availableAfter" in event:
                self.standing.setdefault((field, event["userId"]), []).append((entry, event[f"{field}After"]))
        for fact, (types, field) in self.NAMED.items():
            if field in event and any(event["type"].startswith(one) for one in types.split()):
                self.named.setdefault((fact, event[field]), []).append(entry)
        for lot in self.lots(event):
            self.named.setdefault(("lot", lot), []).append(entry)
        if event["type"] == "concert.schedule.created" or event["type"] == "concert.schedule.seats.added":
            for seat in event["seats"]:
                self.seats.setdefault((event["scheduleId"], seat["seatNo"]), []).append(entry)
        elif event["type"].startswith("reservation."):
            for number in event["seatNos"]:
                self.seats.setdefault((event["scheduleId"], number), []).append(entry)
        elif event["type"] == "policy.changed":
            for field, value in event["policy"].items():
                self.policy.setdefault(field, []).append((entry, value))

    @staticmethod
    def lots(event):
        """Those whose remainder the event changes. What a hold has taken, its capture does not take again; what repays debt is in no lot."""
        back = event["type"] in ("point.refunded", "point.hold.captured", "point.hold.released")
        if event.get("lotId"):
            yield event["lotId"]
        captured = event["type"] == "point.used" and event["holdId"]
        for lot in event.get("lots", []) if event["type"].startswith("point.") and not captured else []:
            if not back or lot["remaining"]:
                yield (lot["newLotId"] or lot["lotId"]) if back else lot["lotId"]

    def last(self, entries, before):
        found = [entry for entry in entries if entry < before]
        return f"0:{found[-1]}" if found else None

    def changed(self, values, before, first):
        """The entry from which on the last value before `before` holds, and that value."""
        at_end = {}
        for entry, value in values:
            at_end[entry] = value  # of several events of one entry the last
        setter, now = None, first
        for entry, value in sorted(at_end.items()):
            if entry < before and value != now:
                setter, now = entry, value
        return (None if setter is None else f"0:{setter}"), now

    def wanted(self, fact, before, users):
        """(position, value or None when only the position is known); None: nothing is known of such a fact."""
        name, value = fact["fact"], fact["value"]
        if name in ("balance", "available"):
            return [self.changed(self.standing.get((name, user), []), before, 0) for user in users]
        if name == "lot" or (name in self.NAMED and value):
            return [(self.last(self.named.get((name, value[f"{name}Id"]), []), before), value)]
        if name == "seat":
            return [(self.last(self.seats.get((value["scheduleId"], value["seatNo"]), []), before), value)]
        if name in self.policy:
            values = self.policy[name]
            return [self.changed(values, before, None)] if any(entry < before and v == value for entry, v in values) else None
        return None


def compare(story, answer):
    """How many facts were compared."""
    before, compared = int(answer["position"][2:]), 0
    users = {user for field, user in story.standing} | {None}
    for fact in answer["facts"]:
        wanted = story.wanted(fact, before, users)
        if wanted is None:
            continue
        if fact["fact"] in story.policy and fact["position"] is None:
            continue  # as it was from the genesis on
        assert (fact["position"], fact["value"]) in wanted, (answer["position"], fact, wanted[:5])
        compared += 1
    return compared


# Of a random history each command is decided again to what is recorded, and each fact's position is the one that the events, read by other code, say.
def test_random_history(ledgerline, engine, capsys):
    differ = Differ(engine)
    differ.play(sequence(SEED, LENGTH))
    where = ("--data", engine.data)
    story = Story(ledgerline("journal", "cat", *where, check=0).stdout)
    entries = must(engine.get("/api/audit/totals"), 200)["entries"]
    picked = random.Random(SEED).sample(range(entries), min(EXPLAINED, entries))
    outcomes, compared, decided = {}, 0, {}
    for event in story.events:
        decided[event["position"]] = event

    def ask(entry):
        return must(engine.get(f"/api/audit/explain/0:{entry}"), 200)

    with ThreadPoolExecutor(2) as pool:
        for answer in pool.map(ask, picked):
            event = decided[answer["position"]]
            assert answer["redecided"] is True, answer
            assert (answer["commandId"], answer["time"], answer["offset"]) == (event["commandId"], event["time"], event["offset"])
            assert (answer["outcome"] == "refused") == (event["type"] == "refused") and answer["code"] == event.get("code")
            outcomes[answer["outcome"]] = outcomes.get(answer["outcome"], 0) + 1
            compared += compare(story, answer)
    assert compared > len(picked)
    with capsys.disabled():
        print(f"\nexplained {outcomes}, {compared} positions compared")
    engine.stop()
    found = json.loads(ledgerline("verify", *where, "--decide", "--invariants", "--json", check=0).stdout)
    assert found["rules"]["findings"] == 0 and found["rules"]["entries"] >= entries


# An entry that can be folded, but that no rule gives, is named, with what is recorded and what would have been decided.
def test_what_no_rule_gives(ledgerline, engine, journal_url, binary):
    sell(engine)
    assert engine.stop() == 0
    where = ("--data", engine.data)
    assert json.loads(ledgerline("verify", *where, "--decide", "--invariants", "--json", check=0).stdout)["rules"]["findings"] == 0
    tool = binary.parent / "tests" / "tools" / "poison"
    gift = subprocess.run([str(tool), journal_url, "gift"], capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    ledgerline("verify", "--journal", journal_url, check=0)
    found = json.loads(ledgerline("verify", "--journal", journal_url, "--decide", "--json", check=1).stdout)
    assert found["verified"] is False and found["rules"]["findings"] == 1
    [first] = found["rules"]["first"]
    assert (first["position"], first["check"], first["key"]) == (gift, "decide", "outcome")
    assert (first["recorded"], first["found"]) == ("system", "nothing was due")
    words = ledgerline("verify", "--journal", journal_url, "--decide", check=1).stdout
    assert f"decide {gift}" in words and '"system" recorded, "nothing was due" decided now' in words
    answer = explained(ledgerline, gift, "--journal", journal_url, check=1)
    assert answer["redecided"] is False and answer["again"]["key"] == "outcome"


@pytest.mark.parametrize("flag", ["--decide", "--invariants"])
def test_verify_alone(ledgerline, engine, flag):
    sell(engine)
    done = ledgerline("verify", "--data", engine.data, flag, check=0)
    assert ("decided again" in done.stdout) == (flag == "--decide") and ("hold after each" in done.stdout) == (flag == "--invariants")
    assert not list(engine.data.glob("verify*"))
