"""A waiting room fills: tokens at a steady rate, polls beside them, and then everybody's turn comes, in the order of coming."""

import json
import os
import shutil
import subprocess
import tempfile
import time

from scene import ROOT, Engine, Pace, events, main, run, until, verified

PLACES, FIRST = 50, 500  # active at once while the room fills; who stands in it before the rest come
LEAVER = 97  # of the first ones every so manieth leaves


def policy(engine, **settings):
    assert engine.http("PUT", "/api/admin/policies", settings).status == 200


def enter(engine, users):
    """Their tokens."""
    receipts = engine.post("/api/commands", [{"type": "queue.enter", "userId": user} for user in users]).json
    assert all(one["outcome"] == "accepted" for one in receipts)
    return [one["body"]["token"] for one in receipts]


def status(engine, token):
    reply = engine.get("/api/queue/status", headers={"Authorization": f"Bearer {token}"})
    assert reply.status == 200, reply
    return reply.json


def poll(engine, tokens, seconds):
    """wrk's figures of asking for these tokens in turn, over 64 connections; None where there is no wrk."""
    if not shutil.which("wrk"):
        return None
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(tokens) + "\n")
        file.flush()
        told = subprocess.run(
            ["wrk", "-t", "1", "-c", "64", "-d", f"{seconds}s", "--latency", "-s", "bench/wrk/polls.lua", engine.url],
            cwd=ROOT,
            env={**os.environ, "BENCH_TOKENS": file.name},
            capture_output=True,
            text=True,
            check=True,
        )
    figures = json.loads(told.stdout.splitlines()[-1])
    assert figures["failed"] == 0, figures
    return {"perSecond": int(figures["requests"] / figures["seconds"]), "p50Us": figures["p50Us"], "p99Us": figures["p99Us"]}


def places_are_told(engine, tokens, gone):
    """The first ones wait at the places that they came at, but for those who are active and those who left."""
    place = 0
    for number, token in enumerate(tokens):
        if number in gone:
            continue
        shown = status(engine, token)
        if number < PLACES:
            assert (shown["status"], shown["queuePosition"]) == ("ACTIVE", 0), shown
        else:
            place += 1
            assert (shown["status"], shown["queuePosition"]) == ("WAITING", place), (number, shown)


def prove(binary, data, tokens):
    """Activations follow the issues, and never more are active than there are places."""
    issued, activated, ended, active, places, most = [], [], set(), set(), PLACES, 0
    for event in events(
        binary, data, "queue.token.issued", "queue.token.activated", "queue.token.expired", "policy.changed"
    ):
        kind = event["type"]
        if kind == "policy.changed":
            places = event["policy"]["queueActiveMax"]
        elif kind == "queue.token.issued":
            issued.append(event["tokenId"])
        elif kind == "queue.token.activated":
            activated.append(event["tokenId"])
            active.add(event["tokenId"])
            most = max(most, len(active))
            assert len(active) <= places, event
        else:
            ended.add(event["tokenId"])
            active.discard(event["tokenId"])
    assert len(issued) == len(set(issued)) == tokens, (len(issued), tokens)
    had = set(activated)
    assert activated == [one for one in issued if one in had], "somebody was activated before one who had come earlier"
    assert set(issued) - had <= ended, "somebody still waits"
    return most


def play(place, binary, tokens=100_000, rate=5000, seconds=5):
    """`tokens` come at `rate` a second; for `seconds` of it wrk polls, and again when all are there."""
    data = place / "data"
    engine = Engine(binary, data).start()
    try:
        policy(engine, queueActiveMax=PLACES, queueWaitSeconds=86400, queueActiveSeconds=86400)
        first = enter(engine, [f"first-{number}" for number in range(FIRST)])
        gone = set(range(PLACES, FIRST, LEAVER))
        for number in gone:
            left = engine.http("DELETE", "/api/queue/token", headers={"Authorization": f"Bearer {first[number]}"})
            assert left.status == 204
        places_are_told(engine, first, gone)
        with Pace(engine, rate, "queue") as pace:
            begin = time.time()
            time.sleep((tokens - FIRST) / rate - seconds)
            polls_begin = time.time()
            polls = poll(engine, first, seconds)
            polls_end = time.time()
            time.sleep(max(begin + (tokens - FIRST) / rate - time.time(), 0))
        assert pace.all_accepted()
        come = FIRST + sum(accepted for _, _, accepted in pace.samples)
        [last] = enter(engine, ["last"])
        assert status(engine, last)["queuePosition"] == come + 1 - PLACES - len(gone)
        full = poll(engine, [*first[-100:], last], seconds)
        opened = time.monotonic()
        policy(engine, queueActiveMax=1_000_000)
        until(lambda: status(engine, last)["status"] == "ACTIVE", "everybody's turn")
        took = time.monotonic() - opened
        turn = engine.metrics()["ledgerline_loop_turn_max_seconds"]
        assert engine.stop() == 0
    finally:
        engine.kill()
    most = prove(binary, data, come + 1)
    assert verified(binary, data)
    return {
        "tokens": come + 1,
        "rate": rate,
        "alone": pace.between(begin, polls_begin),
        "besidePolls": pace.between(polls_begin, polls_end),
        "pollsBesideTokens": polls,
        "pollsOfFullRoom": full,
        "activationOfAllSeconds": round(took, 3),
        "activeMax": most,
        "turnMaxMs": round(turn * 1000, 1),
    }


if __name__ == "__main__":
    main(play, tokens=100_000, rate=5000, seconds=5)
