"""A small sale that tests of the command line look at, and ways to damage what it left."""

CONCERT = {"concertId": "seoul", "title": "서울의 밤"}
SCHEDULE = {
    "scheduleId": "seoul-1",
    "concertId": "seoul",
    "concertDate": "2030-03-01T09:00:00Z",
    "seats": [{"seatNo": n, "section": "A", "grade": "VIP", "price": 1000 * n} for n in (1, 2)],
}


def must(reply, status):
    assert reply.status == status, (reply.status, reply.body)
    return reply.json


def sell(engine):
    """One concert of two seats; kim pays for both in turn, lee has too few points. Returns what was answered."""
    must(engine.post("/api/admin/concerts", CONCERT), 201)
    must(engine.post("/api/admin/schedules", SCHEDULE), 201)
    made = {"charge": must(engine.post("/api/points/charge", {"userId": "kim", "amount": 10000}, key="charge-kim"), 200)}
    must(engine.post("/api/points/charge", {"userId": "lee", "amount": 1000}), 200)
    for seat in (1, 2):
        held = must(engine.post("/api/reservations", {"userId": "kim", "scheduleId": "seoul-1", "seatNo": seat}), 201)
        made[seat] = held["reservationId"]
        must(engine.post("/api/payments", {"reservationId": held["reservationId"], "userId": "kim"}), 200)
    must(engine.post("/api/points/use", {"userId": "lee", "amount": 5000}, key="use-lee"), 402)
    return made


def flushed(engine, ledgerline):
    """Waits until the snapshots show all that the engine has decided."""
    end = engine.status()["position"]

    def shown():
        done = ledgerline("query", "--data", engine.data, "rankings", "popular", "--json")
        return done.returncode == 0 and f'"position":"{end}"' in done.stdout

    engine.wait_for(shown, "the snapshots to reach the last entry")


def damage(path, needle, at=0):
    """Changes one byte at each place of `needle` in the file; there must be one."""
    data = bytearray(path.read_bytes())
    found = data.find(needle)
    assert found >= 0, f"{needle} is not in {path}"
    while found >= 0:
        data[found + at] ^= 1
        found = data.find(needle, found + len(needle))
    path.write_bytes(data)
