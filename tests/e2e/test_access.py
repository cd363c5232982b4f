"""Access comes before form, form before existence (API.md section 7): one rule over a command's endpoint and /api/commands."""

import itertools

import pytest
from engine import Engine

numbers = itertools.count(1)
FORGED = "tok-1.0123456789abcdef0123456789abcdef"


def fresh(kind):
    return f"{kind}-{next(numbers)}"


def expect(reply, status, code):
    assert (reply.status, reply.code) == (status, code), reply


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    engine = Engine(binary, tmp_path_factory.mktemp("access") / "data").start()
    assert engine.post("/api/admin/concerts", {"concertId": "c", "title": "t"}).status == 201
    yield engine
    engine.kill()


# A forged token is 401 whatever else is wrong, over its endpoint and over /api/commands alike; what is no credential is a wrong field.
@pytest.mark.parametrize(
    "changed, status",
    [
        ({"queueToken": FORGED}, 401),
        ({"queueToken": "none-1712", "seatNo": None}, 401),
        ({"queueToken": FORGED, "colour": 1}, 401),
        ({"queueToken": FORGED, "userId": 7}, 401),
        ({"queueToken": FORGED, "scheduleId": "nowhere"}, 401),
        ({"queueToken": "x" * 200}, 401),
        ({"queueToken": 7}, 400),
        ({"queueToken": 7, "seatNo": None}, 400),
        ({"queueToken": ""}, 400),
        ({"queueToken": ["x"]}, 400),
        ({"queueToken": None}, 201),
    ],
)
def test_access_before_form(server, changed, status):
    name = fresh("schedule")
    seats = [{"seatNo": 1, "price": 0}]
    made = server.post("/api/admin/schedules", {"scheduleId": name, "concertId": "c", "concertDate": "2040-01-01", "seats": seats})
    assert made.status == 201
    wish = {"userId": fresh("user"), "scheduleId": name, "seatNo": 1, **changed}
    code = {401: "TOKEN_INVALID", 400: "VALIDATION_ERROR", 201: None}[status]
    receipt = server.command({"id": fresh("id"), "type": "reservation.create", **wish})
    assert (receipt["status"], receipt["body"].get("code")) == (status, code), receipt
    if status == 201:
        return
    expect(server.post("/api/reservations", wish), status, code)
    if status == 401:
        bearer = {"Authorization": f"Bearer {wish.pop('queueToken')}"}
        expect(server.post("/api/reservations", wish, headers=bearer), 401, code)
        expect(server.post("/api/reservations", "{", headers=bearer), 401, code)
        expect(server.post("/api/reservations?colour=1", wish, headers=bearer, key="not an id"), 401, code)


# Also before what is wrong with the command's own id, which the receipt then cannot name; leaving is no other case.
def test_access_before_form_of_id_and_of_leaving(server):
    receipt = server.command({"id": "not an id", "type": "reservation.create", "queueToken": FORGED})
    assert (receipt["status"], receipt["commandId"]) == (401, None)
    receipt = server.command({"id": "leaves", "type": "queue.leave", "queueToken": FORGED, "colour": 1})
    assert (receipt["status"], receipt["commandId"]) == (401, "leaves")
    receipt = server.command({"id": "elsewhere", "type": "points.use", "queueToken": FORGED})
    assert receipt["status"] == 400
    expect(server.http("DELETE", "/api/queue/token", {"colour": 1}, headers={"Authorization": f"Bearer {FORGED}"}), 401, "TOKEN_INVALID")


# Where a token is needed and none is shown, nothing is told of what there is: by concert and day as little as by the schedule's id.
def test_token_required_before_existence(engines, tmp_path):
    engine = engines(tmp_path / "data").start()
    assert engine.http("PUT", "/api/admin/policies", {"queueRequired": True}).status == 200
    for place in ({"scheduleId": "nowhere"}, {"concertId": "nowhere", "date": "2030-01-01"}):
        expect(engine.post("/api/reservations", {"userId": "kim", "seatNo": 1, **place}), 401, "TOKEN_REQUIRED")
        receipt = engine.command({"type": "reservation.create", "userId": "kim", "seatNo": 1, **place})
        assert receipt["body"]["code"] == "TOKEN_REQUIRED"
    expect(engine.post("/api/reservations", {"userId": "kim", "scheduleId": "nowhere"}), 400, "VALIDATION_ERROR")
