"""The on-sale of `make demo`'s size over HTTP: bench/k6/onsale.js against an engine, by k6 where it is installed, else by node.

	onsale.py --binary PATH --place DIR --journal URL --users N

What the buyers were told must be what the ledger has. Prints its figures as one JSON object.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from engine import Engine, run  # noqa: E402

SCRIPTS = ROOT / "bench" / "k6"
HALLS = (50, 500, 2000, 5000, 10000)  # of 20,000 buyers, as in `make demo`


def tool():
    """How a script is run, and by what."""
    if shutil.which("k6"):
        return ["k6", "run", "--quiet"], "k6"
    return ["node", SCRIPTS / "run_with_node.mjs"], "node"


def play(name, url, **settings):
    """The summary of a script. A threshold that is missed is no error here: what came out is told."""
    command, what = tool()
    summary = Path(settings["SUMMARY"])
    done = subprocess.run(
        [*command, SCRIPTS / f"{name}.js"],
        env={**os.environ, "URL": url, **{key: str(value) for key, value in settings.items()}},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 99), done.stdout + done.stderr
    return json.loads(summary.read_text())["metrics"], what


def sold(engine, halls, name):
    seats = [seat for n in range(halls) for seat in engine.get(f"/api/concerts/seats?scheduleId=k6-{name}-{n}").json["seats"]]
    return sum(seat["status"] == "RESERVED" for seat in seats), sum(seat["status"] == "HELD" for seat in seats)


def onsale(binary, place, journal, users, vus=200, active=100):
    halls = [max(1, seats * users // 20000) for seats in HALLS]
    engine = Engine(binary, place / "onsale", journal).start()
    try:
        settings = {"USERS": users, "VUS": vus, "ACTIVE": active, "HALLS": ",".join(map(str, halls)), "RUN": "bench", "POLL": 0.1, "DURATION": "2h"}
        metrics, what = play("onsale", engine.url, SUMMARY=place / "onsale.json", **settings)
        value = lambda name: metrics[name]["values"]  # noqa: E731
        bought = value("seats_bought")["count"]
        assert (bought, 0) == sold(engine, len(halls), "bench"), "what the buyers were told is not what the ledger has"
        assert value("http_req_failed")["passes"] == 0, value("http_req_failed")
        assert bought + value("went_home")["count"] == value("iterations")["count"] == users, "not all buyers came to an end"
        assert engine.stop() == 0
    finally:
        engine.kill()
    run(binary, "verify", "--data", engine.data, check=0)
    took = value("http_req_duration")
    return {
        "tool": what,
        "users": users,
        "seats": sum(halls),
        "bought": bought,
        "conflicts": value("seats_taken_already")["count"],
        "requests": value("http_reqs")["count"],
        "perSecond": round(value("http_reqs")["rate"]),
        **{name: round(took[stat], 1) for name, stat in (("p50Ms", "med"), ("p95Ms", "p(95)"), ("p99Ms", "p(99)"), ("maxMs", "max"))},
        "failures": value("http_req_failed")["passes"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("--users", type=int, default=20000)
    asked = parser.parse_args()
    run(asked.binary, "journal", "create", asked.journal, check=0)
    print(json.dumps(onsale(asked.binary, asked.place, asked.journal, asked.users)))
