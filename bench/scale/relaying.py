"""Payments published while the relay is killed again and again: each event is there, in order for each key; duplicates are counted. Then
the whole journal into other topics by a relay that nobody disturbs: how fast.

On the brokers of LEDGERLINE_TEST_KAFKA: `tests/kafka/kafka.py run -- bench/scale/relaying.py --binary build/ledgerline`.
"""

import json
import os
import random
import subprocess
import time
import uuid
from functools import partial

from scene import main, run

from public import BESIDE, TYPES, Relay, check_topics, count, expected

SEATS = 10000


def commands(payments, users):
    """Each is one entry, so a reservation is named by its line."""
    yield {"type": "concert.create", "concertId": "c", "title": "C"}
    halls = -(-payments // SEATS)
    for hall in range(halls):
        seats = [{"seatNo": number + 1, "price": 10} for number in range(SEATS)]
        yield {"type": "schedule.create", "scheduleId": f"s{hall}", "concertId": "c", "concertDate": "2040-01-01", "seats": seats}
    for user in range(users):
        yield {"type": "points.charge", "userId": f"u{user}", "amount": 1_000_000}
    at = 1 + halls + users
    for number in range(payments):
        user = f"u{number * 7919 % users}"
        yield {"type": "reservation.create", "userId": user, "scheduleId": f"s{number // SEATS}", "seatNos": [number % SEATS + 1]}
        yield {"type": "payment.create", "userId": user, "reservationId": f"reservation-{at}"}
        at += 2


def settle(relay, brokers, topics, wanted):
    relay.wait_for(lambda: count(brokers, topics) >= wanted, f"{wanted} events", seconds=600)


def play(place, binary, payments=100_000, kills=50, users=1000):
    brokers, data, lines = os.environ["LEDGERLINE_TEST_KAFKA"], place / "data", place / "commands.jsonl"
    journal, prefix = f"local:{data / 'journal'}", f"r{uuid.uuid4().hex[:6]}."
    ledgerline = partial(run, binary)
    data.mkdir()
    with open(lines, "w") as file:
        for number, command in enumerate(commands(payments, users)):
            file.write(json.dumps({"id": f"c{number}", **command}) + "\n")
    ledgerline("journal", "create", journal, check=0)
    relay, luck = Relay(binary, journal, brokers, place, "--prefix", prefix), random.Random(1)
    topics = [prefix + kind for kind in TYPES + BESIDE]
    loading = subprocess.Popen([str(binary), "load", "--data", str(data), str(lines)], stdout=subprocess.PIPE, text=True)
    for _ in range(kills):
        relay.start()
        time.sleep(0.1 + luck.random() * 0.9)
        relay.kill()
    told, _ = loading.communicate()
    assert "refused=0" in told and "rejected=0" in told, told
    relay.start()
    wanted, ledger = expected(ledgerline, journal)
    settle(relay, brokers, topics, len(wanted))
    assert relay.stop() == 0
    assert sum(one["type"] == "payment.completed" for one in wanted) == payments
    doubled = check_topics(brokers, wanted, ledger, lambda kind: prefix + kind)
    alone = Relay(binary, journal, brokers, place, "--prefix", f"{prefix}alone.")
    alone.start()
    begun = time.monotonic()
    settle(alone, brokers, [f"{prefix}alone.{kind}" for kind in TYPES + BESIDE], len(wanted))
    took = time.monotonic() - begun
    assert alone.stop() == 0
    return {
        "payments": payments, "events": len(wanted), "kills": kills, "doubled": doubled,
        "aloneSeconds": round(took, 2), "eventsPerSecond": round(len(wanted) / took),
    }


if __name__ == "__main__":
    main(play, payments=100_000, kills=50, users=1000)
