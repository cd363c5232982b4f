"""What earlier versions of the program left is read by this one: its directories and its journals (old_directory.py).

directory-1 was left by the last program of block format 1: seats in layout 1, and version 1 of all events.
"""

import json
import shutil

import pytest
from engine import DidNotStart
from old_directory import DATES, events_of, unpack
from samples import damage

PAID = {"seoul-1": (6000, 2100), "seoul-2": (3000, 3000)}  # ever paid, of that given back


@pytest.fixture
def old(tmp_path):
    """A directory of format 1, and what the program of then answered on it."""
    data = tmp_path / "data"
    return data, unpack(1, data)


def verify(ledgerline, data):
    return json.loads(ledgerline("verify", "--data", data, "--json", check=0).stdout)


def generations(data, name):
    return sorted(path.name for path in (data / "projections" / name).glob("gen-*"))


def as_it_was(answer, then):
    """The answer without the fields that it has gained since."""
    if isinstance(then, dict):
        return {name: as_it_was(answer[name], then[name]) for name in then}
    if isinstance(then, list) and len(then) == len(answer):
        return [as_it_was(*pair) for pair in zip(answer, then)]
    return answer


def assert_same_answers(engine, answers):
    for path, then in answers["reads"].items():
        reply = engine.get(path)
        assert (reply.status, as_it_was(reply.json, then)) == (200, then), path


# At start a projection of an older layout is built anew, the others are taken as they are: every answer is what it was, the
# new fields are right for the past too, and the digest of the state is the same.
def test_older_layout(ledgerline, engines, old):
    data, answers = old
    refused = ledgerline("query", "--data", data, "seats", "seoul-1", check=3)
    assert "schema version 1, this program's is 2" in refused.stderr
    assert ledgerline("query", "--data", data, "balance", "kim", check=0)
    engine = engines(data).start()
    assert "schema version 1, this program's is 2" in engine.errors()
    shown = engine.status()["projections"]
    assert {name: one["generation"] for name, one in shown.items()} == {name: 1 + (name == "seats") for name in shown}
    assert_same_answers(engine, answers)
    for name, (paid, refunded) in PAID.items():
        schedule = engine.get(f"/api/schedules/{name}").json
        assert (schedule["paidAmount"], schedule["refundedAmount"]) == (paid, refunded)
    assert engine.stop() == 0
    assert generations(data, "seats") == ["gen-000001", "gen-000002"] and generations(data, "queue") == ["gen-000001"]
    found = verify(ledgerline, data)
    assert found["verified"] and found["digest"] == answers["digest"] and found["position"] == answers["position"]
    again = engines(data).start()
    assert again.errors().count("schema version 1") == 1  # said once, of the first start


# An older layout's rebuild by hand gives the same; so does a fold of the old journal into an empty directory.
def test_rebuilt(ledgerline, engines, old):
    data, answers = old
    done = json.loads(ledgerline("rebuild", "--data", data, "--json", check=0).stdout)
    assert {one["projection"] for one in done["projections"]} >= {"seats", "balances"}
    assert verify(ledgerline, data)["digest"] == answers["digest"]
    shutil.rmtree(data / "projections")
    assert engines(data).start().stop() == 0
    assert verify(ledgerline, data)["digest"] == answers["digest"]


# A generation of a newer layout is not touched: who made it is to be used.
def test_newer_layout(ledgerline, engines, old):
    data, _ = old
    file = data / "projections" / "queue" / "current" / "data.mdb"
    content = file.read_bytes()
    assert b"schema_version2" in content
    file.write_bytes(content.replace(b"schema_version2", b"schema_version9"))
    before = generations(data, "queue")
    with pytest.raises(DidNotStart) as failed:
        engines(data).start()
    assert failed.value.status == 3
    assert "schema version 9, made by a newer version of this program, which knows 2" in failed.value.err
    assert "made by a newer version" in ledgerline("verify", "--data", data, check=3).stderr
    assert generations(data, "queue") == before


# Events of version 1 are shown as they were, to the byte; what happens from now on is of the newest version, and one journal
# holds both.
def test_older_events(ledgerline, binary, engines, old):
    data, answers = old
    assert events_of(binary, data) == answers["events"]
    engine = engines(data).start()
    repeated = engine.http("PATCH", "/api/admin/schedules/seoul-1", DATES, key="date")
    assert repeated.headers["Idempotency-Hit"] == "true" and repeated.json == answers["reads"]["/api/receipts/date"]["body"]
    engine.http("PATCH", "/api/admin/schedules/seoul-1", {"bookingOpensAt": "2089-01-01T00:00:00Z"})
    engine.post("/api/admin/schedules", {"scheduleId": "seoul-3", "concertId": "seoul", "concertDate": "2090-05-01T00:00:00Z",
                                         "seats": [{"seatNo": 1, "price": 10}]})  # fmt: skip
    engine.post("/api/admin/schedules/seoul-3/seats", {"seats": [{"seatNo": 2, "price": 10}]})
    engine.post("/api/admin/schedules/seoul-3/cancel", {"reason": "rain"})
    engine.wait_for(lambda: engine.get("/api/schedules/seoul-3").json["status"] == "CANCELLED", "the cancellation")
    assert engine.stop() == 0
    lines = [json.loads(line) for line in events_of(binary, data)]
    shown = {(one["type"], one["version"]): one for one in lines if one["type"].startswith("concert.schedule.")}
    for name, seats in (("seats.added", 2), ("updated", 5), ("cancelled", 2)):
        old_one, new_one = shown[f"concert.schedule.{name}", 1], shown[f"concert.schedule.{name}", 2]
        assert "concertId" not in old_one and new_one["concertId"] == "seoul"
        assert new_one["totalSeats"] == seats and new_one["concertDate"] and "bookingOpensAt" in new_one
    assert verify(ledgerline, data)["verified"]
    info = json.loads(ledgerline("journal", "info", f"local:{data}/journal", "--json", check=0).stdout)
    assert info["format"] == 4


# A newer layout is taken back by a rebuild, from a journal whose format is known.
def test_taken_back(ledgerline, old):
    data, answers = old
    file = data / "projections" / "queue" / "current" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"schema_version2", b"schema_version9"))
    ledgerline("rebuild", "--data", data, check=0)
    assert verify(ledgerline, data)["digest"] == answers["digest"]


# With --certify an older layout is held against the new one field by field: equal but for what the new one declares. A row that differs
# in anything else is told with its key, as it was in the old layout and as it is now, and nothing is swapped.
def test_certified(ledgerline, old):
    data, answers = old
    verified = json.loads(ledgerline("verify", "--data", data, "--json", check=0).stdout)
    assert verified["verified"] and verified["digest"] is None
    file = data / "projections" / "seats" / "current" / "data.mdb"
    whole = file.read_bytes()
    damage(file, b"2090-05-01" if b"2090-05-01" in whole else b"VIP", 1)
    refused = ledgerline("rebuild", "--data", data, "--certify", check=1)
    assert "not certified" in refused.stderr and "projection seats, table " in refused.stdout
    assert generations(data, "seats") == ["gen-000001"]
    file.write_bytes(whole)
    done = json.loads(ledgerline("rebuild", "--data", data, "--certify", "--json", check=0).stdout)
    assert done["certified"] and done["differAsDeclared"] == len(PAID) and done["digest"] is None
    assert generations(data, "seats") == ["gen-000001", "gen-000002"]
    again = json.loads(ledgerline("rebuild", "--data", data, "--certify", "--json", check=0).stdout)
    assert "differAsDeclared" not in again and again["digest"] == answers["digest"]
