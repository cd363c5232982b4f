"""What `make bench` compares: the same events reach every program, and no time counts for a wrong result. Played tiny."""

import json
import shutil
import subprocess
import sys
import uuid
from hashlib import sha256
from xml.dom import minidom

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench" / "peers"))

import compare  # noqa: E402
import plot  # noqa: E402
import tables  # noqa: E402
import wire  # noqa: E402

EVENTS, ACCOUNTS = 20000, 700


@pytest.fixture
def archive(ledgerline, tmp_path):
    url = f"local:{tmp_path / 'archive'}"
    sizes = ["--events", str(EVENTS), "--accounts", str(ACCOUNTS), "--block", "900", "--shape", "zipf"]
    ledgerline("bench", "fill", "--journal", url, *sizes, check=0)
    return url


@pytest.fixture
def comparison(binary, kafka, tmp_path, monkeypatch):
    monkeypatch.setenv("LEDGERLINE_TEST_KAFKA", kafka)
    place = tmp_path / "place"
    place.mkdir()
    sizes = ["--events", str(EVENTS), "--accounts", str(ACCOUNTS), "--runs", "1"]
    return compare.Comparison(compare.options(["--build", str(binary.parent), "--place", str(place), *sizes]))


@pytest.fixture
def expected(ledgerline, archive):
    """The totals as a person would add them up from the journal's text."""
    balances, charged, used = {}, 0, 0
    for line in ledgerline("journal", "cat", archive, check=0).stdout.splitlines():
        event = json.loads(line)
        change = event["amount"] if event["type"] == "point.charged" else -event["amount"]
        balances[event["userId"]] = balances.get(event["userId"], 0) + change
        charged, used = (charged + change, used) if change > 0 else (charged, used - change)
    text = "".join(f"{account} {balances[account]}\n" for account in sorted(balances))
    return {
        "events": EVENTS,
        "charged": charged,
        "used": used,
        "accounts": len(balances),
        "balances": sum(balances.values()),
        "digest": sha256(text.encode()).hexdigest(),
    }


def test_every_reader_finds_the_journals_totals(comparison, archive, expected, ledgerline, tmp_path):
    """The records that are unrolled, a consumer of them, and the ledger's own fold have the balances of the journal's text."""
    topic, unrolled = comparison.unrolled(archive, f"test-{uuid.uuid4().hex[:8]}")
    consumed = compare.told([comparison.bare, comparison.broker, topic, compare.PARTITIONS])
    comparison.drop(topic)
    ledgerline("bench", "fold", "--journal", archive, "--to", str(tmp_path / "folded"), check=0)
    folded = compare.told([comparison.folded, tmp_path / "folded"])
    assert unrolled == expected
    assert {field: consumed[field] for field in expected} == expected
    assert folded == expected
    assert consumed["seconds"] > 0 and consumed["cpuSeconds"] > 0 and consumed["residentBytesMax"] > 0


def test_the_first_events_alone(comparison, archive):
    """A slow peer is given the first so many events, and totals of just those."""
    topic, unrolled = comparison.unrolled(archive, f"test-{uuid.uuid4().hex[:8]}", 1234)
    consumed = compare.told([comparison.bare, comparison.broker, topic, compare.PARTITIONS])
    ends = [wire.offset(comparison.broker, topic, partition=number) for number in range(compare.PARTITIONS)]
    comparison.drop(topic)
    assert unrolled["events"] == consumed["events"] == sum(ends) == 1234
    assert unrolled["digest"] == consumed["digest"]
    assert min(ends) > 0


def test_one_event_too_many_is_found(comparison, archive):
    """A topic that was written to twice gives no time, but the first total that differs."""
    topic, unrolled = comparison.unrolled(archive, f"test-{uuid.uuid4().hex[:8]}", 500)
    compare.told([comparison.unroll, archive, comparison.broker, topic, 1])
    with pytest.raises(compare.Wrong, match="bare consumer: events is 501, not 500"):
        comparison.consume(topic, unrolled)
    comparison.drop(topic)


def test_a_topic_of_something_else(comparison, archive):
    """A record that is no event ends the consumer with its offset; no topic, with the client's word."""
    name = f"bench-test-{uuid.uuid4().hex[:8]}"
    comparison.topic(name)
    send = ["kcat", "-P", "-b", comparison.broker, "-t", name, "-p", "1", "-k", "user-0000001"]
    subprocess.run(send, input=b"hello", check=True)
    done = subprocess.run([comparison.bare, comparison.broker, name, "2"], capture_output=True, text=True)
    comparison.drop(name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the record at offset 0 is no event" in done.stderr


@pytest.mark.parametrize("stage", compare.STAGES)
def test_stages(ledgerline, archive, tmp_path, stage):
    """Each stage goes through all entries; only the whole has totals, and leaves projections behind."""
    kept = tmp_path / "kept"
    told = ledgerline("bench", "fold", "--journal", archive, "--to", str(kept), "--stage", stage, "--json", check=0)
    result = json.loads(told.stdout)
    assert result["entries"] == EVENTS
    assert result["records"] == 2 + -(-EVENTS // 900)
    assert (result["charged"] > 0) == kept.exists() == (stage == "whole")


def test_an_unknown_stage(ledgerline, archive):
    told = ledgerline("bench", "fold", "--journal", archive, "--stage", "half")
    assert told.returncode == 2
    assert "there is no stage half: read, judge, decode, apply, write or whole" in told.stderr


def test_each_program_runs_and_the_middle_run_counts(comparison, archive, ledgerline):
    """Three rounds of all that take seconds: a figure each, of the right result; without peers the bare consumer is left out."""
    comparison.runs = 3
    shape = f"test-{uuid.uuid4().hex[:8]}"
    journal = comparison.copy(archive, shape)
    topic, unrolled = comparison.unrolled(archive, shape)
    comparison.warm(shape, journal, topic, unrolled)
    comparison.quick_ones(shape, archive, journal, topic, unrolled, True)
    programs = tables.order(comparison.figures)
    comparison.runs = 1
    comparison.quick_ones(shape, archive, journal, topic, unrolled, False)
    comparison.drop(topic, f"{journal.rsplit('/', 1)[1]}.journal")
    assert programs[0] == tables.RATES["ledger"] and set(programs) >= {tables.RATES["all"], tables.RATES["bare"]}
    assert len(programs) == 5 and len(comparison.figures) == 5 + 4
    assert all(one["perSecondMin"] <= one["perSecond"] <= one["perSecondMax"] for one in comparison.figures)
    assert [one["runs"] for one in comparison.figures] == 5 * [3] + 4 * [1]
    assert list(comparison.place.iterdir()) == []


def test_the_middle_run_is_told_with_its_own_cost(comparison):
    """Not the best one, nor a mean that no run had."""
    runs = [(5.0, 1.0, 10), (2.0, 3.0, 20), (4.0, 2.0, 30)]
    names = ("seconds", "cpuSeconds", "residentBytesMax")
    comparison.figure("one", "uniform", [dict(zip(names, run)) for run in runs], 1000)
    told = comparison.figures[0]
    assert (told["perSecondMin"], told["perSecond"], told["perSecondMax"]) == (200, 250, 500)
    assert (told["cpuUsPerEvent"], told["residentBytesMax"], told["runs"]) == (2000.0, 30, 3)


# ---- tables and picture ----


def figure(who, shape, rate, **more):
    return {
        "who": who,
        "shape": shape,
        "events": 1000,
        "perSecond": rate,
        "perSecondMin": rate - 1,
        "perSecondMax": rate + 1,
        "runs": 3,
        "cpuUsPerEvent": 0.5,
        "residentBytesMax": 1 << 20,
        **more,
    }


@pytest.fixture
def result():
    figures = [
        figure(tables.RATES["ledger"], "uniform", 4_000_000),
        figure(tables.RATES["all"], "uniform", 900_000),
        figure(tables.RATES["bare"], "uniform", 3_900_000),
        figure(tables.RATES["at least once"], "uniform", 500_000, runs=1),
        {"who": tables.RATES["exactly once"], "shape": "uniform", "missing": "there is no <javac>"},
    ]
    stages = [{"source": "Kafka", "stage": "read", "perSecond": 9_000_000, "cpuUsPerEvent": 0.1}]
    return {"events": 1000, "accounts": 10, "versions": ["librdkafka 2.0.2"], "figures": figures, "stages": stages}


def test_tables_tell_goals_and_what_is_missing(result):
    page = tables.page(result)
    assert "| Kafka Streams, at least once | 500,000 | 8 | 0.50 | 1 |" in page
    assert "| Kafka Streams, exactly once | not measured: there is no <javac> |  |  |  |" in page
    assert "| at least 3,000,000 events/s | reached: 4,000,000 against 3,000,000 |" in page
    assert "| at least 10 times Kafka Streams, at least once | missed: 4,000,000 against 5,000,000 |" in page
    assert "| at least 20 times Kafka Streams, exactly once | not measured |" in page
    assert "| no slower than the bare consumer | reached: 4,000,000 against 3,900,000 |" in page
    assert "| all projections: at least 1,000,000 events/s | missed: 900,000 against 1,000,000 |" in page


def test_the_picture_is_in_proportion(result):
    bars = [
        float(bar.getAttribute("width"))
        for bar in minidom.parseString(plot.picture(result)).getElementsByTagName("rect")
        if bar.getAttribute("height") == str(plot.BAR)
    ]
    assert len(bars) == 4
    assert bars[3] / bars[0] == pytest.approx(0.125, rel=0.01)
    assert max(bars) == plot.WIDTH - plot.LEFT - plot.RIGHT


def test_without_a_compiler_the_row_says_so(comparison, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    comparison.streams("none", "uniform", "exactly_once_v2", {"events": 1})
    assert comparison.figures == [
        {"who": "Kafka Streams, exactly once", "shape": "uniform", "missing": "there is no javac; `make deps` installs one"}
    ]
