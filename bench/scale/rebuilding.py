"""All projections rebuilt, certified and swapped while commands run: how commands fare before, during and after."""

import json
import time

from scene import Engine, Pace, main, run, verified

NAMES = ["balances", "seats", "queue", "receipts", "rankings", "history"]


def generations(engine):
    return {name: one["generation"] for name, one in engine.status()["projections"].items()}


def play(place, binary, events=1_000_000, accounts=100_000, rounds=1, rate=5000, lead=3.0, tail=3.0):
    """A journal of `events`; `rounds` rebuilds one after another while `rate` commands a second run, `lead` before, `tail` after."""
    data, journal = place / "data", f"local:{place / 'journal'}"
    run(binary, "bench", "fill", "--journal", journal, "--events", events, "--accounts", accounts, check=0)
    engine = Engine(binary, data, journal).start()
    took = []
    try:
        first = generations(engine)
        with Pace(engine, rate) as pace:
            begin = time.time()
            time.sleep(lead)
            rebuilding = time.time()
            for _ in range(rounds):
                started = time.time()
                done = json.loads(run(binary, "rebuild", "--data", data, "--certify", "--json", check=0).stdout)
                assert done["certified"] and all(one["inUse"] for one in done["projections"])
                took.append(time.time() - started)
            rebuilt = time.time()
            time.sleep(tail)
        assert pace.all_accepted()
        assert generations(engine) == {name: first[name] + rounds for name in NAMES}
        turn = engine.metrics()["ledgerline_loop_turn_max_seconds"]
        assert engine.stop() == 0
    finally:
        engine.kill()
    return {
        "events": events,
        "rounds": rounds,
        "before": pace.between(begin, rebuilding),
        "during": pace.between(rebuilding, rebuilt),
        "after": pace.between(rebuilt, float("inf")),
        "rebuildSecondsMax": round(max(took), 2),
        "turnMaxMs": round(turn * 1000, 1),
        "digest": verified(binary, data)["digest"],
    }


if __name__ == "__main__":
    main(play, events=1_000_000, accounts=100_000, rounds=1, rate=5000, lead=3.0, tail=3.0)
