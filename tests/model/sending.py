"""How commands travel to the engine: in arrays, as msgpack, alone, or each over its own endpoint. All ways give receipts.

	Sender(engine).send(how, [(n, element), ...]) -> [(element as it was sent, receipt), ...]

Over its own endpoint a command is answered without a receipt; it is put together from the answer and from what
`GET /api/receipts/{commandId}` says, which must be the same.
"""

import re
from urllib.parse import quote

import msgpack
from words import ID, differences

KIND = "application/msgpack"
HEADER_SAFE = re.compile(r"^[!-~]+$")

# type: (method, path, the field that stands in the path, the one that is a query parameter)
ROUTES = {
    "user.register": ("POST", "/api/admin/users", None, None),
    "concert.create": ("POST", "/api/admin/concerts", None, None),
    "schedule.create": ("POST", "/api/admin/schedules", None, None),
    "schedule.addSeats": ("POST", "/api/admin/schedules/{}/seats", "scheduleId", None),
    "schedule.update": ("PATCH", "/api/admin/schedules/{}", "scheduleId", None),
    "schedule.cancel": ("POST", "/api/admin/schedules/{}/cancel", "scheduleId", None),
    "policy.set": ("PUT", "/api/admin/policies", None, None),
    "points.adjust": ("POST", "/api/admin/points/adjust", None, None),
    "points.charge": ("POST", "/api/points/charge", None, None),
    "points.use": ("POST", "/api/points/use", None, None),
    "points.refund": ("POST", "/api/points/refund", None, None),
    "points.hold": ("POST", "/api/points/holds", None, None),
    "points.capture": ("POST", "/api/points/holds/{}/capture", "holdId", None),
    "points.release": ("POST", "/api/points/holds/{}/release", "holdId", None),
    "queue.enter": ("POST", "/api/queue/token", None, None),
    "queue.leave": ("DELETE", "/api/queue/token", None, None),
    "reservation.create": ("POST", "/api/reservations", None, None),
    "reservation.cancel": ("DELETE", "/api/reservations/{}", "reservationId", "userId"),
    "payment.create": ("POST", "/api/payments", None, None),
    "payment.cancel": ("POST", "/api/payments/{}/cancel", "paymentId", None),
}


class Unanswered(Exception):
    """The engine answered something that is no receipt."""


class Sender:
    def __init__(self, engine):
        self.engine = engine
        self.positions = set()  # of all entries that an answer told of

    def send(self, how, numbered):
        elements = [element for _, element in numbered]
        if how == "routes":
            found = [self.route(n, element) or (element, self.alone(element)) for n, element in numbered]
        elif how == "alone":
            found = [(element, self.alone(element)) for element in elements]
        else:
            found = list(zip(elements, self.array(elements, how == "msgpack")))
        return [(element, self.seen(receipt)) for element, receipt in found]

    def seen(self, receipt):
        if "position" in receipt:
            self.positions.add(receipt["position"])
        return receipt

    # ---- /api/commands ----

    def array(self, elements, packed):
        body, headers = elements, {}
        if packed:
            try:
                body, headers = msgpack.packb(elements), {"Content-Type": KIND, "Accept": KIND}
            except OverflowError:
                pass  # a number that only JSON can write
        reply = self.engine.post("/api/commands", body, headers=headers)
        receipts = self.read(reply)
        if not isinstance(receipts, list) or len(receipts) != len(elements):
            raise Unanswered(f"the array was answered with {reply.status} {reply.body[:500]!r}")
        return receipts

    def alone(self, element):
        """An element that is no object cannot go alone: an array of one."""
        if not isinstance(element, dict):
            return self.array([element], False)[0]
        reply = self.engine.post("/api/commands", element)
        receipt = self.read(reply)
        if not isinstance(receipt, dict) or "outcome" not in receipt:
            raise Unanswered(f"the command was answered with {reply.status} {reply.body[:500]!r}")
        return receipt

    def read(self, reply):
        if reply.status != 200:
            raise Unanswered(f"/api/commands answered {reply.status} {reply.body[:500]!r}")
        return msgpack.unpackb(reply.body) if reply.headers["Content-Type"] == KIND else reply.json

    # ---- the command's own endpoint ----

    def route(self, n, element):
        """(element, receipt); None when it cannot be said over its endpoint: what names the type, the key or the path is
        broken."""
        if not isinstance(element, dict) or not isinstance(element.get("type"), str) or element["type"] not in ROUTES:
            return None
        sent = {name: value for name, value in element.items() if name != "actor"}
        key = sent.get("id")
        method, path, in_path, in_query = ROUTES[element["type"]]
        body = {name: value for name, value in sent.items() if name not in ("id", "type")}
        headers = {}
        if key is not None and not (isinstance(key, str) and ID.match(key)):
            return None
        if in_path:
            value = body.pop(in_path, None)
            if not isinstance(value, str) or not value:
                return None
            path = path.format(quote(value, safe=""))
        if in_query and in_query in body:
            value = body.pop(in_query)
            if not isinstance(value, str) or not value:
                return None
            path += f"?{in_query}={quote(value, safe='')}"
        token = body.get("queueToken")
        bearer = isinstance(token, str) and bool(HEADER_SAFE.match(token))
        if element["type"] == "queue.leave" and not bearer:
            return None
        if element["type"] in ("queue.leave", "reservation.create") and bearer and (n % 2 or method == "DELETE"):
            headers["Authorization"] = f"Bearer {body.pop('queueToken')}"
        return sent, self.receipt(sent, self.engine.http(method, path, body or None, headers=headers, key=key))

    def receipt(self, sent, reply):
        key = reply.headers["Idempotency-Key"]
        if sent.get("id") is not None and key != sent["id"]:
            raise Unanswered(f"the answer names the key {key!r}, not {sent['id']!r}")
        kept = self.engine.get(f"/api/receipts/{key}") if key else None
        told = {"status": reply.status, "body": reply.json}
        hit = {"hit": True} if reply.headers["Idempotency-Hit"] == "true" else {}
        if kept and kept.status == 200 and (hit or kept.json["position"] not in self.positions):
            why = differences({name: kept.json[name] for name in told}, told)
            if why or kept.json["position"] != reply.position:
                raise Unanswered(f"answer and receipt are not the same: {why}: {reply} {kept}")
            return self.seen({**kept.json, **hit})
        return {"commandId": key, "type": sent["type"], "outcome": "read" if reply.status < 300 else "rejected", **told, **hit}
