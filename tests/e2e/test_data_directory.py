"""What a mistyped --data does: a new ledger is never made without a word."""

import json
import re

import pytest

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


# Among other things one is made all the same (keys and logs may lie there), and one of them is named: a mistyped name is seen.
def test_tells_what_lies_beside(make, engines, tmp_path):
    home = others(tmp_path / "home", "letter")
    assert make(home).stderr.endswith(f"with its journal at local:{home}/journal, among other things: letter\n")
    home = others(tmp_path / "another", "letter")
    engine = engines(home).start()
    assert f"warn data.made made=ledger data={home} journal=local:{home}/journal among=letter" in engine.errors()


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
    assert "among" not in said
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
