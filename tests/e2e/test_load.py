"""`ledgerline load`: commands from JSON Lines, into a directory and through the engine that serves it."""

import json
import re

import pytest

CLOSING = re.compile(r"^accepted=(\d+) refused=(\d+) repeated=(\d+) rejected=(\d+) position=(\S+)$", re.MULTILINE)


def charge(key, user="kim", amount=5000):
    return {"id": key, "type": "points.charge", "userId": user, "amount": amount}


def use(key, amount, user="kim"):
    return {"id": key, "type": "points.use", "userId": user, "amount": amount}


def refund(key, use_id="use-99999"):
    return {"id": key, "type": "points.refund", "useId": use_id}


def text(*lines):
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def counts(done):
    found = CLOSING.search(done.stdout)
    assert found, done.stdout + done.stderr
    return (*map(int, found.groups()[:4]), found[5])


@pytest.fixture(params=["alone", "served"])
def load(request, ledgerline, engines, tmp_path):
    """load(text, *options, check=0) into a fresh embedded ledger, by itself or through an engine."""
    data = tmp_path / "data"
    if request.param == "served":
        engines(data).start()

    def run(lines, *options, check=0):
        return ledgerline("load", "--data", data, *options, stdin=lines, check=check)

    return run


def test_counts_and_codes(load):
    """Outcomes are counted, refusals by code; refusals are no failure; a second time all are repeated."""
    lines = text(charge("a"), use("b", 3000), "", use("c", 3000), use("d", 9000))
    done = load(lines)
    assert counts(done) == (2, 2, 0, 0, "0:3")
    assert "refused INSUFFICIENT_POINTS=2" in done.stdout.splitlines()
    assert counts(load(lines)) == (0, 0, 4, 0, "0:3")
    again = json.loads(load(lines + text(charge("e")), "--json").stdout)
    assert (again["accepted"], again["repeated"], again["position"]) == (1, 4, "0:4")


@pytest.mark.parametrize(
    "bad, reason",
    [
        (refund("bad"), "USE_NOT_FOUND"),
        (charge("a", amount=6000), "IDEMPOTENCY_KEY_REUSED"),
        ({"type": "points.charge", "userId": "kim", "amount": 5000}, "no id"),
        ('{"id":"bad","type":', "not JSON"),
        ({**charge("bad"), "amount": "5000"}, "amount"),
        ({**charge("bad"), "colour": 1}, "colour"),
        ({**charge("bad"), "type": "points.steal"}, "type"),
        (["bad"], "object"),
    ],
)
def test_bad_line(load, bad, reason):
    """A bad line is told with its number and reason; nothing behind it is applied, unless --keep-going."""
    lines = text(charge("a"), bad, charge("b"), charge("c"))
    done = load(lines, check=1)
    assert counts(done) == (1, 0, 0, 1, "0:0")
    assert "line 2:" in done.stderr and reason in done.stderr
    done = load(lines, "--keep-going", check=1)
    assert counts(done) == (2, 0, 1, 1, "0:2")
    assert "line 2:" in done.stderr and reason in done.stderr


def test_many_lines_keep_their_order(load):
    """Thousands on their way at a time are decided in the order of the lines: each use finds what the line before it charged."""
    pairs = [line for i in range(3000) for line in (charge(f"c{i}", f"u{i % 7}", 1000), use(f"u{i}", 1000, f"u{i % 7}"))]
    assert counts(load(text(*pairs))) == (6000, 0, 0, 0, "0:5999")


def test_aliases_wait_for_what_they_name(load):
    """A line may name a schedule by its concert and day, made a few lines before."""
    lines = text(
        {"id": "1", "type": "concert.create", "concertId": "jazz", "title": "Jazz"},
        {"id": "2", "type": "schedule.create", "scheduleId": "s1", "concertId": "jazz", "concertDate": "2999-05-01",
         "seats": [{"seatNo": n, "price": 1000} for n in range(1, 10001)]},
        {"id": "3", "type": "reservation.create", "userId": "kim", "concertId": "jazz", "date": "2999-05-01", "seatNumber": 7},
        charge("4"),
    )
    assert counts(load(lines)) == (4, 0, 0, 0, "0:3")


def test_nothing(load):
    """No lines at all are loaded at once."""
    assert counts(load("")) == (0, 0, 0, 0, "start")


def test_long_lines(ledgerline, tmp_path):
    """A line of 8 MiB is read; a longer one is a bad line, and the one behind it is read again."""
    data = tmp_path / "data"
    padded = json.dumps(charge("a")) + " " * ((8 << 20) - 200)
    done = ledgerline("load", "--data", data, "--keep-going", stdin=text(padded, padded + " " * 400, charge("b")), check=1)
    assert counts(done) == (2, 0, 0, 1, "0:1")
    assert "line 2:" in done.stderr


def test_where_to(ledgerline, tmp_path):
    """Without --data and --url, or without such a file or engine, nothing is done, in one sentence."""
    assert ledgerline("load", stdin="", check=2).stderr.count("\n") == 1
    assert "cannot read" in ledgerline("load", "--data", tmp_path / "d", tmp_path / "none", check=3).stderr
    assert ledgerline("load", "--url", "ftp://x", stdin=text(charge("a")), check=2).stderr
    assert ledgerline("load", "--url", "http://127.0.0.1:1", stdin=text(charge("a")), check=3).stderr
    assert not (tmp_path / "d").exists()
