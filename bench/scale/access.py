#!/usr/bin/python3
"""What access costs those who have it: `python3 bench/scale/access.py BINARY [SECONDS]`; `wrk` and `openssl` are needed.

- Charges at 500 a second by one who has a key: p50 and p99 from when a charge was due to its answer, alone and beside 1,000 requests a second
	readers    of somebody else who has a key
	strangers  with keys of no line of the file
	guessers   with the id of a line whose key was never shown, and another secret each time: worth a slow hash
- Charges without end over 64 connections (bench/wrk), with TLS and without: requests a second, and the engine's CPU time for each.

Prints JSON. Each way is measured three times, in turns; the middle one of each figure is told.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from certificates import Authority  # noqa: E402
from engine import Engine  # noqa: E402
from holders import FORM, Keys  # noqa: E402

CONNECTIONS, GOOD_A_SECOND, OTHERS_A_SECOND, ROUNDS = 16, 500, 1000, 3


def read(key):
    return f"GET /api/concerts HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\n\r\n".encode()


def request(key, user):
    body = json.dumps({"userId": user, "amount": 1000})
    head = f"POST /api/points/charge HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(size)
    return int(head[9:12])


async def keep_pace(port, a_second, seconds, requests, statuses):
    """Milliseconds from when each was due to its answer."""
    due, taken = asyncio.Queue(), []

    async def work():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (at := await due.get()) is not None:
            writer.write(next(requests))
            status = await answer(reader)
            taken.append((time.monotonic() - at) * 1000)
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    workers = [asyncio.create_task(work()) for _ in range(CONNECTIONS)]
    begun = time.monotonic()
    for number in range(int(a_second * seconds)):
        at = begun + number / a_second
        await asyncio.sleep(max(0, at - time.monotonic()))
        due.put_nowait(at)
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    return taken


def good(port, key, seconds):
    requests = (request(key, f"user-{number % 1000}") for number in range(10**9))
    statuses = {}
    taken = sorted(asyncio.run(keep_pace(port, GOOD_A_SECOND, seconds, requests, statuses)))
    assert set(statuses) == {200}, statuses
    return {"p50Ms": taken[len(taken) // 2], "p99Ms": taken[len(taken) * 99 // 100]}


def others(way, port, key, seconds):
    line, secret = FORM.match(key).groups()
    requests = {
        "readers": lambda number: read(key),
        "strangers": lambda number: request(f"ll_{number:016x}_{secret}", "intruder"),
        "guessers": lambda number: request(f"ll_{line}_{number:08d}{secret[8:]}", "intruder"),
    }[way]
    statuses = {}
    asyncio.run(keep_pace(port, OTHERS_A_SECOND, seconds, (requests(number) for number in range(10**9)), statuses))
    assert not set(statuses) - ({200} if way == "readers" else {401, 429}), statuses


def beside(binary, place, seconds):
    keys = Keys(binary, place / "keys")
    client, shown = keys.add("shop", "client"), {"readers": "reader", "strangers": "reader", "guessers": "unused"}
    for name in ("reader", "unused"):
        keys.add(name, "client")
    engine = Engine(binary, place / "guarded", None, ["--keys", keys.path]).start()
    rows = {"alone": [], **{way: [] for way in shown}}
    for key in (client, keys.of["reader"]):
        assert engine.get("/api/concerts", headers={"X-Api-Key": key}).status == 200  # its slow hash is done
    good(engine.port, client, 2)
    for _ in range(ROUNDS):
        rows["alone"].append(good(engine.port, client, seconds))
        for way, name in shown.items():
            command = [sys.executable, "-B", __file__, "--others", way, str(engine.port), str(keys.file_of(name)), str(seconds + 2)]
            with subprocess.Popen(command) as beside_it:
                time.sleep(1)
                rows[way].append(good(engine.port, client, seconds))
                assert beside_it.wait() == 0
    engine.stop()
    return {way: middle(found) for way, found in rows.items()}


def middle(rows):
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}


def cpu_seconds(engine):
    fields = Path(f"/proc/{engine.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wrk(engine, seconds):
    before = cpu_seconds(engine)
    done = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", "bench/wrk/charges.lua", engine.url], cwd=ROOT, env={**os.environ, "BENCH_ACCOUNTS": "10000"},
        capture_output=True, text=True, check=True,
    )
    row = json.loads(done.stdout.strip().splitlines()[-1])
    assert not row["failed"], row
    cpu_us = (cpu_seconds(engine) - before) * 1e6 / row["requests"]
    return {"aSecond": row["requests"] / row["seconds"], "p50Us": row["p50Us"], "p99Us": row["p99Us"], "cpuUsEach": cpu_us}


def with_tls(binary, place, seconds):
    ca = Authority(place / "ca")
    pair = ca.sign("engine", "IP:127.0.0.1")
    rows = {"plain": [], "tls": []}
    engines = {"plain": Engine(binary, place / "plain").start(), "tls": Engine(binary, place / "tls", None, pair.options).start()}
    for _ in range(ROUNDS):
        for way, engine in engines.items():
            rows[way].append(wrk(engine, seconds))
    for engine in engines.values():
        engine.stop()
    return {way: middle(found) for way, found in rows.items()}


def main():
    if sys.argv[1] == "--others":
        others(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_text().strip(), float(sys.argv[5]))
        return
    binary, seconds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as place:
        found = {"charges": beside(binary, Path(place), seconds), "tls": with_tls(binary, Path(place), seconds)}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
