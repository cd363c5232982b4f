"""Real input: the purchases of 2,357 customers, 9,268 commands, beside the repository in ../shared/data (its README says whence).

Where that folder is absent these tests say so and are skipped. LEDGERLINE_TEST_DATA names another one.
"""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

DATA = Path(os.environ.get("LEDGERLINE_TEST_DATA") or ROOT.parent / "shared" / "data")
COMMANDS = DATA / "cdnow_sample.jsonl"
BALANCES = DATA / "cdnow_sample.expected.csv"
CLOSING = re.compile(r"^accepted=(\d+) refused=(\d+) repeated=(\d+) rejected=(\d+) position=(\S+)$", re.MULTILINE)

pytestmark = pytest.mark.skipif(not COMMANDS.exists(), reason=f"no real input: {COMMANDS} is not there")


def load(ledgerline, data, *options):
    """(accepted, refused, repeated, rejected, position) of a load that went well."""
    done = ledgerline("load", "--data", data, *options, COMMANDS, check=0)
    found = CLOSING.search(done.stdout)
    assert found, done.stdout
    return (*map(int, found.groups()[:4]), found[5])


def expected():
    with open(BALANCES, newline="") as file:
        return {row["userId"]: int(row["balance"]) for row in csv.DictReader(file)}


def balances(engine, users):
    found = {}
    for user in users:
        reply = engine.get(f"/api/points/balance?userId={user}")
        assert reply.status == 200, reply
        found[user] = reply.json["balance"]
    return found


def digest(ledgerline, data):
    """Of a rebuild from 0 that equals what stood there before."""
    done = ledgerline("rebuild", "--data", data, "--all", "--certify", "--json", check=0)
    return json.loads(done.stdout)["digest"]


def test_balances_end_as_expected(ledgerline, engines, journal_url, tmp_path):
    """Loaded into a fresh ledger, every balance is the expected one; loaded again, nothing changes; rebuilt from the journal alone,
    the state is the same."""
    data = tmp_path / "data"
    wanted = expected()
    assert load(ledgerline, data, "--journal", journal_url) == (9268, 0, 0, 0, "0:9267")
    assert load(ledgerline, data) == (0, 0, 9268, 0, "0:9267")
    engine = engines(data).start()
    assert balances(engine, wanted) == wanted
    assert engine.stop() == 0
    before = digest(ledgerline, data)
    shutil.rmtree(data / "projections")
    engine.start()
    assert balances(engine, wanted) == wanted
    assert engine.stop() == 0
    assert digest(ledgerline, data) == before


def test_through_the_engine_that_serves(ledgerline, engines, journal_url, tmp_path):
    """A directory that an engine serves is loaded through that engine."""
    data = tmp_path / "data"
    wanted = expected()
    engine = engines(data, journal_url).start()
    assert load(ledgerline, data) == (9268, 0, 0, 0, "0:9267")
    assert load(ledgerline, data, "--url", engine.url) == (0, 0, 9268, 0, "0:9267")
    assert balances(engine, wanted) == wanted
    assert engine.stop() == 0
