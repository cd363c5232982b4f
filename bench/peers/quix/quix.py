"""The same fold in Quix Streams (Python): balances by account in its RocksDB state with a changelog topic, at least once.

	quix.py BROKERS TOPIC EVENTS DIRECTORY        with the packages of requirements.txt on PYTHONPATH

Tuned as its users would for a long catch-up: state as raw bytes instead of JSON, large fetches, a commit every ten seconds. One
process, as one Python process uses one core. The clock runs from the first event that reaches the fold until the application has
committed everything and closed. Then the balances are read back from RocksDB's files.
"""

import hashlib
import json
import resource
import struct
import sys
import time
import warnings
from pathlib import Path

warnings.showwarning = lambda *_, **__: None  # what its libraries think of each other

from confluent_kafka import Consumer, TopicPartition  # noqa: E402
from quixstreams import Application  # noqa: E402
from rocksdict import AccessType, Options, Rdict  # noqa: E402

COMMIT_SECONDS = 10
CHARGED, USED = 20, 21
BALANCE = struct.Struct(">q")
WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}


def number(value, at):
    tag = value[at]
    if tag < 0x80:
        return tag, at + 1
    end = at + 1 + WIDTHS[tag]
    return int.from_bytes(value[at + 1 : end], "big"), end


def after_text(value, at):
    tag = value[at]
    if 0xA0 <= tag <= 0xBF:
        return at + 1 + (tag & 0x1F)
    if tag == 0xD9:
        return at + 2 + value[at + 1]
    raise ValueError(f"no text: tag {tag}")


def after_number(value, at):
    return at + 1 + WIDTHS.get(value[at], 0)


def read_event(value):
    """(type, amount). The layout is in bench/peers/tally.h; by hand, as only two of its fields are wanted."""
    at = after_text(value, after_number(value, after_number(value, 1)))
    at += 3 if value[at] == 0xDC else 1
    kind, at = number(value, at)
    if kind not in (CHARGED, USED):
        raise ValueError(f"no event: type {kind}")
    amount, _ = number(value, after_text(value, after_number(value, at)))
    return kind, amount


class Fold:
    def __init__(self, events, stop):
        self.events, self.stop = events, stop
        self.folded = self.charged = self.used = 0
        self.begun = None

    def __call__(self, value, state):
        if self.begun is None:
            self.begun, self.cpu_at_begin = time.monotonic(), cpu_seconds()
        kind, amount = read_event(value)
        before = state.get_bytes("balance")
        balance = BALANCE.unpack(before)[0] if before else 0
        if kind == CHARGED:
            self.charged += amount
            balance += amount
        else:
            self.used += amount
            balance -= amount
        state.set_bytes("balance", BALANCE.pack(balance))
        self.folded += 1
        if self.folded == self.events:
            self.stop()


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def read_back(directory):
    """{account: balance} of all partitions: they share no account."""
    balances = {}
    for current in {path.parent for path in Path(directory).rglob("CURRENT")}:
        database = Rdict(str(current), options=Options(raw_mode=True), access_type=AccessType.read_only())
        for key, value in database.items():
            account, separator, name = key.partition(b"|")
            if separator and name == b'"balance"' and len(value) == BALANCE.size:
                balances[account.decode()] = BALANCE.unpack(value)[0]
        database.close()
    return balances


def committed(brokers, group, topic):
    """Events that the group has committed: it began at offset 0."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    offsets = consumer.committed([TopicPartition(topic, number) for number in partitions], timeout=30)
    consumer.close()
    return sum(max(one.offset, 0) for one in offsets)


def main():
    brokers, topic_name, events, directory = sys.argv[1:]
    group = f"{topic_name}-quix"
    application = Application(
        broker_address=brokers,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        state_dir=directory,
        loglevel="ERROR",
        auto_create_topics=True,
        consumer_extra_config={
            "fetch.wait.max.ms": 10,
            "fetch.message.max.bytes": 8 << 20,
            "queued.min.messages": 200000,
            "queued.max.messages.kbytes": 65536,
        },
        producer_extra_config={"linger.ms": 100, "compression.type": "lz4"},
        max_partition_buffer_size=100000,
    )
    fold = Fold(int(events), lambda: application.stop())
    topic = application.topic(topic_name, key_deserializer="bytes", value_deserializer="bytes")
    application.dataframe(topic).update(fold, stateful=True)
    application.run()
    seconds, cpu = time.monotonic() - fold.begun, cpu_seconds() - fold.cpu_at_begin
    if (done := committed(brokers, group, topic_name)) != fold.events:
        sys.exit(f"quix: committed are {done} events of {fold.events}")
    balances = read_back(directory)
    lines = "".join(f"{account} {balances[account]}\n" for account in sorted(balances))
    print(
        json.dumps(
            {
                "events": fold.folded,
                "charged": fold.charged,
                "used": fold.used,
                "accounts": len(balances),
                "balances": sum(balances.values()),
                "digest": hashlib.sha256(lines.encode()).hexdigest(),
                "seconds": round(seconds, 3),
                "cpuSeconds": round(cpu, 3),
                "residentBytesMax": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


main()
