"""kill -9 of the engine at random moments under load: every acknowledged command is there, exactly once, as it was answered.

LEDGERLINE_KILLS says how often (8), LEDGERLINE_SEED what is drawn. Some kills come while the engine starts or stops.
"""

import os
import random
import signal
import threading
import time

from crashing import Load
from engine import DidNotStart
from world import strike

KILLS = int(os.environ.get("LEDGERLINE_KILLS", "8"))
SEED = int(os.environ.get("LEDGERLINE_SEED", "0")) or random.randrange(1, 2**31)
MOMENT_MS_MAX = 120


def start_and_kill(engine, delay):
    """Kills it so long after it was started, at the latest when it listens. Was it faster than it could start?"""
    before = engine.process

    def kill():
        while engine.process is before:
            time.sleep(0.0005)
        time.sleep(delay)
        engine.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        engine.start()  # here, as engines live as long as the thread that starts them
        return False
    except DidNotStart as killed:
        assert killed.status == -signal.SIGKILL, killed
        return True
    finally:
        killer.join()
        engine.kill()


# After every kill the engine comes back by itself, and after the last one nothing is lost, doubled or answered otherwise.
def test_kills(engine, ledgerline, capsys):
    chance = random.Random(SEED)
    load = Load(engine, seed=SEED)
    slowest, in_start = 0.0, 0
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, MOMENT_MS_MAX) / 1000)
        load.alive()
        if chance.random() < 0.1:
            engine.process.terminate()  # and then killed while it stops
            time.sleep(chance.uniform(0, 0.01))
        engine.kill()
        if chance.random() < 0.15:
            in_start += start_and_kill(engine, chance.uniform(0, 0.15))
        begin = time.monotonic()
        engine.start()
        slowest = max(slowest, time.monotonic() - begin)
    target = load.answered + 20
    engine.wait_for(lambda: load.alive() or load.answered >= target, "answers after the last kill")
    load.finish()
    report = load.check(ledgerline, sample=3000)
    with capsys.disabled():
        refused = sum(reply.status >= 400 for *_, reply in load.log())
        retries = sum(one.retries for one in load.clients)
        print(
            f"\n{engine.journal.split(':')[0]}: {KILLS} kills ({in_start} more in a start), {load.answered} commands"
            f" answered ({refused} refused), {retries} retries, {report['entries']} entries,"
            f" slowest start {slowest:.2f} s, seed {SEED}"
        )


# After a restart many ask at once for what was answered before it: each gets its own reply again, from blocks that lie far apart.
def test_repeats_after_a_crash(engine, ledgerline):
    load = Load(engine)
    engine.wait_for(lambda: load.alive() or load.answered >= 300, "answers")
    load.finish()
    engine.kill()
    engine.start()
    log = load.log()

    def repeat(seed):
        for key, method, path, body, reply in random.Random(seed).sample(log, 60):
            receipt = engine.get(f"/api/receipts/{key}")
            assert (receipt.status, receipt.json["body"]) == (200, reply.json), key
            again = load.clients[0].until_answered(method, path, body, key)
            assert (again.status, again.body, again.position) == (reply.status, reply.body, reply.position), key

    strike(engine, [lambda seed=seed: repeat(seed) for seed in range(8)])
    assert not set.union(*(one.unavailable for one in load.clients)), "a repeat was turned away"
    load.check(ledgerline)
