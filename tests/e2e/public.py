"""The world outside, for tests: a relay to start and kill, its topics to read, and what must be on them by the journal's own lines.

	Relay(binary, journal, brokers, tmp).start()   `ledgerline relay`; .kill() .stop() .errors() .options
	records(brokers, topics)                       every record of a topic or of several: {key, topic, partition, offset, headers, event}
	expected(ledgerline, journal, uuid)            the events that must be published, in order: {type, key, id, sequence, payload}
"""

import json
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

import processes  # noqa: E402
import wire  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TYPES = """payment.completed payment.cancelled point.charged point.used point.refunded point.expired point.adjusted reservation.created
reservation.confirmed reservation.expired reservation.cancelled concert.schedule.created concert.schedule.updated user.registered
queue.token.issued queue.token.activated queue.token.expired""".split()
BESIDE = ["point.held"]
PUBLISHED_AS = {"concert.schedule.seats.added": "concert.schedule.updated", "concert.schedule.cancelled": "concert.schedule.updated"}
STATUS = {"created": "HELD", "confirmed": "CONFIRMED", "expired": "EXPIRED", "cancelled": "CANCELLED"}


class Relay:
    def __init__(self, binary, journal, brokers, directory, *options):
        self.command = [str(binary), "relay", "--journal", journal, "--to", f"kafka://{brokers}"]
        self.options, self.log, self.process, self.starts = list(options), Path(directory) / f"relay-{uuid.uuid4().hex[:6]}.log", None, 0

    def start(self, *options):
        self.began_at = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = processes.spawn(
                [*self.command, *self.options, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        self.starts += 1
        return self

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def errors(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_begun(self):
        """Until the newest start works. Before that SIGTERM may find nobody who has learnt what it means."""
        self.wait_for(lambda: re.search(r" (relay|sink|intake)\.begins ", self.errors()[self.began_at :]), "the start")
        return self

    def wait_for(self, condition, what, seconds=120):
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.errors()[-4000:]}"
            assert time.monotonic() < deadline, f"waited in vain for: {what}\n{self.errors()[-4000:]}"
            time.sleep(0.05)
        return value


def records(brokers, topics):
    """What read_committed consumers get of the topics that are there, in each partition in its order. One consumer asks for all of them."""
    known = wire.metadata(brokers.split(",")[0])["topics"]
    topics = [topic for topic in ([topics] if isinstance(topics, str) else topics) if known.get(topic)]
    if not topics:
        return []
    settings = ("auto.offset.reset=earliest", "enable.auto.commit=false", "fetch.wait.max.ms=20", "isolation.level=read_committed")
    command = ["kcat", "-b", brokers, "-e", "-q", "-J", *(word for one in settings for word in ("-X", one))]
    command += ["-G", f"reads-{uuid.uuid4().hex}", *topics]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found = []
    for line in done.stdout.splitlines():
        one = json.loads(line)
        headers = one.get("headers") or []
        try:
            event = json.loads(one["payload"])
        except (TypeError, ValueError):
            event = None
        found.append({
            "key": one["key"], "partition": one["partition"], "offset": one["offset"], "event": event,
            "headers": dict(zip(headers[::2], headers[1::2])), "topic": one["topic"], "time": one["ts"],
        })
    return found


def of_ledger(found, ledger):
    return [one for one in found if one["headers"].get("ledger-uuid") == ledger]


def count(brokers, topics):
    """How many records the topics hold."""
    return len(records(brokers, topics))


def payload_of(line, schedules):
    """What must stand in the payload, made from a line of `journal cat`."""
    kind = line["type"]
    own = {"position", "index", "offset", "time", "type", "version", "commandId", "actor"}
    payload = {name: value for name, value in line.items() if name not in own}
    if "queuePosition" in payload:
        payload["position"] = payload.pop("queuePosition")
    schedule = payload.pop("scheduleId", None)
    if schedule:
        payload["concertScheduleId"] = schedule
    if "seatNos" in payload:
        payload["seatIds"] = [f"{schedule}:{number}" for number in payload.pop("seatNos")]
    if kind == "payment.completed":
        payload["seatId"] = payload["seatIds"][0]
    if kind == "concert.schedule.created":
        payload["totalSeats"] = len(payload["seats"])
    if kind.startswith("concert.schedule."):
        payload["status"] = "CANCELLED" if kind.endswith("cancelled") else "OPEN"
        shared = ("concertId", "concertDate", "bookingOpensAt", "bookingClosesAt", "totalSeats")
        known = schedules.setdefault(schedule, {})
        known.update({name: payload[name] for name in shared if name in payload})
        payload.update({name: known[name] for name in shared})
    if kind.startswith("reservation."):
        payload["status"] = STATUS[kind.split(".")[1]]
    if kind in ("queue.token.activated", "queue.token.expired"):
        payload["position"] = 0
    return payload


def expected(ledgerline, journal):
    """What must be published of a journal, in its order, and the ledger's uuid."""
    ledger = json.loads(ledgerline("journal", "info", "--json", journal, check=0).stdout)["uuid"]
    schedules, out = {}, []
    for raw in ledgerline("journal", "cat", journal, check=0).stdout.splitlines():
        line = json.loads(raw)
        public = PUBLISHED_AS.get(line["type"], line["type"])
        if public not in TYPES + BESIDE:
            continue
        payload = payload_of(line, schedules)
        name = f"{line['position']}:{line['index']}"
        out.append({
            "type": public, "event": line["type"], "payload": payload, "time": line["time"],
            "key": payload["concertScheduleId"] if line["type"].startswith("concert.") else payload["userId"],
            "id": str(uuid.uuid5(uuid.UUID(ledger), name)), "sequence": int(line["position"][2:]), "index": line["index"],
        })
    return out, ledger


def murmur2(data):
    """As Java's client places keys."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = (0x9747B28C ^ length) & mask
    for at in range(0, length - length % 4, 4):
        k = int.from_bytes(data[at : at + 4], "little")
        k = (k * m) & mask
        k = ((k ^ (k >> 24)) * m) & mask
        h = ((h * m) & mask) ^ k
    rest = data[length - length % 4 :]
    for at in reversed(range(len(rest))):
        h ^= rest[at] << (8 * at)
    if rest:
        h = (h * m) & mask
    h = ((h ^ (h >> 13)) * m) & mask
    return (h ^ (h >> 15)) & mask


def check_topics(brokers, wanted, ledger, topic_of=lambda kind: kind):
    """Every event is there, under its key, in its place, in order; returns how many are there more than once."""
    found, last, doubled = {}, {}, 0
    for record in of_ledger(records(brokers, sorted({topic_of(one["type"]) for one in wanted})), ledger):
        event, line = record["event"], (record["topic"], record["key"])
        place = (event["sequence"], int(record["headers"]["ledger-index"]))
        if event["eventId"] in found:
            doubled += 1
            continue
        assert last.get(line, (-1, -1)) < place, f"{line} goes back from {last[line]} to {place}"
        last[line] = place
        found[event["eventId"]] = record
    for one in wanted:
        record = found.pop(one["id"], None)
        assert record, f"{one['event']} {one['sequence']} was not published"
        event = record["event"]
        assert record["topic"] == topic_of(one["type"]) and record["key"] == one["key"], (record, one)
        assert record["partition"] == (murmur2(one["key"].encode()) & 0x7FFFFFFF) % 3, record
        assert (event["eventType"], event["eventTime"], event["sequence"]) == (one["type"], one["time"], one["sequence"])
        assert event["payload"] == one["payload"], (event["payload"], one["payload"])
        assert record["headers"]["ledger-position"] == f"0:{one['sequence']}"
    assert not found, f"more than the journal has: {list(found.values())[:3]}"
    return doubled
