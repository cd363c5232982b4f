"""Past states: by `ledgerline audit` and by HTTP, from a directory, a journal alone, and an archive."""

import hashlib
import json
import threading
import time
from datetime import datetime

import pytest
from samples import must, sell

POINTS = ("charged", "used", "refunded", "expired", "adjusted", "held", "debt", "balances")
READS = {
    "account kim": ("/api/points/balance?userId=kim", "/api/audit/accounts/kim"),
    "schedule seoul-1": ("/api/concerts/seats?scheduleId=seoul-1", "/api/audit/schedules/seoul-1"),
    "popular": ("/api/rankings/popular", "/api/audit/rankings/popular"),
    "sold-out": ("/api/rankings/sold-out", "/api/audit/rankings/sold-out"),
}


def audit(ledgerline, *arguments, check=0):
    done = ledgerline("audit", *arguments, "--json", check=check)
    return json.loads(done.stdout) if done.stdout else done.stderr


def a_moment_later():
    """A time after all that has happened, and before now."""
    time.sleep(0.05)
    now = time.time() - 0.01
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"


def without_at(answer):
    return {name: value for name, value in answer.items() if name != "at"}


def step(engine, number):
    """One command of a little story, and what every read answers right after it."""
    steps = [
        ("/api/admin/concerts", {"concertId": "seoul", "title": "Night"}),
        ("/api/admin/schedules", {"scheduleId": "seoul-1", "concertId": "seoul", "concertDate": "2030-03-01T09:00:00Z",
                                  "seats": [{"seatNo": 1, "price": 3000}, {"seatNo": 2, "price": 4000}]}),
        ("/api/points/charge", {"userId": "kim", "amount": 20000}),
        ("/api/reservations", {"userId": "kim", "scheduleId": "seoul-1", "seatNo": 2}),
        ("/api/points/use", {"userId": "kim", "amount": 99000}),
        ("/api/payments", {"reservationId": "reservation-3", "userId": "kim"}),
        ("/api/points/charge", {"userId": "lee", "amount": 5000, "source": "bonus"}),
        ("/api/reservations", {"userId": "lee", "scheduleId": "seoul-1", "seatNo": 1}),
        ("/api/payments", {"reservationId": "reservation-7", "userId": "lee"}),
        ("/api/points/use", {"userId": "kim", "amount": 1500, "reference": "drink"}),
    ]  # fmt: skip
    reply = engine.post(*steps[number])
    assert reply.position is not None
    return {what: engine.get(live) for what, (live, _) in READS.items()}


STEPS = 10


@pytest.fixture
def story(engine):
    """What was answered live after each entry, by its position."""
    return engine, [step(engine, number) for number in range(STEPS)]


# At every entry of the past each question answers what the matching read answered then: by HTTP while the engine serves, by the
# command line beside it, and from a copy of the journal alone.
def test_every_cut(ledgerline, story, journal_url, tmp_path):
    engine, answers = story
    archive = f"local:{tmp_path / 'archive'}"
    ledgerline("journal", "copy", journal_url, archive, check=0)
    for number, then in enumerate(answers):
        cut = f"0:{number}"
        for what, (_, path) in READS.items():
            live = then[what]
            found = engine.get(f"{path}?at={cut}")
            assert (found.status, found.position if found.status == 200 else None) == (
                live.status, cut if live.status == 200 else None), (what, cut, found.body)  # fmt: skip
            if live.status == 200:
                assert without_at(found.json) == live.json and found.json["at"]["position"] == cut
                assert audit(ledgerline, "state", *what.split(), "--data", engine.data, "--at", cut) == found.json
                assert audit(ledgerline, "state", *what.split(), "--journal", archive, "--at", cut) == found.json
            else:
                assert found.json["code"] == live.json["code"]
                assert live.json["code"] in audit(ledgerline, "state", *what.split(), "--data", engine.data, "--at", cut, check=1)
    assert engine.get("/api/audit/reservations/reservation-3?at=0:3").json["status"] == "HELD"
    assert engine.get("/api/audit/reservations/reservation-3?at=0:5").json["status"] == "CONFIRMED"
    assert engine.get("/api/audit/reservations/reservation-3?at=0:2").code == "RESERVATION_NOT_FOUND"


# The equations of the totals hold at every cut; the digest is that of `verify`, of `state all`, and of an archive.
def test_totals(ledgerline, story, journal_url, tmp_path):
    engine, _ = story
    for cut in ["start", *(f"0:{number}" for number in range(STEPS)), "latest"]:
        totals = must(engine.get(f"/api/audit/totals?at={cut}"), 200)
        points, seats = totals["points"], totals["seats"]
        assert set(points) == set(POINTS) and totals["accepted"] + totals["refused"] <= totals["entries"]
        signed = points["charged"] - points["used"] + points["refunded"] - points["expired"] + points["adjusted"]
        assert signed == points["balances"] and seats["available"] + seats["held"] + seats["reserved"] == seats["total"]
        assert audit(ledgerline, "totals", "--data", engine.data, "--at", cut) == totals
    start = engine.get("/api/audit/totals?at=start")
    assert start.json["at"] == {"position": "start", "time": None} and start.position == "start" and start.json["entries"] == 0
    assert engine.stop() == 0
    digest = json.loads(ledgerline("verify", "--data", engine.data, "--json", check=0).stdout)["digest"]
    assert totals["digest"] == digest
    lines = ledgerline("audit", "state", "all", "--data", engine.data, check=0).stdout
    assert hashlib.sha256(lines.encode()).hexdigest() == digest


# What differs between two cuts, each side as the read answered; nothing between a cut and itself.
def test_diff(ledgerline, story):
    engine, answers = story
    found = must(engine.get("/api/audit/diff?from=0:2&to=0:5"), 200)
    assert (found["from"]["position"], found["to"]["position"]) == ("0:2", "0:5")
    [account], [seat], [reservation] = found["accounts"], found["seats"], found["reservations"]
    assert account == {"userId": "kim", "before": answers[2]["account kim"].json, "after": answers[5]["account kim"].json}
    assert (seat["scheduleId"], seat["seatNo"]) == ("seoul-1", 2)
    assert (seat["before"]["status"], seat["after"]["status"]) == ("AVAILABLE", "RESERVED")
    assert (reservation["before"], reservation["after"]["status"]) == (None, "CONFIRMED")
    assert audit(ledgerline, "diff", "--data", engine.data, "--from", "0:2", "--to", "0:5", check=1) == found
    same = audit(ledgerline, "diff", "--data", engine.data, "--from", "0:5", "--to", "0:5", check=0)
    assert same["accounts"] == same["seats"] == same["reservations"] == []
    whole = audit(ledgerline, "diff", "--data", engine.data, check=1)
    assert whole["from"]["position"] == "start" and {one["userId"] for one in whole["accounts"]} == {"kim", "lee"}


# A moment of the past is a cut: final at once when something came later, by an entry of the engine's own when nothing did, and
# not at all without an engine. What is still to come never is.
def test_times(ledgerline, story):
    engine, answers = story
    text = a_moment_later()
    found = must(engine.get(f"/api/audit/accounts/kim?at={text}"), 200)
    assert without_at(found) == answers[-1]["account kim"].json and found["at"]["position"] == f"0:{STEPS - 1}"
    assert engine.get("/api/audit/accounts/kim?at=2090-01-01T00:00:00Z").code == "CUT_NOT_FINAL"
    assert engine.get("/api/audit/accounts/kim?at=0:99999").code == "CUT_NOT_FOUND"
    assert engine.get("/api/audit/accounts/kim?at=2020-01-01T00:00:00Z").code == "USER_NOT_FOUND"
    for wrong in ("0:", "0:01", "1:5", "-1", "yesterday", "0:99999999999999999999", "2026-02-30T00:00:00Z"):
        assert engine.get(f"/api/audit/totals?at={wrong}").json["details"]["field"] == "at"
        ledgerline("audit", "totals", "--data", engine.data, "--at", wrong, check=2)
    engine.stop()
    assert "CUT_NOT_FINAL" in audit(ledgerline, "totals", "--data", engine.data, "--at", a_moment_later(), check=1)
    assert "CUT_NOT_FOUND" in audit(ledgerline, "totals", "--data", engine.data, "--at", "0:99999", check=1)


# Stories, oldest first, by the command line as by HTTP.
def test_histories(ledgerline, story):
    engine, _ = story
    for words, path in [
        (("account", "kim"), "account/kim"),
        (("reservation", "reservation-3"), "reservation/reservation-3"),
        (("seat", "seoul-1", 2), "seat/seoul-1/2"),
    ]:
        found = audit(ledgerline, "history", *words, "--data", engine.data)
        assert without_at(found) == engine.get(f"/api/audit/history/{path}").json and found["at"]["position"] == f"0:{STEPS - 1}"
    assert len(audit(ledgerline, "history", "account", "kim", "--data", engine.data, "--at", "0:2")["entries"]) == 1
    assert "USER_NOT_FOUND" in audit(ledgerline, "history", "account", "nobody", "--data", engine.data, check=1)
    ledgerline("audit", "history", "seat", "seoul-1", "--data", engine.data, check=2)
    ledgerline("audit", "history", "seat", "seoul-1", "0", "--data", engine.data, check=2)
    ledgerline("audit", "history", "cat", "kim", "--data", engine.data, check=2)


# What makes no sense is usage.
def test_usage(ledgerline, engine):
    sell(engine)
    ledgerline("audit", "state", "account", "kim", check=2)
    ledgerline("audit", "state", "account", "--data", engine.data, check=2)
    ledgerline("audit", "state", "nothing", "--data", engine.data, check=2)
    ledgerline("audit", "state", "popular", "kim", "--data", engine.data, check=2)
    ledgerline("audit", "state", "popular", "--window", "year", "--data", engine.data, check=2)
    assert engine.get("/api/audit/diff?from=0:1").json["details"]["field"] == "to"
    assert engine.get("/api/audit/rankings/popular?limit=0").json["details"]["field"] == "limit"
    assert engine.get("/api/audit/totals?until=latest").code == "VALIDATION_ERROR"
    assert not list(engine.data.glob("cut-*"))


# A long way to a cut goes through a directory and not through memory; a snapshot shortens it. The same is answered, and nothing is
# left behind.
def test_long_way(ledgerline, engines, tmp_path):
    journal = f"local:{tmp_path / 'journal'}"
    ledgerline("bench", "fill", "--journal", journal, "--events", 600000, "--accounts", 1000, check=0)
    cuts = ["0:0", "0:399999", "0:599998", "0:599999"]
    alone = {cut: audit(ledgerline, "totals", "--journal", journal, "--at", cut) for cut in cuts}
    assert "CUT_NOT_FOUND" in audit(ledgerline, "totals", "--journal", journal, "--at", "0:600000", check=1)
    engine = engines(tmp_path / "data", journal).start()
    ledgerline("snapshot", "--data", engine.data, check=0)
    must(engine.post("/api/points/charge", {"userId": "user-0000001", "amount": 1000}), 200)
    for cut in cuts:
        assert must(engine.get(f"/api/audit/totals?at={cut}"), 200) == alone[cut]
    assert [alone[cut]["entries"] for cut in cuts] == [1, 400000, 599999, 600000]
    assert not list(engine.data.glob("cut-*"))


# Many auditors at once, while commands go on: all are answered, and with the same.
def test_many_at_once(story):
    engine, answers = story
    wrong = []

    def ask():
        for number in range(STEPS):
            found = engine.get(f"/api/audit/schedules/seoul-1?at=0:{number}")
            then = answers[number]["schedule seoul-1"]
            if found.status != then.status or (found.status == 200 and without_at(found.json) != then.json):
                wrong.append((number, found.status, found.body))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(20):
        must(engine.post("/api/points/charge", {"userId": "lee", "amount": 1000}), 200)
    for thread in threads:
        thread.join()
    assert wrong == []


def cuts(engine):
    metrics = engine.metrics()
    return [int(metrics[f"ledgerline_audit_cuts_{name}"]) for name in ("opened_total", "found_total", "open")]


# A cut stays open for the next question about the same moment, however it is named, until too many others were asked for; `latest` is
# another one once something has happened. What is asked of an open one is answered as before.
def test_open_cuts(story):
    engine, answers = story
    paths = {what: path for what, (_, path) in READS.items()}
    first = must(engine.get(f"{paths['account kim']}?at=0:5"), 200)
    opened, found, stand = cuts(engine)
    for _ in range(3):
        assert engine.get(f"{paths['account kim']}?at=0:5").json == first
        assert without_at(engine.get(f"{paths['schedule seoul-1']}?at=0:5").json) == answers[5]["schedule seoul-1"].json
    assert engine.get("/api/audit/totals?at=0:5").json["entries"] == 6
    assert cuts(engine) == [opened, found + 7, stand]
    moment = a_moment_later()
    late = must(engine.get(f"{paths['account kim']}?at={moment}"), 200)
    before = cuts(engine)
    earlier = must(engine.get(f"{paths['account kim']}?at={late['at']['time']}"), 200)
    assert earlier == late and must(engine.get(f"{paths['account kim']}?at={moment}"), 200) == late
    assert cuts(engine) == [before[0], before[1] + 2, before[2]]
    now = must(engine.get("/api/audit/accounts/lee?at=latest"), 200)
    before = cuts(engine)
    assert engine.get("/api/audit/accounts/lee").json == now and cuts(engine) == [before[0], before[1] + 1, before[2]]
    must(engine.post("/api/points/charge", {"userId": "lee", "amount": 1000}), 200)
    assert engine.get("/api/audit/accounts/lee").json["balance"] == now["balance"] + 1000
    assert cuts(engine)[0] == before[0] + 1
    must(engine.get("/api/audit/diff?from=0:5&to=0:5"), 200)
    must(engine.get("/api/audit/diff?from=start&to=0:5"), 200)
    for number in range(STEPS):
        engine.get(f"/api/audit/totals?at=0:{number}")
    assert cuts(engine)[2] == 8
    before = cuts(engine)
    assert engine.get(f"{paths['account kim']}?at=0:9").status == 200 and cuts(engine)[0] == before[0]
    assert engine.get(f"{paths['account kim']}?at=0:0").code == "USER_NOT_FOUND" and cuts(engine)[0] == before[0] + 1


# Times in a zone of the asker's: the same moments, with their offset; positions, days and everything else as they were.
def test_time_zones(engine, ledgerline):
    step(engine, 0), step(engine, 1), step(engine, 2)
    plain = audit(ledgerline, "state", "account", "kim", "--data", engine.data)
    seoul = audit(ledgerline, "state", "account", "kim", "--data", engine.data, "--tz", "Asia/Seoul")
    assert seoul["lastUpdated"].endswith("+09:00") and seoul["at"]["time"] == seoul["lastUpdated"]
    moment = datetime.fromisoformat(plain["lastUpdated"].replace("Z", "+00:00"))
    assert datetime.fromisoformat(seoul["lastUpdated"]) == moment
    assert without_at(seoul) | {"lastUpdated": 0} == without_at(plain) | {"lastUpdated": 0}
    shown = ledgerline("audit", "state", "account", "kim", "--data", engine.data, "--tz", "America/St_Johns", check=0).stdout
    assert "-03:30" in shown or "-02:30" in shown
    for command in (("history", "account", "kim"), ("totals",), ("diff", "--from", "start"), ("explain", "0:2")):
        done = ledgerline("audit", *command, "--data", engine.data, "--tz", "Asia/Seoul", "--json")
        assert done.returncode in (0, 1) and "+09:00" in done.stdout and '.000Z"' not in done.stdout
    done = ledgerline("audit", "totals", "--data", engine.data, "--tz", "Mars/Olympus", check=2)
    assert "--tz" in done.stderr and not done.stdout
