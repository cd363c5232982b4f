"""`ledgerline query` and `ledgerline status`."""

import json
import shutil

import pytest
from samples import damage, flushed, sell


def query(ledgerline, data, *arguments, check=0):
    return json.loads(ledgerline("query", "--data", data, "--json", *arguments, check=check).stdout)


# Every question is answered as the API answers it, with its position, while the engine serves.
def test_questions(ledgerline, engine):
    made = sell(engine)
    flushed(engine, ledgerline)
    asked = {
        ("balance", "kim"): "/api/points/balance?userId=kim",
        ("seats", "seoul-1"): "/api/concerts/seats?scheduleId=seoul-1",
        ("reservation", made[1]): f"/api/reservations/{made[1]}",
        ("receipt", "charge-kim"): "/api/receipts/charge-kim",
        ("receipt", "use-lee"): "/api/receipts/use-lee",
        ("rankings", "popular"): "/api/rankings/popular",
        ("rankings", "popular", "--window", "day"): "/api/rankings/popular?window=day",
        ("rankings", "sold-out"): "/api/rankings/sold-out",
        ("rankings", "sold-out", "--from", "first"): "/api/rankings/sold-out?from=first",
        ("history", "kim"): "/api/points/history?userId=kim",
        ("history", "kim", "--limit", 1): "/api/points/history?userId=kim&limit=1",
    }
    for question, path in asked.items():
        answer = query(ledgerline, engine.data, *question)
        reply = engine.get(path)
        assert answer.pop("at")["position"] == reply.position, question
        assert answer == reply.json, question


# Page by page a history says all that a statement of an account needs: where it opened, each movement with the balance after
# it, who made it and why, where it closes; and the lots of the balance say what expires soon.
def test_a_statement(ledgerline, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    soon = "2099-01-01T00:00:00.000Z"
    engine.post("/api/points/charge", {"userId": "kim", "amount": 9000, "source": "bonus", "expiresAt": soon})
    for number in range(5):
        assert engine.post("/api/points/use", {"userId": "kim", "amount": 100, "reference": f"order-{number}"}).status == 200
    adjusted = {"userId": "kim", "amount": -50, "reason": "counted twice", "approver": "lee"}
    assert engine.post("/api/admin/points/adjust", adjusted).status == 200
    assert engine.stop() == 0
    lines, before = [], ()
    while before is not None:
        page = query(ledgerline, engine.data, "history", "kim", "--limit", 2, *before)
        assert len(page["entries"]) <= 2
        lines += page["entries"]
        before = ("--before", page["next"]) if page["next"] else None
    lines.reverse()
    assert [line["amount"] for line in lines] == [9000, -100, -100, -100, -100, -100, -50]
    assert lines[0]["balanceAfter"] - lines[0]["amount"] == 0  # it opened with nothing
    for earlier, later in zip(lines, lines[1:]):
        assert earlier["balanceAfter"] + later["amount"] == later["balanceAfter"]
    assert [line["reference"] for line in lines[1:6]] == [f"order-{number}" for number in range(5)]
    assert (lines[-1]["type"], lines[-1]["reason"]) == ("point.adjusted", "counted twice")
    closing = query(ledgerline, engine.data, "balance", "kim")
    assert closing["balance"] == lines[-1]["balanceAfter"] == 8450
    assert [(lot["expiresAt"], lot["remaining"]) for lot in closing["lots"]] == [(soon, 8450)]
    for wrong in ("7", "start", "0:", "0:x"):
        ledgerline("query", "--data", engine.data, "history", "kim", "--before", wrong, check=2)


# Without an engine the answers are the same; people get tables, with the position.
def test_without_engine(ledgerline, engine):
    sell(engine)
    before = engine.get("/api/points/balance?userId=kim")
    assert engine.stop() == 0
    answer = query(ledgerline, engine.data, "balance", "kim")
    assert answer.pop("at")["position"] == before.position and answer == before.json
    table = ledgerline("query", "--data", engine.data, "seats", "seoul-1", check=0).stdout
    assert "SEAT NO" in table and "RESERVED" in table and before.position in table
    assert "7,000" in ledgerline("query", "--data", engine.data, "balance", "kim", check=0).stdout


# What is not there is exit status 1, what makes no sense 2, each with one sentence and nothing on standard output.
def test_absent_and_wrong(ledgerline, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    engine.stop()
    absent = [("balance", "nobody"), ("seats", "none"), ("reservation", "reservation-99999"), ("reservation", "x"),
              ("receipt", "none"), ("history", "nobody")]  # fmt: skip
    wrong = [("rankings", "best"), ("rankings", "popular", "--window", "year"), ("rankings", "sold-out", "--from", "last"),
             ("rankings", "popular", "--limit", 101), ("balance",), ("weather", "x"), ("balance", "x" * 65)]  # fmt: skip
    for status, questions in ((1, absent), (2, wrong)):
        for question in questions:
            done = ledgerline("query", "--data", engine.data, *question, check=status)
            assert done.stderr.count("\n") == 1 and not done.stdout, question
    ledgerline("query", "balance", "kim", check=2)
    assert "is not a data directory" in ledgerline("query", "--data", tmp_path, "balance", "kim", check=3).stderr
    assert ledgerline("query", "--data", tmp_path / "none", "balance", "kim", check=3).stderr.count("\n") == 1


# A directory without projections, and one whose file is nothing any more, are told; query never dies of them.
def test_projections_gone_or_damaged(ledgerline, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    engine.stop()
    file = engine.data / "projections" / "balances" / "current" / "data.mdb"
    data = bytearray(file.read_bytes())
    file.write_bytes(data[:8192] + bytes(b ^ 0xFF for b in data[8192:]))
    done = ledgerline("query", "--data", engine.data, "balance", "kim")
    assert done.returncode == 3 and str(engine.data) in done.stderr and not done.stdout
    shutil.rmtree(engine.data / "projections")
    assert "rebuild" in ledgerline("query", "--data", engine.data, "balance", "kim", check=3).stderr


# status says the same from the directory, with an engine and without, and from the engine itself.
def test_status(ledgerline, engine, journal_url):
    sell(engine)
    flushed(engine, ledgerline)
    told = json.loads(ledgerline("status", "--url", engine.url, "--json", check=0).stdout)
    found = json.loads(ledgerline("status", "--data", engine.data, "--json", check=0).stdout)
    assert found["engine"] == {"running": True, "pid": engine.pid}
    for name in ("version", "ledger", "data", "position", "entries"):
        assert found[name] == told[name], name
    for name in ("kind", "url", "cluster", "topic"):
        assert found["journal"][name] == told["journal"][name], name
    for name, one in found["projections"].items():
        for member in ("generation", "schemaVersion", "position", "state"):
            assert one[member] == told["projections"][name][member], (name, member)
    assert "PROJECTIONS" in ledgerline("status", "--url", engine.url, check=0).stdout
    assert engine.stop() == 0
    assert ledgerline("status", "--url", engine.url, check=3).stderr.count("\n") == 1
    after = json.loads(ledgerline("status", "--data", engine.data, "--json", check=0).stdout)
    assert after["engine"] == {"running": False, "pid": None} and after["projections"] == found["projections"]


# status tells of projections that are not there, and of a command line that says too much or too little.
def test_status_of_little(ledgerline, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    engine.stop()
    shutil.rmtree(engine.data / "projections" / "seats")
    found = json.loads(ledgerline("status", "--data", engine.data, "--json", check=0).stdout)
    assert found["projections"]["seats"]["state"] == "absent" and found["projections"]["seats"]["generation"] is None
    ledgerline("status", check=2)
    ledgerline("status", "--data", engine.data, "--url", "http://127.0.0.1:1", check=2)
    ledgerline("status", "--url", "ftp://x", check=2)


# A wrong byte that people would not see is seen by verify, while query goes on answering what the file says.
def test_one_byte(ledgerline, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    sell(engine)
    engine.stop()
    damage(engine.data / "projections" / "seats" / "current" / "data.mdb", b"VIP", 1)
    assert query(ledgerline, engine.data, "seats", "seoul-1")["seats"][0]["grade"] == "VHP"
    ledgerline("verify", "--data", engine.data, check=1)


@pytest.mark.parametrize("command", ["query", "status", "verify", "rebuild", "journal create", "journal info",
                                     "journal cat", "journal copy", "journal check"])  # fmt: skip
# --help explains each command and its exit statuses.
def test_help(ledgerline, command):
    text = ledgerline(*command.split(), "--help", check=0).stdout
    assert text.startswith(f"Usage: ledgerline {command}") and "Exit status" in text
