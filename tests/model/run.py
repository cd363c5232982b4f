#!/usr/bin/python3
"""Random commands, sent to the engine and to an independent model of its rules: every answer and every state must be the same.

	run.py [--seed N] [--seeds N] [--length N] [--seconds N] [--jobs N] [--binary PATH] [--journal-on kafka://HOST:PORT]
	run.py --replay FILE

Without --seed seeds are drawn, and named. A sequence that shows a difference is made as short as possible, kept in a file, and
printed; run.py --seed N --length N plays the whole of it again, --replay FILE the short one. Exit status 1: a difference.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
import uuid
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "kafka")]

from differ import Difference, Differ  # noqa: E402
from engine import Engine, run  # noqa: E402
from generate import sequence  # noqa: E402
from invariants import broken  # noqa: E402

BINARY = HERE.parents[1] / "build" / "ledgerline"
FAILED = HERE.parents[1] / "build" / "model"
LENGTH = 4000
SHRINK_SECONDS = 180
KEEP_SHOWN = 40  # steps of a shrunk sequence that are printed


def play(steps, binary, broker=None, laws=True):
    """(differ, difference or None) of a sequence on an engine of its own. `laws`: also what holds of every ledger."""
    directory = Path(tempfile.mkdtemp(prefix="ledgerline-model-"))
    journal = None
    if broker:
        journal = f"{broker}/model-{uuid.uuid4().hex[:12]}"
        run(binary, "journal", "create", journal, check=0)
    engine = Engine(binary, directory / "data", journal)
    try:
        engine.start()
        differ, difference = Differ(engine), None
        try:
            differ.play(steps)
        except Difference as found:
            difference = found
        except Exception as failure:  # the engine gave up, or the model did: as good as a difference
            difference = Difference(differ.step, f"{type(failure).__name__}: {failure}\n{engine.errors()[-3000:]}")
            difference.__cause__ = failure
        if difference is None and laws:
            why = broken(engine, binary)
            if why:
                difference = Difference(len(steps) - 1, why)
                difference.law = True
        return differ, difference
    finally:
        engine.kill()
        shutil.rmtree(directory, ignore_errors=True)


def shrink(steps, difference, binary, broker=None, seconds=SHRINK_SECONDS):
    """The shortest sequence found that still shows a difference, and that difference."""
    deadline = time.monotonic() + seconds
    laws, what = difference.law, difference.what
    steps = ended(steps[: difference.step + 1])
    piece = len(steps) // 2
    while piece >= 1 and time.monotonic() < deadline:
        at, removed = 0, False
        while at < len(steps) and time.monotonic() < deadline:
            fewer = ended(steps[:at] + steps[at + piece :])
            found = play(fewer, binary, broker, laws)[1] if any(step["do"] == "command" for step in fewer) else None
            shorter = ended(fewer[: found.step + 1]) if found and found.what == what else steps
            if len(shorter) < len(steps):
                steps, difference, removed = shorter, found, True
            else:
                at += piece
        piece = piece if removed and piece == 1 else piece // 2
    return steps, difference


def ended(steps):
    return steps if steps and steps[-1]["do"] in ("send", "check") else [*steps, {"do": "send"}]


def report(seed, length, steps, difference):
    FAILED.mkdir(parents=True, exist_ok=True)
    kept = FAILED / f"seed-{seed}.json"
    kept.write_text(json.dumps(steps, indent=1))
    lines = [f"seed {seed}, length {length}: the engine and the model differ. The shortest sequence found:"]
    lines += [f"  {json.dumps(step)}" for step in steps[-KEEP_SHOWN:]]
    lines += [f"  {difference}", f"Again: tests/model/run.py --seed {seed} --length {length}, or --replay {kept}"]
    return "\n".join(lines)


def one_seed(seed, length, binary, broker=None, shrinking=SHRINK_SECONDS, twice=False):
    """(seed, commands compared, how often each outcome came, report of a difference or None)

    `twice`: a difference counts only if a second play shows one too. What the engine does by itself within a second the model
    must guess from what it is shown, and where it guesses wrong is a matter of milliseconds.
    """
    steps = sequence(seed, length)
    differ, difference = play(steps, binary, broker)
    if difference and twice:
        print(f"seed {seed}: a difference, seen once: {difference}", file=sys.stderr)
        differ, difference = play(steps, binary, broker)
    if not difference:
        return seed, differ.compared, differ.outcomes(), None
    short, difference = shrink(steps, difference, binary, broker, shrinking)
    return seed, differ.compared, differ.outcomes(), report(seed, length, short, difference)


def campaign(seeds, length, binary, seconds=None, jobs=1, broker=None, say=print, shrinking=SHRINK_SECONDS, twice=False):
    """Plays seeds until they, or the seconds, are over: (seeds played, commands, outcomes, reports)."""
    deadline = time.monotonic() + seconds if seconds else None
    played, commands, outcomes, reports = 0, 0, {}, []
    with ProcessPoolExecutor(jobs) as pool:
        seeds, running = iter(seeds), set()
        while True:
            while len(running) < jobs and not (deadline and time.monotonic() > deadline) and len(reports) < 3:
                seed = next(seeds, None)
                if seed is None:
                    break
                running.add(pool.submit(one_seed, seed, length, binary, broker, shrinking, twice))
            if not running:
                return played, commands, outcomes, reports
            done = next(as_completed(running))
            running.discard(done)
            seed, compared, codes, failure = done.result()
            played, commands = played + 1, commands + compared
            for code, count in codes.items():
                outcomes[code] = outcomes.get(code, 0) + count
            if failure:
                reports.append(failure)
                say(failure)


def drawn():
    while True:
        yield random.randrange(2**31)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="play this one, and --seeds - 1 after it")
    parser.add_argument("--seeds", type=int, help="how many (default: 1, or until --seconds are over)")
    parser.add_argument("--length", type=int, default=LENGTH, help="commands of a sequence")
    parser.add_argument("--seconds", type=float, help="begin no further seed after so many seconds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--binary", default=str(BINARY))
    parser.add_argument("--journal-on", help="kafka://HOST:PORT; the embedded journal when not given")
    parser.add_argument("--replay", help="a file that a difference left")
    parser.add_argument("--no-shrink", action="store_true")
    asked = parser.parse_args()
    if asked.replay:
        difference = play(json.loads(Path(asked.replay).read_text()), asked.binary, asked.journal_on)[1]
        print(difference or "no difference")
        return 1 if difference else 0
    count = asked.seeds or (None if asked.seconds else 1)
    seeds = drawn() if asked.seed is None else iter(range(asked.seed, asked.seed + (count or 10**9)))
    if count and asked.seed is None:
        seeds = (seed for seed, _ in zip(seeds, range(count)))
    shrinking = 0 if asked.no_shrink else SHRINK_SECONDS
    began = time.monotonic()
    played, commands, outcomes, reports = campaign(
        seeds, asked.length, asked.binary, asked.seconds, asked.jobs, asked.journal_on, shrinking=shrinking
    )
    for name in sorted(outcomes):
        print(f"{outcomes[name]:8} {name}")
    took = time.monotonic() - began
    print(f"{played} seeds, {commands} commands, {len(reports)} with a difference, {took:.0f} s")
    return 1 if reports else 0


if __name__ == "__main__":
    sys.exit(main())
