"""`ledgerline snapshot`, and rebuilds that begin at one."""

import json
import shutil

from samples import damage, flushed, sell

NAMES = ["balances", "seats", "queue", "receipts", "rankings", "history"]


def snapshot(ledgerline, data, *arguments, check=0):
    return json.loads(ledgerline("snapshot", "--data", data, "--json", *arguments, check=check).stdout)


def digest(ledgerline, data):
    report = json.loads(ledgerline("verify", "--json", "--data", data, check=0).stdout)
    assert report["verified"]
    return report["digest"]


def tree(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.name != "rebuild.lock")


# Taken beside a serving engine, of its last entry; a second one of the same entry is the first one.
def test_taken_beside_an_engine(engine, ledgerline):
    sell(engine)
    flushed(engine, ledgerline)
    taken = snapshot(ledgerline, engine.data)
    manifest = taken["manifest"]
    assert taken["taken"] and manifest["position"] == engine.status()["position"]
    assert manifest["digest"] == digest(ledgerline, engine.data)
    assert [one["projection"] for one in manifest["projections"]] == NAMES
    assert manifest["ledger"] == engine.status()["ledger"]
    again = snapshot(ledgerline, engine.data)
    assert not again["taken"] and again["manifest"] == manifest and again["path"] == taken["path"]
    assert [path.name for path in (engine.data / "snapshots").iterdir()] == [f"{manifest['entries']:012}"]
    assert engine.post("/api/points/charge", {"userId": "later", "amount": 1000}).status == 200


# What lies in memory only, not yet flushed, is in it all the same: the copies are folded on to the journal's end.
def test_holds_what_is_not_flushed(engine, ledgerline):
    sell(engine)
    flushed(engine, ledgerline)
    for number in range(20):
        engine.post("/api/points/charge", {"userId": f"u{number}", "amount": 1000})
    taken = snapshot(ledgerline, engine.data)
    assert taken["manifest"]["position"] == engine.status()["position"]


# A rebuild from a snapshot is the state of a rebuild from 0, also when the journal has gone on since, and the projections are gone.
def test_rebuild_from_it(engine, ledgerline):
    sell(engine)
    flushed(engine, ledgerline)
    snapshot(ledgerline, engine.data)
    engine.post("/api/points/charge", {"userId": "later", "amount": 5000})
    assert engine.stop() == 0
    live = digest(ledgerline, engine.data)
    ledgerline("rebuild", "--data", engine.data, "--from-snapshot", "--certify", check=0)
    assert digest(ledgerline, engine.data) == live
    shutil.rmtree(engine.data / "projections")
    ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=0)
    assert digest(ledgerline, engine.data) == live
    ledgerline("rebuild", "--data", engine.data, "--certify", check=0)
    assert engine.start().stop() == 0


# --to keeps it elsewhere; words for people name the position.
def test_elsewhere(engine, ledgerline, tmp_path):
    sell(engine)
    assert engine.stop() == 0
    words = ledgerline("snapshot", "--data", engine.data, "--to", tmp_path / "kept", check=0).stdout
    assert str(tmp_path / "kept") in words and "0:" in words
    assert not (engine.data / "snapshots").exists()


# A snapshot whose rows are not those of its manifest is refused by name, and nothing changes.
def test_damaged(engine, ledgerline):
    sell(engine)
    assert engine.stop() == 0
    taken = snapshot(ledgerline, engine.data)
    live = digest(ledgerline, engine.data)
    manifest = engine.data / "snapshots" / f"{taken['manifest']['entries']:012}" / "manifest.json"
    whole = json.loads(manifest.read_text())

    def refused(word, change):
        other = json.loads(json.dumps(whole))
        change(other)
        manifest.write_text(json.dumps(other))
        before = tree(engine.data / "projections")
        complaint = ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=3).stderr
        assert word in complaint, complaint
        assert tree(engine.data / "projections") == before

    refused("balances hash to", lambda it: it["projections"][0].update(hash="00" * 32))
    refused("no projection history", lambda it: it["projections"].pop())
    refused("newer version", lambda it: it.update(format=2))
    refused("digest is missing", lambda it: it.pop("digest"))
    refused("not a count", lambda it: it.update(entries=1.5))
    manifest.write_text("{")
    assert "manifest.json" in ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=3).stderr
    manifest.unlink()
    assert "not a whole snapshot" in ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=3).stderr
    assert digest(ledgerline, engine.data) == live


# Bytes that went bad in the copy of a projection are found out, too.
def test_flipped(engine, ledgerline):
    sell(engine)
    assert engine.stop() == 0
    taken = snapshot(ledgerline, engine.data)
    damage(engine.data / "snapshots" / f"{taken['manifest']['entries']:012}" / "balances" / "data.mdb", b"kim")
    before = tree(engine.data / "projections")
    ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=3)
    assert tree(engine.data / "projections") == before


# A snapshot of another ledger is not folded on from.
def test_of_another_ledger(engine, engines, ledgerline, tmp_path):
    sell(engine)
    assert engine.stop() == 0
    other = engines(tmp_path / "other").start()
    sell(other)
    assert other.stop() == 0
    snapshot(ledgerline, other.data, "--to", engine.data / "snapshots")
    complaint = ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=3).stderr
    assert "another" in complaint, complaint
    assert json.loads(ledgerline("verify", "--json", "--data", engine.data, check=0).stdout)["verified"]


# Without projections there is nothing to copy; without a snapshot nothing to begin at.
def test_nothing_there(engine, ledgerline):
    sell(engine)
    assert engine.stop() == 0
    assert "no snapshot" in ledgerline("rebuild", "--data", engine.data, "--from-snapshot", check=3).stderr
    shutil.rmtree(engine.data / "projections")
    assert "has no projection balances" in ledgerline("snapshot", "--data", engine.data, check=3).stderr


# Of the past, in one fold: each is what the journal alone says of that entry, with or without projections beside, an engine or none.
def test_of_the_past(engine, ledgerline, tmp_path):
    sell(engine)
    for number in range(20):
        engine.post("/api/points/charge", {"userId": f"u{number}", "amount": 1000})
    url = engine.journal or f"local:{engine.data}/journal"
    done = ledgerline("snapshot", "--data", engine.data, "--to", tmp_path / "past", "--every", "7", "--json", check=0)
    taken = [json.loads(line) for line in done.stdout.splitlines()]
    entries = [one["manifest"]["entries"] for one in taken]
    assert entries == sorted(entries) and len(entries) >= 3 and entries[0] >= 7
    for one in taken:
        at = one["manifest"]["position"]
        totals = json.loads(ledgerline("audit", "totals", "--journal", url, "--at", at, "--json", check=0).stdout)
        assert one["taken"] and one["manifest"]["digest"] == totals["digest"]
    assert engine.stop() == 0
    shutil.rmtree(engine.data / "projections")
    again = ledgerline("snapshot", "--data", engine.data, "--to", tmp_path / "past", "--every", "7", "--json", check=0)
    assert [json.loads(line)["taken"] for line in again.stdout.splitlines()] == [False] * len(taken)
    assert sorted(path.name for path in (tmp_path / "past").iterdir()) == [f"{count:012}" for count in entries]
    assert "--every" in ledgerline("snapshot", "--data", engine.data, "--every", "0", check=2).stderr
    # A cut that begins at one of them is the same as one that begins at nothing.
    ledgerline("snapshot", "--data", engine.data, "--every", "7", check=0)
    for at in (entries[0], entries[1] - 1, entries[1], entries[-1]):
        answers = [ledgerline("audit", "totals", *place, "--at", f"0:{at}", "--json", check=0).stdout
                   for place in (("--journal", url), ("--data", engine.data))]  # fmt: skip
        assert answers[0] == answers[1]
