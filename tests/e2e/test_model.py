"""The engine against an independent model of its rules (tests/model): random commands, valid, refused and malformed.

The seeds are named, so that a run of the tests is the same as the one before. LEDGERLINE_MODEL_SECONDS draws fresh ones for so
long instead (make torture does); LEDGERLINE_MODEL_SEEDS names others: 200, or 1000-1199. docs/testing.md says how to play one again.
"""

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))

from run import campaign, drawn, one_seed  # noqa: E402

SECONDS = float(os.environ.get("LEDGERLINE_MODEL_SECONDS") or 0)
SEEDS = os.environ.get("LEDGERLINE_MODEL_SEEDS")
NAMED = range(1, 17)
NAMED_SECONDS = 35  # no further one is begun after so long: a slow machine plays fewer of them
NAMED_ON_KAFKA = 17
LENGTH = 3000
JOBS = 4  # they wait more than they work


def asked():
    """(seeds, seconds or None)"""
    if SEEDS:
        first, _, last = SEEDS.rpartition("-")
        return range(int(first or 1), int(last) + 1), None
    return (drawn(), SECONDS) if SECONDS else (NAMED, NAMED_SECONDS)


# Every answer, every state that can be read, and every law that holds of all ledgers is what the rules say.
def test_against_the_model(binary, capsys):
    seeds, seconds = asked()
    played, commands, outcomes, reports = campaign(
        seeds, LENGTH, str(binary), seconds, JOBS, say=lambda report: None, twice=not SECONDS
    )
    assert not reports, "\n\n".join(reports)
    assert played and commands > played * LENGTH / 2
    with capsys.disabled():
        print(f"\nmodel: {commands} commands over {played} seeds, {len(outcomes)} kinds of outcomes, no difference")


# The rules are the same on Kafka.
def test_against_the_model_on_kafka(binary, kafka):
    seed = random.randrange(2**31) if SECONDS else NAMED_ON_KAFKA
    report = one_seed(seed, 1000, str(binary), f"kafka://{kafka}", twice=not SECONDS)[3]
    assert not report, report
