"""Many at once: lots that come due together, a full hall that is cancelled, a crowd in the waiting room, rebuilds beside commands, cuts.

The scenes are those of `make bench` (bench/scale), which prove what must hold; here they are played small, with
LEDGERLINE_SCALE=full as large as they are meant, and their figures are shown.
"""

import os
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench" / "scale"))

import cancellation  # noqa: E402
import cuts  # noqa: E402
import cuts_of_sales  # noqa: E402
import expiry  # noqa: E402
import intaking  # noqa: E402
import rebuilding  # noqa: E402
import relaying  # noqa: E402
import waiting_room  # noqa: E402

FULL = os.environ.get("LEDGERLINE_SCALE") == "full"


@pytest.fixture
def tell(capsys, request):
    def print_figures(figures):
        with capsys.disabled():
            print(f"\n{request.node.name}: {figures}")

    return print_figures if FULL else lambda figures: None


SMALL = [pytest.param(2000, 2000, 0.3, id="of many accounts"), pytest.param(3000, 7, 0.0, id="of few accounts")]
LARGE = [
    pytest.param(10_000, 10_000, 0.0, id="ten thousand"),
    pytest.param(100_000, 100_000, 1.0, id="within a second"),
    pytest.param(1_000_000, 1_000_000, 0.0, id="at one midnight"),
    pytest.param(1_000_000, 7, 0.0, id="of few accounts"),
]


@pytest.mark.parametrize("lots, accounts, spread", LARGE if FULL else SMALL)
def test_lots_due_at_once(tmp_path, binary, tell, lots, accounts, spread):
    """Each expires once, none before its time, and commands go on; the points that are left are all that is left."""
    tell(expiry.play(tmp_path, binary, lots, accounts, spread, rate=5000 if FULL else 500, lead=2.0, tail=1.0))


@pytest.mark.parametrize("kill", [0, 1], ids=["undisturbed", "killed in the middle"])
def test_cancelling_a_full_hall(tmp_path, binary, tell, kill):
    """Every reservation ends once and every payment comes back once, in bounded blocks, also when the engine is killed."""
    seats = 50_000 if FULL else 6000
    figures = cancellation.play(tmp_path, binary, seats, seats // 50, rate=5000 if FULL else 500, lead=1.0, tail=1.0, kill=kill)
    tell(figures)
    assert figures["blockBytesMax"] < 900 * 1024


def test_a_crowd_in_the_waiting_room(tmp_path, binary, tell):
    """Activations follow the order of coming, never more are active than there are places, and places are told exactly."""
    tell(waiting_room.play(tmp_path, binary, *((100_000, 5000, 5) if FULL else (3000, 2000, 1))))


def test_rebuilding_beside(tmp_path, binary, tell):
    """No command fails, and each answer is there, while all projections are rebuilt, certified and swapped."""
    tell(rebuilding.play(tmp_path, binary, *((2_000_000, 200_000, 5) if FULL else (20_000, 2000, 2, 500, 0.5, 0.5))))


def test_cuts(tmp_path, binary, tell):
    """At any cut of a long journal an account has what the events up to there say."""
    sizes = (10_000_000, 1_000_000, 500_000, 1000, 100) if FULL else (60_000, 3000, 20_000, 40, 20)
    tell(cuts.play(tmp_path, binary, *sizes))


def test_cuts_of_sales(tmp_path, binary, tell):
    """At any cut balances, seat maps, reservations and rankings are what was answered live at that entry."""
    tell(cuts_of_sales.play(tmp_path, binary, *((2_000_000, 100_000, 1000, 50) if FULL else (30_000, 8000, 60, 5, 2000))))


def test_relaying(tmp_path, binary, tell, kafka, monkeypatch):
    """Every event is on its topic, in order for each key, however often the relay is killed; none is there twice."""
    monkeypatch.setenv("LEDGERLINE_TEST_KAFKA", kafka)
    figures = relaying.play(tmp_path, binary, *((100_000, 50) if FULL else (2000, 4, 50, 0)))
    tell(figures)
    assert figures["doubled"] == 0


def test_intaking(tmp_path, binary, tell, kafka, monkeypatch):
    """Every command of the topic has its reply, with the embedded journal and with one on Kafka."""
    monkeypatch.setenv("LEDGERLINE_TEST_KAFKA", kafka)
    tell(intaking.play(tmp_path, binary, *((200_000,) if FULL else (2000, 50))))
