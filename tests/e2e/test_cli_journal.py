"""`ledgerline journal create|info|cat|copy|check`."""

import json
import os

import pytest
from samples import damage, sell


def info(ledgerline, *arguments, check=0):
    return json.loads(ledgerline("journal", "info", "--json", *arguments, check=check).stdout)


def events(ledgerline, *arguments):
    return [json.loads(line) for line in ledgerline("journal", "cat", *arguments, check=0).stdout.splitlines()]


@pytest.fixture
def sold(engine, journal_url):
    """The URL of a journal with a sale in it; its engine was stopped."""
    sell(engine)
    assert engine.stop() == 0
    return journal_url


# A journal is made once, with its genesis and its name; a second time nothing is touched.
def test_create(ledgerline, tmp_path):
    url = f"local:{tmp_path / 'journal'}"
    ledgerline("journal", "create", url, "--name", "tickets", check=0)
    before = info(ledgerline, url)
    assert (before["name"], before["format"], before["low"], before["high"], before["entries"]) == ("tickets", 4, 0, 1, 0)
    assert before["epoch"] == 0 and before["writer"] is None and before["void"] == {"stale": 0, "foreign": 0, "staleClaims": 0, "last": []}
    again = ledgerline("journal", "create", url, check=3)
    assert "already" in again.stderr and not again.stdout
    assert info(ledgerline, url) == before


# A topic is named after its ledger, and its settings are right from the start.
def test_create_topic(ledgerline, kafka_url):
    assert info(ledgerline, kafka_url)["name"] == kafka_url.rsplit("/", 1)[1]
    ledgerline("journal", "create", kafka_url, check=3)
    ledgerline("journal", "check", kafka_url, check=0)


# What is no journal URL is usage; what cannot be reached or is not there is the world: one sentence each, nothing made.
def test_wrong_urls(ledgerline, tmp_path):
    for url in ("nowhere", "kafka://", "file:/tmp/x", "kafka://h:1/"):
        done = ledgerline("journal", "info", url, check=2)
        assert done.stderr.count("\n") == 1 and not done.stdout
    missing = tmp_path / "missing"
    done = ledgerline("journal", "info", f"local:{missing}", check=3)
    assert "journal create" in done.stderr and not missing.exists()
    assert ledgerline("journal", "info", check=2).stderr
    done = ledgerline("journal", "info", "kafka://127.0.0.1:9/x", check=3)
    assert done.stderr.count("\n") == 1


# A directory without rights is one sentence that names it.
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_rights(ledgerline, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = ledgerline("journal", "create", f"local:{closed / 'journal'}", check=3)
    assert str(closed) in done.stderr and done.stderr.count("\n") == 1


# info counts blocks, entries and epochs; blocks and void ones together are all records.
def test_info(ledgerline, sold):
    found = info(ledgerline, sold)
    assert found["entries"] >= 9 and found["epoch"] == 1 and found["low"] == 0
    assert found["blocks"] + found["void"]["stale"] + found["void"]["foreign"] == found["high"]
    assert found["firstTime"] <= found["lastTime"] and len(found["uuid"]) == 36
    people = ledgerline("journal", "info", sold, check=0).stdout
    assert found["uuid"] in people and "entries" in people


# cat prints each event with its position, and a refusal with what decided it, in order.
def test_cat(ledgerline, sold):
    lines = events(ledgerline, sold)
    assert [line["position"] for line in lines] == sorted(
        (line["position"] for line in lines), key=lambda position: int(position.split(":")[1])
    )
    charge = next(line for line in lines if line["type"] == "point.charged")
    assert charge["commandId"] == "charge-kim" and charge["userId"] == "kim" and charge["amount"] == 10000
    assert list(charge)[:8] == ["position", "index", "offset", "time", "type", "version", "commandId", "actor"]
    paid = [line["type"] for line in lines if "payment" in line["type"] or line["type"] == "reservation.confirmed"]
    assert paid == ["payment.completed", "reservation.confirmed"] * 2
    refused = lines[-1]
    assert (refused["type"], refused["command"], refused["code"]) == ("refused", "points.use", "INSUFFICIENT_POINTS")
    assert refused["facts"] == {"balance": 1000, "available": 1000, "required": 5000}
    some = events(ledgerline, sold, "--from", "0:2", "--to", "0:3")
    assert some == [line for line in lines if line["position"] in ("0:2", "0:3")]
    assert ledgerline("journal", "cat", sold, "--from", "two", check=2).stderr


# A copy has the same records at the same offsets, from any kind to a local archive; copying again adds nothing.
def test_copy(ledgerline, sold, tmp_path):
    archive = f"local:{tmp_path / 'archive'}"
    ledgerline("journal", "copy", sold, archive, check=0)
    assert info(ledgerline, archive) == info(ledgerline, sold)
    assert events(ledgerline, archive) == events(ledgerline, sold)
    assert "copied 0 records" in ledgerline("journal", "copy", sold, archive, check=0).stdout


# An archive goes back into a topic that is made for it.
def test_copy_to_kafka(ledgerline, kafka, tmp_path):
    url, topic = f"local:{tmp_path / 'journal'}", f"kafka://{kafka}/copy-{os.getpid()}-{tmp_path.name}"
    ledgerline("bench", "fill", "--journal", url, "--events", 5000, "--accounts", 100, check=0)
    ledgerline("journal", "copy", url, topic, check=0)
    assert info(ledgerline, topic) == info(ledgerline, url)
    ledgerline("journal", "check", topic, check=0)


# A copy that was broken off is completed; one that is of another ledger, or has more, is not touched.
def test_copy_resumes_and_refuses(ledgerline, engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    url, archive, other = (f"local:{tmp_path / name}" for name in ("data/journal", "archive", "other"))
    ledgerline("journal", "copy", url, archive, check=0)
    had = info(ledgerline, archive)["high"]
    sell(engine)
    done = ledgerline("journal", "copy", url, archive, check=0)
    assert f"({had} were there)" in done.stdout
    assert info(ledgerline, archive)["entries"] == info(ledgerline, url)["entries"]
    ledgerline("journal", "create", other, check=0)
    before = info(ledgerline, other)
    done = ledgerline("journal", "copy", url, other, check=1)
    assert "offset 0" in done.stderr and info(ledgerline, other) == before
    assert "only 1" in ledgerline("journal", "copy", other, archive, check=1).stderr
    ledgerline("journal", "copy", url, url, check=2)


# One wrong byte in a record is told with its offset by everything that reads it; what stands before it is shown and copied.
def test_damage(ledgerline, sold, tmp_path):
    archive = tmp_path / "archive"
    ledgerline("journal", "copy", sold, f"local:{archive}", check=0)
    whole = info(ledgerline, sold)
    damage(archive / "data.mdb", b"charge-kim", 3)
    done = ledgerline("journal", "info", "--json", f"local:{archive}", check=1)
    told = json.loads(done.stdout)
    offset = told["damage"]["offset"]
    assert 0 < offset < whole["high"] and f"offset {offset}" in done.stderr and told["uuid"] == whole["uuid"]
    assert f"offset {offset}" in ledgerline("journal", "cat", f"local:{archive}", check=1).stderr
    copy = f"local:{tmp_path / 'copy'}"
    assert f"offset {offset}" in ledgerline("journal", "copy", f"local:{archive}", copy, check=1).stderr
    assert info(ledgerline, copy)["high"] == offset
    assert f"offset {offset}" in ledgerline("verify", "--journal", f"local:{archive}", check=1).stderr


# check names a wrong setting, what it should be, and the command that mends it.
def test_check(ledgerline, kafka_cluster):
    cluster = kafka_cluster()
    url = f"kafka://{cluster.bootstrap}/tickets"
    ledgerline("journal", "create", url, check=0)
    cluster.alter_topic("tickets.journal", {"retention.ms": 60000})
    lines = ledgerline("journal", "check", url, check=1).stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("tickets.journal: retention.ms=60000, should be -1") and "kafka-configs" in lines[0]


# A log whose beginning was deleted is no journal any more, and is told so.
def test_beginning_gone(ledgerline, kafka_cluster, tmp_path):
    cluster = kafka_cluster()
    url, filled = f"kafka://{cluster.bootstrap}/tickets", f"local:{tmp_path / 'journal'}"
    ledgerline("bench", "fill", "--journal", filled, "--events", 2000, "--accounts", 100, check=0)
    ledgerline("journal", "copy", filled, url, check=0)
    cluster.delete_records("tickets.journal", 1)
    done = ledgerline("journal", "info", "--json", url, check=1)
    assert json.loads(done.stdout)["low"] == 1 and "beginning" in done.stderr
