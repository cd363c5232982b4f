"""The engine against an independent model of its rules (tests/model): random commands, valid, refused and malformed.

LEDGERLINE_MODEL_SECONDS says for how long seeds are drawn (45). LEDGERLINE_MODEL_SEEDS names them instead: 200, or 1000-1199.
"""

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))

from run import campaign, drawn, one_seed  # noqa: E402

SECONDS = float(os.environ.get("LEDGERLINE_MODEL_SECONDS") or 45)
SEEDS = os.environ.get("LEDGERLINE_MODEL_SEEDS")
LENGTH = 4000
JOBS = 2


def asked():
    """(seeds, seconds or None)"""
    if not SEEDS:
        return drawn(), SECONDS
    first, _, last = SEEDS.rpartition("-")
    return (range(int(first), int(last) + 1) if first else range(1, int(last) + 1)), None


# Every answer, and every state that can be read, is what the rules say.
def test_against_the_model(binary, capsys):
    seeds, seconds = asked()
    played, commands, outcomes, reports = campaign(seeds, LENGTH, str(binary), seconds, JOBS, say=lambda report: None)
    assert not reports, "\n\n".join(reports)
    assert played and commands > played * LENGTH / 2
    with capsys.disabled():
        print(f"\nmodel: {commands} commands over {played} seeds, {len(outcomes)} kinds of outcomes, no difference")


# The rules are the same on Kafka.
def test_against_the_model_on_kafka(binary, kafka):
    seed = random.randrange(2**31)
    report = one_seed(seed, 1000, str(binary), f"kafka://{kafka}")[3]
    assert not report, report
