"""Real runs, under harm, whose journal must explain every reply (history.py). LEDGERLINE_HISTORY_SECONDS says how long each lasts (8)."""

import copy
import os
import random
import time

import pytest
from history import History, Wrong, check, log_of, number
from test_failover import Fleet, settle

SECONDS = float(os.environ.get("LEDGERLINE_HISTORY_SECONDS") or 8)
SEED = int(os.environ.get("LEDGERLINE_SEED", "0")) or random.randrange(1, 2**31)


def kill_now_and_then(history, victim, chance):
    """kill -9 of whom `victim` names, and a start again, until the time is over. How often?"""
    until, kills = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.1, 0.9))
        history.alive()
        one = victim()
        one.kill()
        time.sleep(chance.uniform(0, 0.1))
        one.start()
        kills += 1
    return kills


def tell(capsys, kind, kills, found):
    assert found["commands"] > 50 and found["reads"] > 20
    with capsys.disabled():
        print(
            f"\n{kind}: {kills} kills, {found['commands']} commands in the journal, {found['doubt']} given up ({found['landed']} of"
            f" them landed), {found['reads']} reads: all explained, seed {SEED}"
        )


# ---- doctored histories: each must be found ----


def replies_swapped(history, log):
    one, other = [c for c in history.clients[0].commands if c.is_entry][5:7]
    one.receipt, other.receipt = {**other.receipt, "commandId": one.key}, {**one.receipt, "commandId": other.key}


def bodies_swapped(history, log):
    one, other = [c for c in history.clients[0].commands if c.is_entry and c.element["type"] == "points.charge"][2:4]
    one.receipt["body"], other.receipt["body"] = other.receipt["body"], one.receipt["body"]


def entry_dropped(history, log):
    answered = {c.key for c in history.commands if c.is_entry}
    log.remove(next(line for line in log if line[1] in answered))


def entry_doubled(history, log):
    log.append((log[-1][0] + 1, log[0][1]))


def entry_invented(history, log):
    log.append((log[-1][0] + 1, "nobody"))


def read_changed(history, log):
    history.clients[0].reads = [next(r for r in history.reads if r.status == 200)]
    history.reads[0].body["balance"] += 1


def read_too_old(history, log):
    read = next(r for r in history.reads if number(r.position) > 20)
    read.at_least = f"0:{number(read.position) + 1}"


def turned_away_and_landed(history, log):
    one = next(c for c in history.clients[0].commands if c.is_entry)
    one.receipt, one.doubt = None, False


def answered_too_early(history, log):
    last = next(c for c in history.commands if c.key == log[-1][1])
    last.invoked, last.replied = -2.0, -1.0


DOCTORED = [replies_swapped, bodies_swapped, entry_dropped, entry_doubled, entry_invented, read_changed, read_too_old]
DOCTORED += [turned_away_and_landed, answered_too_early]


def sees_what_is_doctored(history, log):
    engine, history.engine, history.first.engine, history.stop, history.threads = history.engine, None, None, None, []
    for client in history.clients:
        client.engine = None
    for doctor in DOCTORED:
        false, false_log = copy.deepcopy(history), list(log)
        doctor(false, false_log)
        with pytest.raises(Wrong):
            check(false, false_log)
            pytest.fail(f"{doctor.__name__} was not seen")
    history.engine = engine


# One engine that is killed again and again, on the embedded journal and on Kafka.
def test_one_engine(engine, ledgerline, capsys):
    history = History(engine, seed=SEED).start()
    kills = kill_now_and_then(history, lambda: engine, random.Random(SEED))
    history.finish()
    log = log_of(ledgerline, "--data", engine.data)
    tell(capsys, engine.journal.split(":")[0], kills, check(history, log))
    sees_what_is_doctored(history, log)


# Three engines on one journal, whose leader is killed; commands and reads go to any of them.
def test_three_engines(engines, kafka_url, tmp_path, ledgerline, capsys):
    three = Fleet([engines(tmp_path / f"engine-{n}", kafka_url).start() for n in range(3)])
    history = History(three, seed=SEED).start()
    kills = kill_now_and_then(history, three.leader, random.Random(SEED))
    leader = settle(three)
    history.engine = leader
    history.finish()
    tell(capsys, "three engines", kills, check(history, log_of(ledgerline, "--data", leader.data)))
