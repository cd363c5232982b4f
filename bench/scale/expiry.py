"""Lots that come due together while commands run: how commands fare before, during and after, and when the last lot is gone."""

import time

from scene import Engine, Pace, conserved, events, load, main, seconds_of, text_of, until, verified

AMOUNT = 1000
LAST = "last"  # whose lot is due behind all others
SETTLED_SECONDS = 1.0  # "after" begins so long after the last expiry


def charges(lots, accounts, due, spread):
    """One lot after another, due evenly within `spread` seconds from `due` on, and one behind them."""
    for number in range(lots):
        yield {
            "type": "points.charge",
            "userId": f"user-{number % accounts}",
            "amount": AMOUNT,
            "source": "bonus",
            "expiresAt": text_of(due + spread * number / lots),
        }
    yield {
        "type": "points.charge",
        "userId": LAST,
        "amount": AMOUNT,
        "source": "bonus",
        "expiresAt": text_of(due + spread + 0.001),
    }


def delays(binary, data, dues):
    """Of each lot, the seconds from its time to its entry; the time of the last entry; the most lots in one entry."""
    late, last, most = [], 0, 0
    for event in events(binary, data, "point.expired"):
        at = seconds_of(event["time"])
        last, most = max(last, at), max(most, len(event["lots"]))
        late += [at - dues.pop(lot["lotId"]) for lot in event["lots"]]
    assert not dues, f"{len(dues)} lots never expired"
    return sorted(late), last, most


def dues_of(binary, data):
    return {
        event["lotId"]: seconds_of(event["expiresAt"]) for event in events(binary, data, "point.charged") if event["expiryGiven"]
    }


def play(place, binary, lots=100_000, accounts=100_000, spread=1.0, rate=5000, lead=6.0, tail=4.0):
    """`lots` of `accounts`, due within `spread` seconds, while `rate` commands a second run from `lead` before to `tail` after."""
    data = place / "data"
    due = time.time() + lead + 3 + lots / 25_000
    load(binary, data, charges(lots, accounts, due, spread))
    engine = Engine(binary, data).start()
    try:
        assert time.time() < due - 1, "loading took too long: the lots are due before they are measured"
        with Pace(engine, rate) as pace:
            begin = time.time()
            time.sleep(max(due + spread - time.time(), 0))
            until(lambda: not engine.get(f"/api/points/balance?userId={LAST}").json["lots"], "the last lot's expiry")
            time.sleep(SETTLED_SECONDS + tail)
        assert pace.all_accepted()
        turn = engine.metrics()["ledgerline_loop_turn_max_seconds"]
        assert engine.stop() == 0
    finally:
        engine.kill()
    late, last, most = delays(binary, data, dues_of(binary, data))
    assert late[0] >= 0, "a lot expired before its time"
    assert conserved(data)["expired"] == (lots + 1) * AMOUNT
    assert verified(binary, data)
    return {
        "lots": lots,
        "accounts": accounts,
        "before": pace.between(begin, due),
        "during": pace.between(due, max(last, due + spread)),
        "after": pace.between(last + SETTLED_SECONDS, float("inf")),
        "lateSecondsP50": round(late[len(late) // 2], 3),
        "lateSecondsMax": round(late[-1], 3),
        "seconds": round(last - due, 3),
        "lotsInAnEntryMax": most,
        "turnMaxMs": round(turn * 1000, 1),
    }


if __name__ == "__main__":
    main(play, lots=100_000, accounts=100_000, spread=1.0, rate=5000, lead=6.0, tail=4.0)
