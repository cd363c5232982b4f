#!/usr/bin/python3
"""Data directories as earlier versions of the program left them: kept for ever, read by test_schema_changes.py.

	old_directory.py BINARY PLACE      makes one with BINARY, which is built from the commit before a change of schemas/

PLACE (tests/vectors/directory-N, N the format of its blocks) then holds directory.tar.xz, the directory itself, and
answers.json: what the program of then answered. A directory is made once, and never again: its worth is that it is old.
Nothing in it comes to be due, so that an engine that starts on it in a later year decides nothing by itself.
"""

import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from engine import Engine, run
from samples import must

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
NAME = "directory.tar.xz"
DATES = {"concertDate": "2090-03-02", "bookingClosesAt": "2090-03-01T00:00:00Z"}
READS = [
    "/api/concerts",
    "/api/schedules/seoul-1",
    "/api/schedules/seoul-2",
    "/api/concerts/dates?concertId=seoul",
    "/api/concerts/seats?scheduleId=seoul-1",
    "/api/concerts/seats?scheduleId=seoul-2",
    *(f"/api/points/{what}?userId={user}" for user in ("kim", "lee", "park") for what in ("balance", "history")),
    "/api/rankings/popular?window=all",
    "/api/rankings/sold-out?from=first",
    *(f"/api/receipts/{key}" for key in ("date", "more", "too-much", "cancel-2", "charge-kim")),
]


def schedule(name, seats):
    listed = [{"seatNo": n, "section": "A", "grade": "VIP", "price": 1000 * n} for n in range(1, seats + 1)]
    return {"scheduleId": name, "concertId": "seoul", "concertDate": "2090-03-01T09:00:00Z", "seats": listed}


def buy(engine, user, name, seats):
    held = must(engine.post("/api/reservations", {"userId": user, "scheduleId": name, "seatNos": seats}), 201)
    return must(engine.post("/api/payments", {"reservationId": held["reservationId"], "userId": user}), 200)


def tell_story(engine):
    """A little of everything that an event can be made of; returns the paths of what it made."""
    must(engine.http("PUT", "/api/admin/policies", {"refundTable": [[0, 70]], "refundFullWithinSeconds": 0}), 200)
    must(engine.post("/api/admin/users", {"userId": "kim"}), 201)
    must(engine.post("/api/admin/concerts", {"concertId": "seoul", "title": "서울의 밤"}), 201)
    for name, seats in (("seoul-1", 3), ("seoul-2", 2)):
        must(engine.post("/api/admin/schedules", schedule(name, seats)), 201)
    added = [{"seatNo": 4, "price": 0}, {"seatNo": 5, "section": "B", "grade": "S", "price": 500}]
    must(engine.post("/api/admin/schedules/seoul-1/seats", {"seats": added}, key="more"), 200)
    must(engine.http("PATCH", "/api/admin/schedules/seoul-1", DATES, key="date"), 200)
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 20000}, key="charge-kim"), 200)
    bonus = {"userId": "lee", "amount": 9000, "source": "bonus", "expiresAt": "2090-01-01T00:00:00Z"}
    must(engine.post("/api/points/charge", bonus), 200)
    must(engine.post("/api/admin/points/adjust", {"userId": "park", "amount": -50, "reason": "an error", "approver": "choi"}), 200)
    used = must(engine.post("/api/points/use", {"userId": "lee", "amount": 700, "reference": "coffee"}), 200)
    must(engine.post("/api/points/refund", {"useId": used["useId"], "amount": 300}), 200)
    must(engine.post("/api/points/use", {"userId": "lee", "amount": 500000}, key="too-much"), 402)
    kept = must(engine.post("/api/points/holds", {"userId": "kim", "amount": 400}), 201)
    must(engine.post(f"/api/points/holds/{kept['holdId']}/capture", {"amount": 150}), 200)
    given_up = must(engine.post("/api/points/holds", {"userId": "lee", "amount": 111}), 201)
    must(engine.post(f"/api/points/holds/{given_up['holdId']}/release"), 200)
    token = must(engine.post("/api/queue/token", {"userId": "kim"}), 201)["token"]
    must(engine.http("DELETE", "/api/queue/token", headers={"Authorization": f"Bearer {token}"}), 204)
    payments = [buy(engine, "kim", "seoul-1", [1, 2]), buy(engine, "lee", "seoul-1", [3]), buy(engine, "kim", "seoul-2", [1, 2])]
    must(engine.post(f"/api/payments/{payments[1]['paymentId']}/cancel"), 200)
    held = must(engine.post("/api/reservations", {"userId": "park", "scheduleId": "seoul-1", "seatNos": [4, 5]}), 201)
    must(engine.http("DELETE", f"/api/reservations/{held['reservationId']}"), 200)
    must(engine.post("/api/admin/schedules/seoul-2/cancel", {"reason": "flood"}, key="cancel-2"), 202)
    engine.wait_for(lambda: must(engine.get("/api/schedules/seoul-2"), 200)["status"] == "CANCELLED", "the cancellation")
    reservations = [held["reservationId"], *(one["reservationId"] for one in payments)]
    return [f"/api/reservations/{one}" for one in reservations] + [f"/api/payments/{one['paymentId']}" for one in payments]


def events_of(binary, data):
    return run(binary, "journal", "cat", f"local:{data}/journal", check=0).stdout.splitlines()


def make(binary, place):
    with tempfile.TemporaryDirectory() as room:
        data = Path(room) / "data"
        engine = Engine(binary, data).start()
        paths = READS + tell_story(engine)
        answers = {
            "software": engine.status()["version"],
            "position": engine.status()["position"],
            "reads": {path: must(engine.get(path), 200) for path in paths},
        }
        if engine.stop() != 0:
            sys.exit(f"the engine did not end well:\n{engine.errors()}")
        answers["digest"] = json.loads(run(binary, "verify", "--data", data, "--json", check=0).stdout)["digest"]
        answers["events"] = events_of(binary, data)
        (data / "journal" / "secret").unlink()  # of this engine alone; another is made where there is none
        (data / "lock").unlink()
        place.mkdir()
        with tarfile.open(place / NAME, "w:xz", preset=9) as archive:
            archive.add(data, "data", filter=nobodys)
        (place / "answers.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


def nobodys(member):
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def unpack(number, to):
    """The directory of format `number` as TO, and what the program of then answered on it."""
    place = VECTORS / f"directory-{number}"
    with tarfile.open(place / NAME) as archive:
        archive.extractall(to.parent)
    shutil.move(to.parent / "data", to)
    return json.loads((place / "answers.json").read_text())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(sys.argv[1], Path(sys.argv[2]))
