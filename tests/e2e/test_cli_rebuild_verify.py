"""`ledgerline rebuild` and `ledgerline verify`."""

import json
import shutil

import pytest
from samples import damage, flushed, sell

NAMES = ["balances", "seats", "queue", "receipts", "rankings", "history"]


def verify(ledgerline, *arguments, check=0):
    return json.loads(ledgerline("verify", "--json", *arguments, check=check).stdout)


def rebuild(ledgerline, *arguments, check=0):
    return json.loads(ledgerline("rebuild", "--json", *arguments, check=check).stdout)


def generations(data, name="balances"):
    return sorted(path.name for path in (data / "projections" / name).glob("gen-*"))


@pytest.fixture
def data(engines, tmp_path):
    """A data directory with a sale in it, on the embedded journal, and nothing running."""
    engine = engines(tmp_path / "data").start()
    sell(engine)
    assert engine.stop() == 0
    return engine.data


# verify finds nothing wrong beside a serving engine and after its end, and gives one digest.
def test_verify(ledgerline, engine):
    sell(engine)
    flushed(engine, ledgerline)
    beside = verify(ledgerline, "--data", engine.data)
    assert beside["verified"] and beside["differences"] == 0 and beside["first"] == []
    assert beside["position"] == engine.status()["position"] and len(beside["digest"]) == 64
    assert engine.stop() == 0
    after = verify(ledgerline, "--data", engine.data)
    assert after["digest"] == beside["digest"] and after["rows"] == beside["rows"]
    assert beside["digest"] in ledgerline("verify", "--data", engine.data, check=0).stdout
    assert not list(engine.data.glob("verify.*"))


# Rebuilt, or deleted and built by the next engine: the same state; from an archive of the journal too.
def test_same_digest(ledgerline, engine, journal_url, engines, tmp_path):
    sell(engine)
    assert engine.stop() == 0
    digest = verify(ledgerline, "--data", engine.data)["digest"]
    done = rebuild(ledgerline, "--data", engine.data, "--all", "--certify")
    assert done["certified"] and done["digest"] == digest
    assert [one["projection"] for one in done["projections"]] == NAMES
    assert verify(ledgerline, "--data", engine.data)["digest"] == digest
    shutil.rmtree(engine.data / "projections")
    missing = ledgerline("verify", "--data", engine.data, check=0).stdout
    assert "6 are not there" in missing
    rebuild(ledgerline, "--data", engine.data)
    assert verify(ledgerline, "--data", engine.data)["digest"] == digest
    archive, fresh = f"local:{tmp_path / 'archive'}", tmp_path / "fresh"
    ledgerline("journal", "copy", journal_url, archive, check=0)
    engines(fresh, archive).start("--follow").stop()
    assert verify(ledgerline, "--data", fresh)["digest"] == digest


# After kill -9 projections may stand at different entries: each is compared at its own.
def test_verify_after_a_crash(ledgerline, engine):
    sell(engine)
    engine.kill()
    assert verify(ledgerline, "--data", engine.data)["verified"]
    engine.start()
    flushed(engine, ledgerline)
    assert verify(ledgerline, "--data", engine.data)["verified"]


# A wrong byte in a row is told with projection, table, key, and both values; a rebuild mends it.
def test_wrong_row(ledgerline, data):
    damage(data / "projections" / "seats" / "current" / "data.mdb", b"VIP", 1)
    found = verify(ledgerline, "--data", data, check=1)
    assert not found["verified"] and found["differences"] == 2
    first = found["first"][0]
    assert (first["projection"], first["table"]) == ("seats", "seats")
    assert first["key"] == {"scheduleId": "seoul-1", "seatNo": 1}
    assert (first["projected"]["grade"], first["replayed"]["grade"]) == ("VHP", "VIP")
    words = ledgerline("verify", "--data", data, check=1).stdout
    assert "projection seats, table seats" in words and "VHP" in words and "2 rows differ" in words
    before = generations(data, "seats")
    refused = ledgerline("rebuild", "--data", data, "--certify", check=1)
    assert "nothing was changed" in refused.stderr and "VHP" in refused.stdout and generations(data, "seats") == before
    rebuild(ledgerline, "--data", data, "seats")
    assert verify(ledgerline, "--data", data)["verified"]


# Files that LMDB cannot read any more end verify with 1 and the projection's name, never with a signal; a rebuild mends them.
@pytest.mark.parametrize("name", NAMES)
def test_wrecked_file(ledgerline, data, name):
    file = data / "projections" / name / "current" / "data.mdb"
    content = file.read_bytes()
    file.write_bytes(content[:8192] + bytes(byte ^ 0xFF for byte in content[8192:]))
    done = ledgerline("verify", "--data", data, check=1)
    assert f"projection {name}" in done.stderr
    rebuild(ledgerline, "--data", data, name)
    assert verify(ledgerline, "--data", data)["verified"]


# One wrong byte in the journal is told with its offset, by verify and by a rebuild, which then changes nothing.
def test_damaged_journal(ledgerline, data):
    damage(data / "journal" / "data.mdb", b"charge-kim", 2)
    assert "offset" in ledgerline("verify", "--data", data, check=1).stderr
    before = generations(data)
    done = ledgerline("rebuild", "--data", data)
    assert done.returncode in (1, 3) and "offset" in done.stderr and generations(data) == before


# Projections of another ledger are told apart from the journal's own, by verify and by an engine, and nothing is changed.
def test_foreign_projections(ledgerline, engines, data, tmp_path):
    other = engines(tmp_path / "other").start()
    sell(other)
    other.stop()
    shutil.rmtree(data / "projections")
    shutil.copytree(other.data / "projections", data / "projections", symlinks=True)
    for guard in (data / "projections").glob("*/*/guard"):
        assert "clean" in guard.read_text()
    done = ledgerline("verify", "--data", data, check=1)
    assert "another" in done.stderr
    served = ledgerline("serve", "--data", data, "--listen", "127.0.0.1:0", check=3)
    assert "another journal" in served.stderr
    rebuild(ledgerline, "--data", data)
    assert verify(ledgerline, "--data", data)["verified"]


# A directory is one engine's: its process is named; a journal that is not the directory's is refused.
def test_in_use(ledgerline, engines, data, tmp_path):
    engine = engines(data).start()
    second = ledgerline("serve", "--data", data, "--listen", "127.0.0.1:0", check=3)
    assert str(engine.pid) in second.stderr
    engine.stop()
    for command in ("rebuild", "verify"):
        wrong = ledgerline(command, "--data", data, "--journal", f"local:{tmp_path / 'elsewhere'}", check=3)
        assert "belongs to the journal" in wrong.stderr


# The generation before stays for one rollback; older ones go.
def test_generations(ledgerline, engines, data):
    assert generations(data) == ["gen-000001"]
    assert "no earlier generation" in ledgerline("rebuild", "--data", data, "--rollback", check=1).stderr
    assert rebuild(ledgerline, "--data", data)["projections"][0] == {
        "projection": "balances", "generation": 2, "replaced": 1, "resumed": False, "inUse": True}  # fmt: skip
    rebuild(ledgerline, "--data", data, "balances", "rankings", "--certify")
    assert generations(data) == ["gen-000002", "gen-000003"] and generations(data, "seats") == ["gen-000001", "gen-000002"]
    ledgerline("rebuild", "--data", data, "--rollback", check=0)
    assert generations(data) == ["gen-000002"] and generations(data, "seats") == ["gen-000001"]
    assert verify(ledgerline, "--data", data)["verified"]
    engine = engines(data).start()
    assert engine.get("/api/points/balance?userId=kim").json["balance"] == 7000


# What makes no sense is usage, and what is not there yet says so.
def test_usage(ledgerline, data):
    ledgerline("rebuild", check=2)
    ledgerline("rebuild", "--data", data, "nothing", check=2)
    ledgerline("rebuild", "--data", data, "seats", "--all", check=2)
    ledgerline("rebuild", "--data", data, "--rollback", "--certify", check=2)
    ledgerline("rebuild", "--data", data, "--cancel", "--rate", 5, check=2)
    ledgerline("rebuild", "--data", data, "--cancel", "--rollback", check=2)
    ledgerline("rebuild", "--data", data, "--rate", 0, check=2)
    ledgerline("verify", check=2)
    assert "no snapshot" in ledgerline("rebuild", "--data", data, "--from-snapshot", check=3).stderr
    assert generations(data) == ["gen-000001"]


# A larger journal, of a measurement: replayed, certified, equal.
def test_many(ledgerline, engines, tmp_path):
    journal = f"local:{tmp_path / 'journal'}"
    ledgerline("bench", "fill", "--journal", journal, "--events", 200000, "--accounts", 20000, "--shape", "zipf", check=0)
    engine = engines(tmp_path / "data", journal).start()
    sell(engine)
    assert engine.stop() == 0
    done = rebuild(ledgerline, "--data", engine.data, "--certify")
    found = verify(ledgerline, "--data", engine.data)
    assert found["verified"] and found["digest"] == done["digest"] and found["entries"] > 200000
