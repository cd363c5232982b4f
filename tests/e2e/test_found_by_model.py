"""What the model of the rules (tests/model) found: docs/testing.md has the table. Each row that was the engine's fault, or was
settled in docs/api.md, is shown here or where the table says."""

from datetime import datetime, timedelta, timezone


def in_days(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def policies(engine, **values):
    assert engine.http("PUT", "/api/admin/policies", values).status == 200


# balanceMax is of the balance that a charge leads to: a charge above it that repays a debt is fine, up to the limit and no further.
def test_balance_max_out_of_debt(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    policies(engine, balanceMax=2000)
    debt = {"userId": "kim", "amount": -5000, "reason": "counted twice", "approver": "choi"}
    assert engine.post("/api/admin/points/adjust", debt).json["debt"] == 5000
    refused = engine.post("/api/points/charge", {"userId": "kim", "amount": 7001})
    assert (refused.status, refused.code) == (422, "BALANCE_LIMIT")
    charged = engine.post("/api/points/charge", {"userId": "kim", "amount": 7000})
    assert (charged.status, charged.json["balance"]) == (200, 2000)


# Sold out before its opening, which was moved to later than the last hold: 0 seconds, not less.
def test_sold_out_before_opening(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    assert engine.post("/api/admin/concerts", {"concertId": "c", "title": "t"}).status == 201
    made = {"scheduleId": "s", "concertId": "c", "concertDate": in_days(30), "seats": [{"seatNo": 1, "price": 0}]}
    assert engine.post("/api/admin/schedules", made).status == 201
    held = engine.post("/api/reservations", {"userId": "kim", "scheduleId": "s", "seatNo": 1}).json["reservationId"]
    assert engine.http("PATCH", "/api/admin/schedules/s", {"bookingOpensAt": in_days(1)}).status == 200
    assert engine.post("/api/payments", {"userId": "kim", "reservationId": held}).status == 200
    for origin in ("opening", "first"):
        rows = engine.get(f"/api/rankings/sold-out?from={origin}").json["rankings"]
        assert [(row["scheduleId"], row["soldOutDurationSec"]) for row in rows] == [("s", 0)]
