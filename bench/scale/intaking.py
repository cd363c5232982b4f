"""Charges from a topic into an engine by `ledgerline intake`: how many a second, replies included; on the embedded journal and on Kafka.

On the brokers of LEDGERLINE_TEST_KAFKA: `tests/kafka/kafka.py run -- bench/scale/intaking.py --binary build/ledgerline`.
"""

import json
import os
import subprocess
import time
import uuid
from functools import partial

from scene import main, run

import wire
from engine import Engine
from public import Relay


def replied(brokers, topic):
    """By the ends of its partitions: who reads them to count takes the CPUs from who writes them."""
    partitions = wire.metadata(brokers)["topics"].get(f"{topic}.replies", {})
    try:
        return sum(wire.offset(brokers, f"{topic}.replies", partition=partition) for partition in partitions)
    except wire.Refused:  # it was just made
        return 0


def measure(place, binary, brokers, journal, commands, users):
    topic, data = f"i{uuid.uuid4().hex[:6]}", place / f"data-{journal.split(':')[0]}"
    wire.create_topic(brokers, topic, 3, 1, {})
    lines = "".join(
        f"u{n % users}|" + json.dumps({"id": f"{topic}-{n}", "type": "points.charge", "userId": f"u{n % users}", "amount": 1000}) + "\n"
        for n in range(commands)
    )
    subprocess.run(["kcat", "-P", "-b", brokers, "-t", topic, "-K", "|"], input=lines, text=True, check=True)
    engine = Engine(binary, data, journal).start()
    intake = Relay(binary, "", brokers, place)
    intake.command = [str(binary), "intake", "--from", f"kafka://{brokers}/{topic}", "--to", engine.url, "--group", topic]
    intake.start()
    try:
        intake.wait_for(lambda: replied(brokers, topic), "the first reply")
        begun, before = time.monotonic(), replied(brokers, topic)
        intake.wait_for(lambda: replied(brokers, topic) >= commands, "all replies", seconds=600)
        took = time.monotonic() - begun
        assert intake.stop() == 0 and engine.stop() == 0
    finally:
        intake.kill()
        engine.kill()
    return round((commands - before) / took)


def play(place, binary, commands=200_000, users=1000):
    brokers = os.environ["LEDGERLINE_TEST_KAFKA"]
    kafka = f"kafka://{brokers}/i{uuid.uuid4().hex[:6]}"
    partial(run, binary)("journal", "create", kafka, check=0)
    return {
        "commands": commands,
        "localPerSecond": measure(place, binary, brokers, f"local:{place / 'data-local' / 'journal'}", commands, users),
        "kafkaPerSecond": measure(place, binary, brokers, kafka, commands, users),
    }


if __name__ == "__main__":
    main(play, commands=200_000, users=1000)
