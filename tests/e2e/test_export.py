"""`ledgerline audit export`: the same bytes for the same cut, from a journal and from a copy of it, as others read them."""

import csv
import hashlib
import io
import json
import os
import subprocess

import duck
import pytest
from samples import must, sell

TEXTS = ["=1+1", "+2", "-3", "@x", "'quoted", 'with "quotes", a comma\nand a line end', "plain"]
FORMATS = [("jsonl",), ("csv",), ("statement", "--user", "kim")]
POINTS = {"charged": "point.charged", "used": "point.used", "refunded": "point.refunded", "expired": "point.expired",
          "adjusted": "point.adjusted"}  # fmt: skip


def export(ledgerline, *arguments, check=0):
    return ledgerline("audit", "export", *arguments, check=check)


def rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def sold(engine):
    """A sale with everything that moves points in it, and texts that a spreadsheet would take for formulas."""
    sell(engine)
    for number, text in enumerate(TEXTS):
        must(engine.post("/api/admin/points/adjust", {"userId": "kim", "amount": 100 + number, "reason": text, "approver": "boss"}), 200)
    must(engine.post("/api/admin/points/adjust", {"userId": "kim", "amount": -50, "reason": "back", "approver": "boss",
                                                  "effectiveAt": "2026-01-31T15:00:00Z"}), 200)  # fmt: skip
    use = must(engine.post("/api/points/use", {"userId": "kim", "amount": 300, "reference": "=cmd()"}), 200)["useId"]
    must(engine.post("/api/points/refund", {"useId": use, "amount": 100}), 200)
    hold = must(engine.post("/api/points/holds", {"userId": "kim", "amount": 500}), 201)["holdId"]
    must(engine.post(f"/api/points/holds/{hold}/capture", {"amount": 200}), 200)
    must(engine.post("/api/admin/users", {"userId": "idle"}), 201)
    return engine


# Twice, from the journal that an engine serves and from an archive of it, to standard output and to a file: the same bytes at every
# cut, and the SHA-256 that is told is theirs.
def test_same_bytes(ledgerline, sold, journal_url, tmp_path):
    archive = f"local:{tmp_path / 'archive'}"
    ledgerline("journal", "copy", journal_url, archive, check=0)
    for words in FORMATS:
        for cut in ("0:9", "latest"):
            arguments = ["--format", *words, "--at", cut]
            done = export(ledgerline, "--journal", journal_url, *arguments)
            files = [tmp_path / name for name in ("once", "twice", "beside", "copied")]
            sources = [("--journal", journal_url), ("--journal", journal_url), ("--data", sold.data), ("--journal", archive)]
            for file, source in zip(files, sources, strict=True):
                told = export(ledgerline, *source, *arguments, "--to", file)
                assert told.stdout == "" and told.stderr == done.stderr
                assert file.read_bytes() == files[0].read_bytes() != b""
            assert done.stdout == files[0].read_text()
            assert done.stderr.endswith(f"sha256={hashlib.sha256(files[0].read_bytes()).hexdigest()}\n")
            assert f"at={cut} " in done.stderr or cut == "latest"
    assert not list(tmp_path.glob("*.part"))


# JSON Lines are what `journal cat` shows; an export from one cut to another is what lies between, and the pieces make the whole.
def test_lines(ledgerline, sold, journal_url):
    whole = export(ledgerline, "--journal", journal_url).stdout
    assert whole == ledgerline("journal", "cat", journal_url, check=0).stdout
    first = export(ledgerline, "--journal", journal_url, "--at", "0:4").stdout
    rest = export(ledgerline, "--journal", journal_url, "--from", "0:4").stdout
    assert first + rest == whole and lines(first)[-1]["position"] == "0:4" and lines(rest)[0]["position"] == "0:5"
    moment = lines(whole)[8]["time"]
    upto = export(ledgerline, "--journal", journal_url, "--at", moment).stdout
    assert lines(upto) == [one for one in lines(whole) if one["time"] <= moment]
    assert export(ledgerline, "--journal", journal_url, "--at", "start").stdout == ""
    [refused] = [one for one in lines(whole) if one["type"] == "refused"]
    assert refused["command"] == "points.use" and refused["code"] == "INSUFFICIENT_POINTS" and refused["facts"]["required"] == 5000


# The table says what the lines say, cell for cell, and no cell begins as a formula does.
def test_table(ledgerline, sold, journal_url, tmp_path):
    told = lines(export(ledgerline, "--journal", journal_url).stdout)
    export(ledgerline, "--journal", journal_url, "--format", "csv", "--to", tmp_path / "out")
    text = (tmp_path / "out").read_bytes().decode()
    table = rows(text)
    assert len(table) == len(told)
    for row, line in zip(table, told, strict=True):
        rest = json.loads(row.pop("rest") or "{}")
        actor = line.pop("actor")
        assert (row.pop("actorType"), row.pop("actorId")) == (actor["type"], actor["id"] or "")
        assert f"0:{row.pop('entry')}" == line.pop("position")
        assert rest == {name: value for name, value in line.items() if name not in row and value is not None}
        for name, cell in row.items():
            said = line.get(name)
            if isinstance(said, str) and said[:1] in "=+-@\t\r'":
                assert cell[0] == "'" and cell[1:] == said
            else:
                assert cell == ("" if said is None else str(said)), name
    assert [row["reason"].removeprefix("'") for row in table if row["reason"]] == [*TEXTS, "back"]
    assert text.count("\r\n") == len(table) + 1


# The statement runs from the balance at one cut to that at the other, posting by posting, as the history has them.
def test_statement(ledgerline, sold, journal_url):
    arguments = ["--journal", journal_url, "--format", "statement", "--user", "kim"]
    history = json.loads(ledgerline("audit", "history", "account", "kim", "--journal", journal_url, "--json", check=0).stdout)
    balance = json.loads(ledgerline("audit", "state", "account", "kim", "--journal", journal_url, "--json", check=0).stdout)["balance"]
    statement = rows(export(ledgerline, *arguments).stdout)
    assert (statement[0]["type"], statement[0]["balance"]) == ("opening", "0")
    assert (statement[-1]["type"], statement[-1]["balance"]) == ("closing", str(balance))
    for row, entry in zip(statement[1:-1], history["entries"], strict=True):
        assert (f"0:{row['entry']}", row["time"], row["type"], row["amount"], row["balance"]) == (
            entry["position"], entry["time"], entry["type"], str(entry["amount"]), str(entry["balanceAfter"]))  # fmt: skip
        assert row["reference"].removeprefix("'") == (entry["reference"] or "")
    [back] = [row for row in statement if row["effectiveAt"]]
    assert back["effectiveAt"] == "2026-01-31T15:00:00.000Z" and back["time"] > back["effectiveAt"] and back["reason"] == "back"
    middle = statement[5]
    later = rows(export(ledgerline, *arguments, "--from", f"0:{middle['entry']}").stdout)
    assert (later[0]["type"], later[0]["balance"]) == ("opening", middle["balance"]) and later[1:] == statement[6:]
    idle = rows(export(ledgerline, *arguments[:-1], "idle").stdout)
    assert [(row["type"], row["balance"]) for row in idle] == [("opening", "0"), ("closing", "0")]
    nobody = export(ledgerline, *arguments[:-1], "nobody", check=1)
    assert nobody.stdout == "" and "USER_NOT_FOUND" in nobody.stderr


# DuckDB reads both, and its sums are the totals.
def test_duckdb(ledgerline, sold, journal_url, tmp_path):
    try:
        duckdb = duck.duckdb()
    except duck.Unavailable as why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no DuckDB ({why}), and CI=true, where that is a failure", pytrace=False)
        pytest.skip(f"no DuckDB: {why}")
    totals = json.loads(ledgerline("audit", "totals", "--journal", journal_url, "--json", check=0).stdout)["points"]
    for words, read in (("csv", "read_csv"), ("jsonl", "read_json")):
        file = tmp_path / f"events.{words}"
        export(ledgerline, "--journal", journal_url, "--format", words, "--to", file)
        sums = dict(duckdb.sql(f"SELECT type, sum(amount)::BIGINT FROM {read}('{file}') GROUP BY type").fetchall())
        for name, kind in POINTS.items():
            assert sums.get(kind, 0) == totals[name], (words, name)
        [[count]] = duckdb.sql(f"SELECT count(*) FROM {read}('{file}') WHERE type = 'refused' AND code = 'INSUFFICIENT_POINTS'").fetchall()
        assert count == 1


# What cannot be answered is said before anything is written: a cut that is not there, an archive that was cut short, damage.
def test_nothing_instead_of_half(ledgerline, sold, journal_url, tmp_path):
    place = tmp_path / "archive"
    ledgerline("journal", "copy", journal_url, f"local:{place}", check=0)
    file = tmp_path / "out"
    for arguments, status, word in [
        (("--at", "0:9999"), 1, "CUT_NOT_FOUND"),
        (("--at", "2090-01-01T00:00:00Z"), 1, "CUT_NOT_FINAL"),
        (("--from", "0:5", "--at", "0:4"), 2, "--from lies after --at"),
        (("--at", "yesterday"), 2, "--at takes"),
        (("--format", "xlsx"), 2, "jsonl, csv or statement"),
        (("--format", "statement"), 2, "--user"),
        (("--user", "kim"), 2, "--format statement"),
        (("--user", "", "--format", "statement"), 2, "1 to"),
    ]:
        done = export(ledgerline, "--journal", f"local:{place}", *arguments, "--to", file, check=status)
        assert word in done.stderr and done.stdout == "", (arguments, done.stderr)
        assert not file.exists()
    export(ledgerline, "--data", tmp_path / "none", check=3)
    export(ledgerline, check=2)
    assert "cannot make" in export(ledgerline, "--journal", f"local:{place}", "--to", tmp_path / "none" / "x", check=3).stderr
    data = place / "data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    done = export(ledgerline, "--journal", f"local:{place}", check=3)
    assert done.stdout == "" and "cut short" in done.stderr


# What is annulled counts in no state, and is in no export; the rest adds up.
def test_annulled(ledgerline, sold, journal_url, binary):
    assert sold.stop() == 0
    before = export(ledgerline, "--journal", journal_url).stdout
    tool = binary.parent / "tests" / "tools" / "poison"
    position = subprocess.run([tool, journal_url, "contradiction"], capture_output=True, text=True, check=True, timeout=120).stdout.strip()
    assert position in export(ledgerline, "--journal", journal_url).stdout
    ledgerline("journal", "annul", journal_url, "--position", position, "--reason", "a bug", "--approver", "kim", check=0)
    after = lines(export(ledgerline, "--journal", journal_url).stdout)
    assert after[:-1] == lines(before) and after[-1]["type"] == "annulled"
