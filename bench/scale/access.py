#!/usr/bin/python3
"""What access costs those who have it: `python3 bench/scale/access.py BINARY [SECONDS]`; `wrk` and `openssl` are needed.

- Charges at 500 a second by one who has a key, alone and beside 1,000 requests a second with wrong keys: half of them of no line of the file,
  half with a line's id and another secret, which costs the engine a slow hash each. p50 and p99 from when a charge was due to its answer.
- Charges without end over 64 connections (bench/wrk), with TLS and without: requests a second, and connections opened a second.

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

CONNECTIONS, GOOD_A_SECOND, WRONG_A_SECOND, ROUNDS = 16, 500, 1000, 3


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


def wrong(port, key, seconds):
    line, secret = FORM.match(key).groups()
    keys = (f"ll_{line if number % 2 else f'{number:016x}'}_{number:08d}{secret[8:]}" for number in range(10**9))
    statuses = {}
    asyncio.run(keep_pace(port, WRONG_A_SECOND, seconds, (request(one, "intruder") for one in keys), statuses))
    assert not set(statuses) - {401, 429}, statuses
    return statuses


def beside(binary, place, seconds):
    keys = Keys(binary, place / "keys")
    client, other = keys.add("shop", "client"), keys.add("other", "client")
    engine = Engine(binary, place / "guarded", None, ["--keys", keys.path]).start()
    rows = {"alone": [], "beside": []}
    good(engine.port, client, 1)  # its slow hash is done
    for _ in range(ROUNDS):
        rows["alone"].append(good(engine.port, client, seconds))
        with subprocess.Popen([sys.executable, "-B", __file__, "--wrong", str(engine.port), other, str(seconds + 2)]) as intruder:
            time.sleep(1)
            rows["beside"].append(good(engine.port, client, seconds))
            assert intruder.wait() == 0
    metrics = {name: value for name, value in parsed(engine, client_key=keys.add("ops", "operator")).items() if "access" in name}
    engine.stop()
    return {**{way: middle(found) for way, found in rows.items()}, "metrics": metrics}


def parsed(engine, client_key):
    engine.wait_for(lambda: engine.get("/metrics", headers={"X-Api-Key": client_key}).status == 200, "the key to be known")
    text = engine.get("/metrics", headers={"X-Api-Key": client_key}).body.decode()
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if not line.startswith("#")}


def middle(rows):
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}


def wrk(url, seconds):
    done = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", "bench/wrk/charges.lua", url], cwd=ROOT, env={**os.environ, "BENCH_ACCOUNTS": "10000"},
        capture_output=True, text=True, check=True,
    )
    row = json.loads(done.stdout.strip().splitlines()[-1])
    assert not row["failed"], row
    return {"aSecond": row["requests"] / row["seconds"], "p50Us": row["p50Us"], "p99Us": row["p99Us"]}


def with_tls(binary, place, seconds):
    ca = Authority(place / "ca")
    pair = ca.sign("engine", "IP:127.0.0.1")
    rows = {"plain": [], "tls": []}
    engines = {"plain": Engine(binary, place / "plain").start(), "tls": Engine(binary, place / "tls", None, pair.options).start()}
    for _ in range(ROUNDS):
        for way, engine in engines.items():
            rows[way].append(wrk(engine.url, seconds))
    begun, count = time.monotonic(), 300
    for _ in range(count):
        engines["tls"].tls = ca.context()
        engines["tls"].own.__dict__.clear()
        engines["tls"].get("/healthz")
    found = {"handshakesASecondOfOnePythonClient": round(count / (time.monotonic() - begun))}
    for engine in engines.values():
        engine.stop()
    return {**{way: middle(rows) for way, rows in rows.items()}, **found}


def main():
    if sys.argv[1] == "--wrong":
        wrong(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
        return
    binary, seconds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as place:
        found = {"wrongKeys": beside(binary, Path(place), seconds), "tls": with_tls(binary, Path(place), seconds)}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
