"""What a mistyped --data does: a ledger among other people's files is refused, and a new one is never made without a word."""

import json
import re

import pytest
from engine import DidNotStart

CHARGE = json.dumps({"id": "c1", "type": "points.charge", "userId": "kim", "amount": 5000}) + "\n"
SEED = json.dumps({"id": 1, "eventType": "PointCharged", "userId": "kim", "amount": 5000}) + "\n"
MAKERS = {"load": (["load"], CHARGE), "import": (["import", "seed"], SEED)}
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(params=MAKERS)
def make(request, ledgerline):
    words, lines = MAKERS[request.param]
    return lambda data, *options, check=0: ledgerline(*words, "--data", data, *options, stdin=lines, check=check)


def others(directory, *names):
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_text("")
    return directory


# Whoever makes data directories refuses one that holds other things and is none, and leaves nothing there, not even a lock.
@pytest.mark.parametrize("options", [[], ["--journal", "local:elsewhere"]])
def test_refuses_other_directories(make, engines, tmp_path, options):
    home = others(tmp_path / "home", "letter", ".profile")
    for said in (make(home, *options, check=3).stderr, refused(engines(home, options=options))):
        assert "is not a data directory" in said and re.search(r"\((letter|\.profile)\)", said) and said.count("\n") == 1
    assert sorted(path.name for path in home.iterdir()) == [".profile", "letter"]


# So do those that write into one beside an engine: the projections and snapshots of a journal that is elsewhere.
@pytest.mark.parametrize("command", ["rebuild", "snapshot"])
def test_no_files_among_others(ledgerline, tmp_path, command):
    ledgerline("load", "--data", tmp_path / "data", stdin=CHARGE, check=0)
    home, journal = others(tmp_path / "home", "letter"), f"local:{tmp_path / 'data' / 'journal'}"
    assert "is not a data directory" in ledgerline(command, "--data", home, "--journal", journal, check=3).stderr
    assert [path.name for path in home.iterdir()] == ["letter"]


def refused(engine):
    with pytest.raises(DidNotStart) as caught:
        engine.start()
    assert caught.value.status == 3
    return caught.value.err


# What is not there or empty becomes a new ledger, and one line says which, and where. The second time nothing is made, and nothing said.
@pytest.mark.parametrize("there", [None, [], ["lock"], ["lost+found"]])
def test_tells_what_it_makes(make, ledgerline, tmp_path, there):
    data = tmp_path / "data"
    if there is not None:
        others(data, *there)
    said = make(data).stderr
    found = re.fullmatch(rf"ledgerline (load|import seed): {data} had no ledger: made a new one, ({UUID}), with its journal at local:{data}/journal\n", said)
    assert found and found[2] == json.loads(ledgerline("status", "--data", data, "--json", check=0).stdout)["ledger"]
    assert make(data).stderr == ""


# journal.url may be deleted, as all but the journal may: the directory is known by its journal, and the same ledger is there.
def test_knows_its_own(make, ledgerline, tmp_path):
    data = tmp_path / "data"
    uuid = re.search(UUID, make(data).stderr)[0]
    (data / "journal.url").unlink()
    others(data, "notes")
    said = make(data).stderr
    assert f"{data} was no data directory: made it one, of the ledger {uuid} with its journal at local:{data}/journal\n" in said


# A directory for a ledger on Kafka is made, and told, too: the ledger is the one that was there.
def test_for_a_ledger_on_kafka(make, ledgerline, kafka_url, tmp_path):
    said = make(tmp_path / "data", "--journal", kafka_url).stderr
    uuid = json.loads(ledgerline("journal", "info", kafka_url, "--json", check=0).stdout)["uuid"]
    assert f"{tmp_path / 'data'} was no data directory: made it one, of the ledger {uuid} with its journal at {kafka_url}" in said


# The engine says it in its log, once.
def test_engine_tells(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    line = f"info data.made made=ledger data={engine.data} journal=local:{engine.data}/journal"
    assert line in engine.errors()
    engine.stop()
    engine.start()
    assert engine.errors().count("data.made") == 1
