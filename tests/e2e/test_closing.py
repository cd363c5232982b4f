"""Closed periods: written through an engine and without one, listed, and held against the journal ever after."""

import json
import subprocess

from samples import must, sell
from test_audit import a_moment_later

NAMES = {"entries": ("entries",), "charged": ("points", "charged"), "used": ("points", "used"), "balances": ("points", "balances"),
         "seatsTotal": ("seats", "total"), "seatsReserved": ("seats", "reserved"), "reservationsConfirmed": ("reservations", "CONFIRMED")}  # fmt: skip


def close(ledgerline, where, name, *cut, check=0):
    done = ledgerline("audit", "close", *where, "--name", name, "--approver", "Kim & Söhne", *cut, "--json", check=check)
    return json.loads(done.stdout) if check == 0 else done.stderr


def closes(ledgerline, where, *options, check=0):
    return json.loads(ledgerline("audit", "closes", *where, "--json", *options, check=check).stdout)["periods"]


def totals(ledgerline, where, cut):
    return json.loads(ledgerline("audit", "totals", *where, "--at", cut, "--json", check=0).stdout)


def same(period, told):
    for name, (*outer, last) in NAMES.items():
        found = told[outer[0]][last] if outer else told[last]
        assert period[name] == found, name
    assert period["stateDigest"] == told["digest"] and period["position"] == told["at"]["position"]


# Through the engine that serves the directory: at a position, at a time that is just over, at the latest entry. Each says what the totals
# were there; verify and closes hold all of them against the journal, also from an archive, and the engine leads on.
def test_through_an_engine(ledgerline, engine, journal_url, tmp_path):
    sell(engine)
    data = ("--data", engine.data)
    first = close(ledgerline, data, "2026-01", "--at", "0:4")
    assert (first["name"], first["approver"], first["position"]) == ("2026-01", "Kim & Söhne", "0:4")
    same(first, totals(ledgerline, data, "0:4"))
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 200)
    moment = a_moment_later()
    second = close(ledgerline, data, "2026-02", "--until", moment)
    same(second, totals(ledgerline, data, moment))
    third = close(ledgerline, ("--url", engine.url), "2026-03", "--at", "latest")
    begin = close(ledgerline, data, "before", "--at", "start")
    assert begin["position"] == "start" and begin["entries"] == 0
    assert closes(ledgerline, data) == [first, second, third, begin]
    assert engine.status()["journal"]["void"] == {"stale": 0, "foreign": 0} and engine.status()["leader"]["epoch"] == 1
    archive = f"local:{tmp_path / 'archive'}"
    ledgerline("journal", "copy", journal_url, archive, check=0)
    checked = closes(ledgerline, ("--journal", archive), "--check")
    assert [one.pop("differs") for one in checked] == [None] * 4 and checked == [first, second, third, begin]
    line = json.loads(ledgerline("journal", "cat", archive, "--from", first["closedBy"], "--to", first["closedBy"], check=0).stdout)
    assert line["type"] == "period.closed" and line["actor"]["type"] == "admin" and line["lastSeq"] == 4 and line["balances"] == first["balances"]
    assert engine.stop() == 0
    assert "periods      4 closed, each as it was closed" in ledgerline("verify", *data, check=0).stdout
    assert json.loads(ledgerline("verify", "--journal", archive, "--json", check=0).stdout)["periods"] == 4


# Without an engine the journal is taken over for the one entry; an engine that starts afterwards goes on.
def test_alone(ledgerline, engine, journal_url):
    sell(engine)
    assert engine.stop() == 0
    where = ("--journal", journal_url)
    period = close(ledgerline, where, "2026-01", "--at", "latest")
    same(period, totals(ledgerline, where, period["position"]))
    later = close(ledgerline, ("--data", engine.data), "2026-02", "--at", period["position"])
    assert later["stateDigest"] == period["stateDigest"] and closes(ledgerline, where) == [period, later]
    engine.start()
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 200)
    assert engine.stop() == 0
    ledgerline("verify", "--data", engine.data, check=0)


# A follower sends it on to the leader.
def test_through_a_follower(ledgerline, engines, kafka_url, tmp_path):
    leader = engines(tmp_path / "a", kafka_url).start()
    sell(leader)
    follower = engines(tmp_path / "b", kafka_url).start("--follow")
    period = close(ledgerline, ("--url", follower.url), "2026-01", "--at", "0:3")
    same(period, totals(ledgerline, ("--journal", kafka_url), "0:3"))
    assert closes(ledgerline, ("--journal", kafka_url)) == [period]


# A period that is not what the journal says is told: which, and both values.
def test_false_one(ledgerline, engine, journal_url, binary):
    sell(engine)
    close(ledgerline, ("--data", engine.data), "true", "--at", "latest")
    assert engine.stop() == 0
    tool = binary.parent / "tests" / "tools" / "poison"
    subprocess.run([tool, journal_url, "closing"], capture_output=True, check=True, timeout=120)
    where = ("--journal", journal_url)
    digest = totals(ledgerline, where, "0:8")["digest"]
    told = closes(ledgerline, where, "--check", check=1)
    assert told[0]["differs"] is None and told[1]["name"] == "false"
    assert f"stateDigest was closed as {'0' * 64} and is " in told[1]["differs"].replace('"', "")
    assert "entries was closed as 7 and is 10" in told[1]["differs"] and "true" not in told[1]["differs"]
    for arguments in (("--data", engine.data), where):
        done = ledgerline("verify", *arguments, check=1)
        assert "period false, closed by 0:10: " in done.stdout and "entries was closed as 7 and is 10" in done.stdout
    report = json.loads(ledgerline("verify", *where, "--json", check=1).stdout)
    assert report["verified"] is False and "period false" in report["periodsThatDiffer"] and digest in report["periodsThatDiffer"]


# What cannot be closed is not: cuts that are not there or not final, and what makes no sense.
def test_refused(ledgerline, engine):
    sell(engine)
    data = ("--data", engine.data)
    assert "CUT_NOT_FOUND" in close(ledgerline, data, "p", "--at", "0:999", check=1)
    assert "CUT_NOT_FINAL" in close(ledgerline, data, "p", "--until", "2090-01-01T00:00:00Z", check=1)
    for cut in ((), ("--at", "0:1", "--until", "2026-01-01T00:00:00Z"), ("--at", "noon"), ("--until", "0:1"), ("--until", "latest")):
        close(ledgerline, data, "p", *cut, check=2)
    close(ledgerline, data, "a b", "--at", "latest", check=2)
    ledgerline("audit", "close", *data, "--name", "p", "--approver", "", "--at", "latest", check=2)
    ledgerline("audit", "close", "--name", "p", "--approver", "x", "--at", "latest", check=2)
    ledgerline("audit", "closes", check=2)
    for query in ("", "?name=p&at=latest", "?name=p&approver=x", "?name=&approver=x&at=latest", "?name=p&approver=x&at=noon",
                  "?name=p&approver=x&at=latest&more=1", f"?name=p&approver={'x' * 513}&at=latest"):  # fmt: skip
        assert engine.post(f"/api/admin/periods{query}").code == "VALIDATION_ERROR", query
    assert closes(ledgerline, data) == []
    engine.stop()
    assert "CUT_NOT_FINAL" in close(ledgerline, data, "p", "--until", a_moment_later(), check=1)
