"""How long after its entry an event arrives at a consumer: an engine with --relay under a steady load, and one consumer that reads what is
committed.

On the brokers of LEDGERLINE_TEST_KAFKA: `tests/kafka/kafka.py run -- bench/scale/relay_delay.py --binary build/ledgerline --rate 1000`.
"""

import os
import subprocess
import threading
import time
import uuid

from scene import Engine, Pace, main

from engine import parse_metrics

TOPICS = ("point.charged", "point.used")
WARM_UP_SECONDS = 3


def consume(brokers, prefix, delays, ended):
    settings = ("auto.offset.reset=earliest", "isolation.level=read_committed", "fetch.wait.max.ms=5")
    command = ["kcat", "-b", brokers, "-q", "-u", "-f", "%T\\n", *(word for one in settings for word in ("-X", one))]
    command += ["-G", f"delay-{uuid.uuid4().hex}", *(prefix + topic for topic in TOPICS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reading:
        ended.append(reading)
        for line in reading.stdout:
            now = time.time()
            delays.append((now, now * 1000 - int(line)))


def quantile(values, share):
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 1)


def play(place, binary, rate=1000, seconds=20):
    brokers, prefix = os.environ["LEDGERLINE_TEST_KAFKA"], f"d{uuid.uuid4().hex[:6]}."
    engine = Engine(binary, place / "data", options=("--relay", f"kafka://{brokers}", "--relay-prefix", prefix)).start()
    delays, readers = [], []
    engine.wait_for(lambda: engine.get("/api/status").json["relay"]["state"] == "publishing", "the relay")
    consumer = threading.Thread(target=consume, args=(brokers, prefix, delays, readers))
    consumer.start()
    time.sleep(WARM_UP_SECONDS)
    with Pace(engine, rate):
        begun = time.time()
        time.sleep(WARM_UP_SECONDS + seconds)
    engine.wait_for(lambda: engine.get("/api/status").json["relay"]["pending"] == 0, "all to be relayed")
    time.sleep(1)
    metrics = parse_metrics(engine.get("/metrics").body.decode())
    readers[0].terminate()
    consumer.join()
    engine.stop()
    late = [delay for now, delay in delays if now > begun + WARM_UP_SECONDS]
    return {
        "rate": rate, "events": len(delays), "commits": metrics["ledgerline_relay_transactions_total"],
        "committedMs": round(1000 * metrics["ledgerline_relay_delay_seconds_sum"] / metrics["ledgerline_relay_delay_seconds_count"], 1),
        "arrivalMs": {"p50": quantile(late, 0.5), "p99": quantile(late, 0.99), "max": quantile(late, 1)},
    }


if __name__ == "__main__":
    main(play, rate=1000, seconds=20)
