#!/usr/bin/python3
"""Writes the seeds of the fuzzers into tests/fuzz/fuzz_*/: few small files, from the golden vectors and from what the tests say.

	seeds.py          writes what is not there
"""

import hashlib
import json
from pathlib import Path

import msgpack

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors" / "records.txt"

PLAY = [
    {"type": "concert.create", "concertId": "c", "title": "t"},
    {"type": "schedule.create", "scheduleId": "s", "concertId": "c", "concertDate": "2026-06-01",
     "seats": [{"seatNo": 1, "price": 1000}, {"seatNo": 2, "price": 0}]},
    {"type": "points.charge", "userId": "u", "amount": 10000},
    {"type": "points.charge", "userId": "u", "amount": 5000, "source": "bonus"},
    {"type": "reservation.create", "userId": "u", "scheduleId": "s", "seatNo": 1},
    {"type": "payment.create", "userId": "u", "reservationId": "reservation-4"},
    {"type": "points.use", "userId": "u", "amount": 700},
    {"type": "points.refund", "useId": "use-6", "amount": 300},
    {"type": "points.hold", "userId": "u", "amount": 100},
    {"type": "points.capture", "holdId": "hold-8", "amount": 60},
    {"type": "points.adjust", "userId": "u", "amount": -99999, "reason": "r", "approver": "a"},
    {"type": "queue.enter", "queueId": "q", "userId": "u"},
    {"type": "reservation.cancel", "reservationId": "reservation-4", "userId": "u"},
    {"type": "schedule.cancel", "scheduleId": "s", "reason": "rain"},
    {"type": "policy.set", "holdSeconds": 60, "queueRequired": False, "refundTable": [[10, 100], [0, 0]]},
    {"type": "user.register", "userId": "w"},
    {"type": "schedule.addSeats", "scheduleId": "s", "seats": [{"seatNo": 3, "price": 5}]},
    {"type": "schedule.update", "scheduleId": "s", "concertDate": "2026-07-01T19:00:00Z"},
    {"type": "points.release", "holdId": "hold-8"},
    {"type": "payment.cancel", "paymentId": "payment-5"},
    {"type": "queue.leave", "queueToken": "tok-11"},
]  # fmt: skip

REQUESTS = [
    b"GET /echo?limit=1&at=0:7 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\nIdempotency-Key: k\r\n\r\n{}",
    b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"DELETE /things/%41b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"HEAD /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /things/x HTTP/1.1\r\nHost: h\r\n\r\n",
]

LINES = [
    b"serve\n--data\nd\n--json\n--limit=5\n--kafka\na=b\n\nlimit = 7\n[kafka]\nx.y = z\n# c\n",
    b"journal\ninfo\n--data=d\n--\n-x\n",
    b"help\nserve\n",
    b"--version\n",
]

MANIFEST = {
    "format": 1, "ledger": "00000000-0000-4000-8000-000000000000", "position": "start", "entries": 0, "nextOffset": 2,
    "timeMs": 1, "chain": "0" * 64, "software": "0.1.0", "digest": "0" * 64,
    "projections": [{"projection": name, "version": version, "rows": rows, "hash": "0" * 64} for name, version, rows in (
        ("balances", 1, 2),
        ("seats", 2, 0),
        ("queue", 2, 0),
        ("receipts", 1, 0),
        ("rankings", 1, 0),
        ("history", 1, 0))],
}  # fmt: skip


def write(target, bytes_):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    path = folder / hashlib.sha1(bytes_).hexdigest()[:12]
    if not path.exists():
        path.write_bytes(bytes_)


def vectors():
    for line in VECTORS.read_text().splitlines():
        kind, name, version, body = line.split(" ")
        yield kind, name, int(version), bytes.fromhex(body)


def entry(event):
    """An entry of the system with one event."""
    head = [3, None, None, 3, None, 0, 1]
    packed = b"".join(msgpack.packb(one) for one in head)
    return b"\x98" + packed + b"\x91" + event


def main():
    rows = 0
    for kind, _, _, body in vectors():
        if kind == "event":
            write("fuzz_block", b"\x01" + entry(body))
            one = entry(body)
            write("fuzz_fold", b"\x02\0\x01\x01" + b"\x01" + len(one).to_bytes(2, "big") + one)
        elif kind == "record" and len(body) < 300:
            write("fuzz_block", b"\x05" + bytes([rows % 256]) + body)
            rows += 1
    lines = [json.dumps({"id": f"c{i}", **one}) for i, one in enumerate(PLAY)]
    write("fuzz_decide", "\n".join(lines).encode())
    for i in range(0, len(lines), 4):
        write("fuzz_decide", "\n".join([*lines[:4], *lines[i : i + 4], "@400000", lines[4], "@99999999999"]).encode())
    for one, text in zip(PLAY, lines):
        write("fuzz_command", b"\x00" + text.encode())
        write("fuzz_command", b"\x01" + msgpack.packb({"id": "c", **one}))
    write("fuzz_json", lines[1].encode())
    for request in REQUESTS:
        write("fuzz_http", b"\x07" + request)
    for one in LINES:
        write("fuzz_options", one)
    for place in (0, 4096 + 40, 8192 + 100, 12288 + 2000):
        write("fuzz_journal", place.to_bytes(4, "big") + b"\x01")
    write("fuzz_manifest", json.dumps(MANIFEST).encode())


if __name__ == "__main__":
    main()
