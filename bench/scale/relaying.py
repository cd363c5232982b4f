"""Payments published while the relay is killed again and again and the broker dies now and then: each event is there, in order for each
key; duplicates are counted. Then the whole journal into other topics by a relay that nobody disturbs: how fast.

On a broker of its own: `bench/scale/relaying.py --binary build/ledgerline`; with `--restarts 0` on those of LEDGERLINE_TEST_KAFKA.
"""

import json
import os
import random
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from scene import main, run

from public import Relay, check_topics, expected, records

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kafka"))

from kafka import Cluster  # noqa: E402

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


def settle(relay, brokers, place, wanted):
    """Until the position that is kept says that all of it is there."""

    def there():
        kept = [record["event"] for record in records(brokers, f"{place}.relay")]
        return kept and kept[-1]["next"] > wanted[-1]["sequence"]

    relay.wait_for(there, f"{len(wanted)} events", seconds=900)


@contextmanager
def brokers_of(restarts):
    """A broker to be killed, or those that are there."""
    if not restarts:
        yield None, os.environ["LEDGERLINE_TEST_KAFKA"]
        return
    with Cluster(nodes=1) as cluster:
        yield cluster, cluster.bootstrap


def disturbed(relay, cluster, loading, kills, restarts):
    """The relay is killed `kills` times while commands are loaded and after, and in between the broker `restarts` times."""
    luck = random.Random(1)
    for number in range(kills):
        relay.start()
        time.sleep(0.3 + luck.random() * 1.2)
        if number * restarts // kills != (number + 1) * restarts // kills:
            cluster.node(1).kill()
            cluster.node(1).start()
            cluster.wait_ready()
            time.sleep(luck.random())
        relay.kill()
    told, _ = loading.communicate()
    assert "refused=0" in told and "rejected=0" in told, told
    return relay.start()


def play(place, binary, payments=100_000, kills=50, users=1000, restarts=10):
    data, lines = place / "data", place / "commands.jsonl"
    journal, prefix = f"local:{data / 'journal'}", f"r{uuid.uuid4().hex[:6]}."
    ledgerline = partial(run, binary)
    data.mkdir()
    with open(lines, "w") as file:
        for number, command in enumerate(commands(payments, users)):
            file.write(json.dumps({"id": f"c{number}", **command}) + "\n")
    ledgerline("journal", "create", journal, check=0)
    name = json.loads(ledgerline("journal", "info", "--json", journal, check=0).stdout)["name"]
    with brokers_of(restarts) as (cluster, brokers):
        loading = subprocess.Popen([str(binary), "load", "--data", str(data), str(lines)], stdout=subprocess.PIPE, text=True)
        relay = disturbed(Relay(binary, journal, brokers, place, "--prefix", prefix), cluster, loading, kills, restarts)
        wanted, ledger = expected(ledgerline, journal)
        settle(relay, brokers, f"{prefix}{name}", wanted)
        assert relay.stop() == 0
        assert sum(one["type"] == "payment.completed" for one in wanted) == payments
        doubled = check_topics(brokers, wanted, ledger, lambda kind: prefix + kind)
        alone = Relay(binary, journal, brokers, place, "--prefix", f"{prefix}alone.")
        alone.start()
        alone.wait_for(lambda: "relay.begins" in alone.errors(), "its start")
        begun = time.monotonic()
        settle(alone, brokers, f"{prefix}alone.{name}", wanted)
        took = time.monotonic() - begun
        assert alone.stop() == 0
    return {
        "payments": payments, "events": len(wanted), "kills": kills, "restarts": restarts, "doubled": doubled,
        "aloneSeconds": round(took, 2), "eventsPerSecond": round(len(wanted) / took),
    }


if __name__ == "__main__":
    main(play, payments=100_000, kills=50, users=1000, restarts=10)
