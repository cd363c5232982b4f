"""`ledgerline import seed`: the events of the service that went before become commands, once, and what cannot is told line by line."""

import json
import re

import pytest


@pytest.fixture
def imports(ledgerline, tmp_path):
    """Imports lines into one ledger: (counts, {line: reason}, exit status)."""

    def run(lines, *options):
        lines = lines if isinstance(lines, str) else "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines)
        where = [] if "--url" in options else ["--data", tmp_path / "data"]
        done = ledgerline("import", "seed", "-", *where, *options, "--json", stdin=lines)
        told = dict(re.findall(r"^ledgerline import seed: line (\d+): (.*)$", done.stderr, re.MULTILINE))
        return json.loads(done.stdout), {int(line): reason for line, reason in told.items()}, done.returncode

    return run


@pytest.fixture
def balance(ledgerline, tmp_path):
    return lambda user: json.loads(ledgerline("query", "--data", tmp_path / "data", "balance", user, "--json", check=0).stdout)["balance"]


def counts(said):
    return tuple(said[name] for name in ("accepted", "refused", "repeated", "rejected"))


POINT_EVENTS = [  # the table of the seed, section 5-3
    {"eventType": "PointCharged", "userId": 1, "amount": "+10000", "time": "09:00"},
    {"eventType": "PointUsed (payment1)", "userId": 1, "amount": -3000, "time": "09:30"},
    {"eventType": "PointUsed (payment2)", "userId": 1, "amount": "-2000", "time": "10:00"},
]
BARE = {"paymentId": "pay_12345", "userId": "user_67890", "reservationId": "res_11111", "seatId": "seat_22222", "amount": 50000}
ENVELOPE = {"eventId": "e-1", "eventType": "payment.completed", "eventTime": "2025-02-28T10:30:00Z",
            "payload": {**BARE, "concertScheduleId": "sch_33333"}}


# The seed's own table gives the balance that the seed says; a second import changes nothing, also from rows of CSV.
def test_point_events(imports, balance, ledgerline, tmp_path):
    said, told, status = imports(POINT_EVENTS)
    assert (counts(said), told, status) == ((3, 0, 0, 0), {}, 0) and balance("1") == 5000
    said, _, status = imports(POINT_EVENTS)
    assert (counts(said), status) == ((0, 0, 3, 0), 0)
    rows = '"eventType",user_id,amount,time,memo\r\n'
    rows += '"PointCharged",1,+10000,09:00,"a, ""b"""\r\n\r\nPointUsed (payment1),1,-3000,09:30,\r\nPointUsed (payment2),1,-2000,10:00,x\r\n'
    said, told, status = imports(rows)
    assert (counts(said), told, status) == ((0, 0, 3, 0), {}, 0) and balance("1") == 5000
    history = json.loads(ledgerline("query", "--data", tmp_path / "data", "history", "1", "--json", check=0).stdout)["entries"]
    assert [(one["amount"], one["reference"]) for one in history] == [(-2000, "payment2"), (-3000, "payment1"), (10000, None)]


# Traps of the seed: a payment is one use whether its bare payload comes, its envelope, its row, or all of them twice; told with another
# amount it is not taken. Two rows that are the same are two events.
def test_once_by_payment_and_twice_by_row(imports, balance):
    charge = {"eventType": "PointCharged", "userId": "user_67890", "amount": 100000, "time": "08:00"}
    row = {"eventType": "PointUsed", "paymentId": "pay_12345", "userId": "user_67890", "amount": -50000}
    dumped = {"topic": "payment.completed", "partition": 0, "offset": 3, "key": "user_67890", "payload": json.dumps(BARE)}
    said, told, status = imports([charge, charge, BARE, ENVELOPE, BARE, row, dumped, {**BARE, "amount": 40000}])
    assert (counts(said), status) == ((3, 0, 4, 1), 1) and balance("user_67890") == 150000
    assert list(told) == [8] and "IDEMPOTENCY_KEY_REUSED" in told[8]
    said, _, _ = imports([charge, charge, charge])
    assert counts(said) == (1, 0, 2, 0) and balance("user_67890") == 250000


# By whichever name an event has, it is the same one again: eventId, a table's key, a place in a topic, an id that ours cannot hold.
@pytest.mark.parametrize("named", [
    {"eventId": "8b1c"}, {"id": 17}, {"event_id": "no id of ours: " + "x" * 80}, {"topic": "point_events", "partition": 2, "offset": 0},
])
def test_names(imports, balance, named):
    event = {"eventType": "PointCharged", "userId": "kim", "amount": 1000}
    assert counts(imports([{**event, **named}, event])[0]) == (2, 0, 0, 0)
    assert counts(imports([{**event, **named, "time": "later"}])[0]) == (0, 0, 1, 0) and balance("kim") == 2000


# Each line that cannot be imported is told with its number and reason, and so is what the rules refuse; all others are imported.
def test_every_reject_is_listed(imports, balance):
    charge = {"eventType": "PointCharged", "userId": "kim", "amount": 5000}
    bad = {
        "hello": "neither JSON, nor a header",
        "{": "not JSON",
        "[1]": "neither an eventType nor a paymentId",
        '{"eventType":"PointCharged"}': "no userId",
        '{"userId":"kim","amount":5000}': "neither an eventType nor a paymentId",
        json.dumps({**charge, "eventType": "reservation.created"}): "eventType reservation.created is not imported",
        json.dumps({**charge, "amount": -5000}): "a charge adds points",
        json.dumps({**charge, "amount": 10.5}): "whole won",
        json.dumps({**charge, "amount": "5,000"}): "whole won",
        json.dumps({**charge, "amount": "9" * 30}): "whole won",
        json.dumps({**charge, "amount": None}): "no amount",
        json.dumps({**charge, "amount": 0}): "amount must be an integer from 1",
        json.dumps({**charge, "userId": "kim lee"}): "userId must be",
        json.dumps({"eventType": "payment.completed", "payload": {"userId": "kim", "amount": 1}}): "a payment without a paymentId",
        json.dumps({"topic": "t", "partition": 0, "offset": 0, "payload": "{"}): "its payload",
        json.dumps({**BARE, "userId": "kim", "paymentId": "x" * 200}): "reference",
    }
    refused = {json.dumps({**charge, "amount": 999}): "refused INVALID_AMOUNT",
               json.dumps({"eventType": "PointUsed", "userId": "kim", "amount": -999999}): "refused INSUFFICIENT_POINTS"}
    lines = [charge, *bad, charge, *refused]
    said, told, status = imports(lines)
    assert (counts(said), status) == ((2, 2, 0, len(bad)), 1) and balance("kim") == 10000
    wanted = {**bad, **refused}
    assert len(told) == len(wanted)
    for number, line in enumerate(lines, 1):
        if isinstance(line, str):
            assert wanted[line] in told[number], (line, told[number])


# Rows under a header: what is wrong with one is told, the others are imported.
def test_bad_rows(imports, balance):
    said, told, status = imports('eventType,userId,amount\nPointCharged,kim\nPointCharged,kim,"2000\nPointCharged,kim,2000\nPointCharged,kim,"2"x\n')
    assert (counts(said), status, sorted(told)) == ((1, 0, 0, 3), 1, [2, 3, 5]) and balance("kim") == 2000
    assert "2 cells under a header of 3" in told[2] and "a quote" in told[3]


# Through an engine that serves, what is refused and rejected is told in the same way.
def test_through_an_engine(imports, engines, tmp_path):
    server = engines(tmp_path / "data").start()
    lines = [*POINT_EVENTS, {"eventType": "PointUsed", "userId": "nobody", "amount": 1}, "hello", *POINT_EVENTS]
    said, told, status = imports(lines, "--url", server.url)
    assert (counts(said), status) == ((4, 1, 2, 1), 1), said  # rows without a name of their own, again in the same input, are further events
    assert "refused INSUFFICIENT_POINTS" in told[4] and "neither JSON" in told[5] and sorted(told) == [4, 5]
    assert counts(imports(lines)[0]) == (0, 0, 7, 1)
    assert server.get("/api/points/balance?userId=1").json["balance"] == 15000


# What is wrong with the command line is one sentence.
def test_bad_options(ledgerline, tmp_path):
    assert "--data or --url is needed" in ledgerline("import", "seed", tmp_path / "x", check=2).stderr
    assert "cannot read" in ledgerline("import", "seed", tmp_path / "x", "--data", tmp_path / "d", check=3).stderr
