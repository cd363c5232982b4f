"""The waiting room (DESIGN.md 3.3): tokens WAITING -> ACTIVE -> EXPIRED, first come first served.

Free places are filled, and tokens ended, by the engine within a second: between those moments the model knows only what may
be. It then believes what the engine shows, as long as that is possible (`see`), and keeps to it afterwards; `settle` says what
must be once a second has passed.
"""

from words import Name, Refusal, Rejection, SECONDS, Such, text_of


class Token:
    def __init__(self, names, user, queue, number, now, expires):
        self.name = Name(names, "token", self)
        self.user, self.queue, self.number = user, queue, number
        self.status, self.expires, self.perhaps_over = "WAITING", expires, False

    def may_be_over(self, now):
        return self.status != "EXPIRED" and self.expires is not None and self.expires <= now


class Waiting:
    def __init__(self, ledger):
        self.ledger, self.names, self.policy = ledger, ledger.names, ledger.policy
        self.tokens = []
        self.loose = set()  # rooms where somebody may have had a turn that nobody saw, because there once was place
        self.brief = False  # whether turns were ever so short that one may begin and end while nobody looks

    def of(self, queue, status):
        return [one for one in self.tokens if one.queue == queue and one.status == status]

    def policy_changes(self, now):
        """What was possible under the old policy may have happened."""
        self.loose.update(one for one in {token.queue for token in self.tokens} if self.unsure(one, now))

    def policy_changed(self):
        self.brief = self.brief or self.policy.queueActiveSeconds < 60

    def unsure(self, queue, now):
        """Whether the engine has something left to do that nobody waits for."""
        free = self.policy.queueActiveMax - len(self.of(queue, "ACTIVE"))
        due = any(self.may_be_gone(one, now) for one in self.tokens if one.queue == queue)
        return due or queue in self.loose or (free > 0 and self.of(queue, "WAITING"))

    def may_have_passed(self, token, unsure):
        """Whether its turn may have begun and ended while nobody looked."""
        if token.status == "ACTIVE":
            return token.expires is None and (self.brief or token.perhaps_over)
        return self.brief and token.status == "WAITING" and bool(unsure)

    def may_be_gone(self, token, now):
        return token.may_be_over(now) or (token.status == "ACTIVE" and self.may_have_passed(token, False))

    def activate(self, token, expires):
        """The engine shows it as active, so all before it have had their turn; None where one's end is not known."""
        for one in self.of(token.queue, "WAITING"):
            if one.number < token.number:
                one.perhaps_over = one.may_be_over(self.ledger.time)  # it may as well have waited too long
                one.status, one.expires = "ACTIVE", None
        token.status, token.expires = "ACTIVE", expires

    def shown(self, token, position, status, expires):
        return {
            "token": token.name,
            "userId": token.user,
            "queuePosition": position,
            "estimatedWaitTime": SECONDS,
            "status": status,
            "expiresAt": expires,
        }

    # ---- commands ----

    def enter(self, now, userId, queueId="default"):
        unsure, old = self.unsure(queueId, now), self.live(userId, queueId)
        if old and self.ledger.seen_status == 201 and (old.may_be_over(now) or self.may_have_passed(old, unsure)):
            old.status, old = "EXPIRED", None
        if old:
            self.ledger.reading = True
            return 200, self.see(old, unsure)
        waiting, active = self.of(queueId, "WAITING"), self.of(queueId, "ACTIVE")
        token = Token(self.names, userId, queueId, len(self.tokens), now, now + self.policy.queueWaitSeconds * 1000)
        at_once = not waiting and len(active) < self.policy.queueActiveMax
        if unsure:
            at_once = self.ledger.seen_body.get("status") == "ACTIVE"
        self.tokens.append(token)
        if at_once:
            self.activate(token, now + self.policy.queueActiveSeconds * 1000)
            return 201, self.shown(token, 0, "ACTIVE", text_of(token.expires))
        place = len(waiting) + 1
        if unsure:
            place = Such(f"1..{place}", lambda value, most=place: 1 <= value <= most)
        return 201, self.shown(token, place, "WAITING", text_of(token.expires))

    def see(self, token, unsure):
        """What an answer that shows the token must look like."""
        if unsure and token.status == "WAITING" and self.ledger.seen_body.get("status") == "ACTIVE":
            self.activate(token, None)
        if token.status == "ACTIVE":
            known = text_of(token.expires) if token.expires else Such("a time", lambda value: isinstance(value, str))
            return self.shown(token, 0, "ACTIVE", known)
        place = 1 + sum(one.number < token.number for one in self.of(token.queue, "WAITING"))
        if unsure:
            place = Such(f"1..{place}", lambda value, most=place: 1 <= value <= most)
        return self.shown(token, place, "WAITING", text_of(token.expires))

    def leave(self, now, queueToken):
        token = self.genuine(queueToken)
        unsure = self.unsure(token.queue, now)
        unknown = (token.status == "ACTIVE" and token.expires is None) or self.may_have_passed(token, unsure)
        ended = token.status == "EXPIRED" or token.may_be_over(now)
        if unknown:
            ended = self.ledger.seen.get("outcome") == "read"
        self.ledger.reading = ended
        token.status = "EXPIRED"
        return 204, None

    # ---- what others ask ----

    def live(self, user, queue):
        return next((one for one in self.tokens if one.user == user and one.queue == queue and one.status != "EXPIRED"), None)

    def genuine(self, text):
        token = self.names.find("token", text)
        if not token:
            raise Rejection(401, "TOKEN_INVALID")
        return token

    def admit(self, now, text, user, queue):
        token = self.genuine(text)
        if token.user != user or token.queue != queue or token.status == "EXPIRED":
            raise Refusal(403, "QUEUE_NOT_ACTIVE")
        refused = self.ledger.seen_code == "QUEUE_NOT_ACTIVE"
        if token.status == "ACTIVE" and token.expires is not None and token.expires <= now:
            token.status = "EXPIRED"
        elif token.status == "ACTIVE" and token.expires is None and refused:
            token.status = "EXPIRED"  # its turn began at a time that nobody knows
        elif token.status == "WAITING":
            ahead = sum(one.number < token.number for one in self.of(queue, "WAITING"))
            due = sum(self.may_be_gone(one, now) for one in self.of(queue, "ACTIVE") + self.of(queue, "WAITING"))
            free = self.policy.queueActiveMax - len(self.of(queue, "ACTIVE")) + due
            if (ahead < free or queue in self.loose) and not refused:
                self.activate(token, None)
        if token.status != "ACTIVE":
            raise Refusal(403, "QUEUE_NOT_ACTIVE")

    def paid(self, now, user, queue):
        token = self.live(user, queue)
        if token:
            token.status = "EXPIRED"

    def learn(self, token, status, until):
        """What `GET /api/queue/status` says when all has settled; a sentence when it cannot be."""
        if token.status == "EXPIRED" or status == "EXPIRED":
            own, unknown = token.status, self.may_have_passed(token, self.brief)
            possible = own == "EXPIRED" or unknown or token.may_be_over(self.ledger.time)
            token.status = "EXPIRED"
            return None if possible and status == "EXPIRED" else f"a token that is {own} is shown as {status}"
        if status == "ACTIVE" and token.status == "WAITING":
            self.activate(token, until)
        if token.status != status:
            return f"a token that is {token.status} is shown as {status}"
        if status == "ACTIVE":
            token.expires = until
        return None
