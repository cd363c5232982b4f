"""What does not count in a journal, and what cannot be folded: void records and poison as `journal info`, the engine and its metrics tell
them, and `journal annul`, the way out. tests/tools/poison.c writes what no sound engine writes."""

import json
import subprocess

import pytest
from engine import DidNotStart
from samples import sell

WHY = ("--reason", "a bug of 0.0.9", "--approver", "kim")


@pytest.fixture
def poison(binary):
    """poison(url, kind): returns the position of what was written."""

    def write(url, kind):
        tool = binary.parent / "tests" / "tools" / "poison"
        done = subprocess.run([tool, url, kind], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return write


def info(ledgerline, url, check=0):
    return json.loads(ledgerline("journal", "info", "--json", url, check=check).stdout)


# Each kind of record that does not count is told with its offset and reason, and counted by the engine, which goes on.
def test_void_records(engine, journal_url, poison, ledgerline):
    sell(engine)
    assert engine.stop() == 0
    first = info(ledgerline, journal_url)["high"]
    for kind in ("zombie", "claim", "again", "hand", "other"):
        poison(journal_url, kind)
    void = info(ledgerline, journal_url)["void"]
    assert (void["stale"], void["staleClaims"], void["foreign"]) == (3, 1, 2)
    assert [(one["offset"] - first, one["kind"]) for one in void["last"]] == [
        (0, "entries"), (1, "claim"), (2, "entries"), (3, "foreign"), (4, "foreign")]  # fmt: skip
    reasons = [one["reason"] for one in void["last"]]
    assert "deposed" in reasons[0] and "claimed before" in reasons[1] and "appended twice" in reasons[2]
    assert "by hand" in reasons[3] and "another ledger" in reasons[4]
    table = ledgerline("journal", "info", journal_url, check=0).stdout
    assert "REASON" in table and "another ledger" in table
    engine.start()
    metrics = engine.metrics()
    assert metrics['ledgerline_void_blocks_total{reason="stale"}'] == 3
    assert metrics['ledgerline_void_blocks_total{reason="foreign"}'] == 2
    assert engine.status()["journal"]["void"] == {"stale": 3, "foreign": 2}
    assert engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}).status == 200


# Poison stops the engine with the entry's position; no other entry can be annulled; once it is, everything goes on: the engine, a
# rebuild, verification, and the account of whom it concerned as if it had never been.
def test_annul(engine, journal_url, poison, ledgerline):
    sell(engine)
    assert engine.stop() == 0
    refused = ledgerline("journal", "annul", journal_url, "--position", "0:1", *WHY, check=1)
    assert "not poison" in refused.stderr
    high = info(ledgerline, journal_url)["high"]
    position = poison(journal_url, "contradiction")
    with pytest.raises(DidNotStart) as stopped:
        engine.start()
    assert stopped.value.status == 3 and f"position {position}: " in stopped.value.err and "eve" in stopped.value.err

    refused = ledgerline("journal", "annul", journal_url, "--position", "0:1", *WHY, check=1)
    assert position in refused.stderr and info(ledgerline, journal_url)["high"] == high + 2
    done = ledgerline("journal", "annul", "--data", engine.data, "--position", position, *WHY, "--json", check=0)
    told = json.loads(done.stdout)
    assert (told["position"], told["offset"], told["index"], told["next"]) == (position, high + 1, 0, None)
    assert info(ledgerline, journal_url)["annulled"] == [
        {"offset": high + 1, "index": 0, "by": high + 3, "approver": "kim", "reason": "a bug of 0.0.9"}
    ]
    assert "not poison" in ledgerline("journal", "annul", journal_url, "--position", position, *WHY, check=1).stderr

    engine.start()
    assert engine.get("/api/points/balance?userId=eve").status == 404
    assert engine.post("/api/points/charge", {"userId": "eve", "amount": 7000}).status == 200
    assert engine.post("/api/points/use", {"userId": "lee", "amount": 100}, key="after").status == 200
    assert engine.stop() == 0
    ledgerline("verify", "--data", engine.data, check=0)
    ledgerline("rebuild", "--data", engine.data, "--certify", check=0)
    ledgerline("snapshot", "--data", engine.data, check=0)
    engine.start()
    assert engine.get("/api/points/balance?userId=eve").json["balance"] == 7000


# An engine that serves ends when it folds poison, as it would at each start, and says why; after the annulment it is started again.
def test_while_an_engine_serves(kafka_url, engines, poison, ledgerline, tmp_path):
    engine = engines(tmp_path / "data", kafka_url).start()
    sell(engine)
    position = poison(kafka_url, "contradiction")
    assert engine.process.wait(60) == 3
    assert f"position {position}: " in engine.errors()
    ledgerline("journal", "annul", kafka_url, "--position", position, *WHY, check=0)
    engine.start()
    assert engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}).status == 200
    assert engine.stop() == 0
    ledgerline("verify", "--data", engine.data, check=0)


# What the command wants to know, and what it does not take.
def test_bad_arguments(ledgerline, tmp_path):
    url = f"local:{tmp_path / 'journal'}"
    ledgerline("journal", "create", url, check=0)
    for arguments in (WHY, ("--position", "5", *WHY), ("--position", "latest", *WHY), ("--position", "0:1", *WHY[:2]),
                      ("--position", "0:1", "--reason", "", *WHY[2:])):  # fmt: skip
        assert ledgerline("journal", "annul", url, *arguments, check=2).stderr.count("\n") == 1
    assert ledgerline("journal", "annul", "local:/nowhere", "--position", "0:1", *WHY, check=3).stderr
    assert info(ledgerline, url)["high"] == 1
