"""Random cuts over a long journal: how long they take to answer, opened and open, and that they say what the events say."""

import json
import random
import re
import subprocess
import time

from scene import Engine, main, run

LINE = re.compile(rb'"position":"0:(\d+)".*?"type":"point\.(charged|used)".*?"userId":"([^"]+)","amount":(\d+)')


def followed(binary, journal, users):
    """Each user's (entry, balance after it), added up from the events."""
    seen = {user: [(-1, None)] for user in users}
    wanted = {user.encode(): user for user in users}
    cat = subprocess.Popen([binary, "journal", "cat", journal], stdout=subprocess.PIPE)
    for line in cat.stdout:
        found = LINE.search(line)
        user = found and wanted.get(found[3])
        if user:
            amount = int(found[4]) if found[2] == b"charged" else -int(found[4])
            seen[user].append((int(found[1]), (seen[user][-1][1] or 0) + amount))
    assert cat.wait() == 0
    return seen


def at(story, entry):
    """The balance at a cut; None where there was no account yet."""
    return max(one for one in story if one[0] <= entry)[1]


def ask(engine, user, entry):
    begin = time.perf_counter()
    answer = engine.get(f"/api/audit/accounts/{user}?at=0:{entry}")
    return time.perf_counter() - begin, answer


def spread(seconds):
    ordered = sorted(seconds)
    return {"medianMs": round(1000 * ordered[len(ordered) // 2], 1), "p99Ms": round(1000 * ordered[len(ordered) * 99 // 100], 1),
            "maxMs": round(1000 * ordered[-1], 1)}  # fmt: skip


def play(place, binary, events=10_000_000, accounts=1_000_000, every=500_000, cuts=1000, users=100, seed=11):
    """A journal of `events`, a snapshot of the past after `every` of them, and `cuts` questions about `users`, each asked twice."""
    data, journal = place / "data", f"local:{place / 'data' / 'journal'}"
    data.mkdir()
    run(binary, "bench", "fill", "--journal", journal, "--events", events, "--accounts", accounts, check=0)
    begin = time.time()
    run(binary, "snapshot", "--data", data, "--journal", journal, "--every", every, check=0, timeout=7200)
    snapshots = time.time() - begin
    dice = random.Random(seed)
    chosen = [f"user-{dice.randrange(accounts):07}" for _ in range(users)]
    stories = followed(binary, journal, chosen)
    engine = Engine(binary, data, journal).start()
    opened, again, wrong = [], [], 0
    try:
        for _ in range(cuts):
            user, entry = dice.choice(chosen), dice.randrange(events)
            took, answer = ask(engine, user, entry)
            opened.append(took)
            took, repeated = ask(engine, user, entry)
            again.append(took)
            balance = answer.json["balance"] if answer.status == 200 else None
            if answer.body != repeated.body or (balance or 0) != (at(stories[user], entry) or 0):
                wrong += 1
        assert engine.stop() == 0
    finally:
        engine.kill()
    assert wrong == 0, f"{wrong} of {cuts} answers are not what the events say"
    return {"events": events, "cuts": cuts, "snapshotsSeconds": round(snapshots, 1), "opened": spread(opened), "open": spread(again)}


if __name__ == "__main__":
    main(play, events=10_000_000, accounts=1_000_000, every=500_000, cuts=1000, users=100, seed=11)
