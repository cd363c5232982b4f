"""Points: lots, uses, holds, debt, and the totals over them (DESIGN.md 3.1).

Lots that are due are taken away before anything else looks at an account (`advance`), as are holds: the engine does so by
entries of its own, when a command touches the account or by itself. When a hold comes back into a lot that has ended, the
time of that entry decides how long the new lot lasts; the model asks for it (`ledger.when`).
"""

from forms import AMOUNT_MAX, Malformed
from words import Name, Refusal, Rejection, text_of

TOTAL_MAX = 2**63 - 1
NEVER = float("inf")
SWEPT_MS = 10000  # by then the engine has got to what is due, even on a busy machine


class Lot:
    def __init__(self, names, source, amount, remaining, born, created, expires):
        self.name = Name(names, "lot", self)
        self.source, self.amount, self.remaining = source, amount, remaining
        self.born, self.created, self.expires = born, created, expires

    def order(self):
        return (NEVER if self.expires is None else self.expires, self.source != "bonus", self.born)

    def ended(self, now):
        return self.expires is not None and self.expires <= now

    def shown(self):
        return {
            "lotId": self.name,
            "source": self.source,
            "amount": self.amount,
            "remaining": self.remaining,
            "expiresAt": text_of(self.expires),
        }


class Account:
    def __init__(self, user):
        self.user, self.lots, self.holds, self.debt, self.history = user, [], [], 0, 0

    @property
    def held(self):
        return sum(hold.amount for hold in self.holds)

    @property
    def available(self):
        return sum(lot.remaining for lot in self.lots) - self.debt

    @property
    def balance(self):
        return self.available + self.held

    def live(self):
        return sorted((lot for lot in self.lots if lot.remaining), key=Lot.order)


class Use:
    def __init__(self, names, account, taken, payment=None):
        self.name = Name(names, "use", self)
        self.account, self.taken, self.payment = account, taken, payment
        self.refunded = 0

    @property
    def amount(self):
        return sum(amount for _, amount in self.taken)


class Hold:
    def __init__(self, names, account, taken, expires):
        self.name = Name(names, "hold", self)
        self.account, self.taken, self.expires, self.status = account, taken, expires, "HELD"
        self.swept = None  # (time, (entry, index)) of its end, once that was asked for
        self.amount = sum(amount for _, amount in taken)


class Points:
    def __init__(self, ledger):
        self.ledger, self.names, self.policy = ledger, ledger.names, ledger.policy
        self.accounts = {}
        self.totals = dict.fromkeys(("charged", "used", "refunded", "expired", "adjusted"), 0)

    def account(self, user):
        """The account, which may not be one yet: it is kept when something happens to it."""
        return self.accounts.get(user) or Account(user)

    # ---- time ----

    def advance(self, account, now):
        due = sorted((hold for hold in account.holds if hold.expires <= now), key=lambda hold: hold.expires)
        for hold in due:
            at, place = now, (self.ledger.position, 0)
            if any(lot.ended(now + SWEPT_MS) for lot, _ in hold.taken):
                hold.swept = hold.swept or self.ledger.when(account.user, hold.name.value)
                at, place = hold.swept
            if place[0] > self.ledger.position:
                break  # the engine got to it, and to those after it, later than the entry that is looked at
            self.expire(account, at)
            hold.status = "EXPIRED"
            self.ledger.note("a hold of points expired")
            account.holds.remove(hold)
            self.give_back(account, hold.taken, 0, hold.amount, at, place[0])
        self.expire(account, now)

    def expire(self, account, now):
        for lot in account.lots:
            if lot.remaining and lot.ended(now):
                self.totals["expired"] += lot.remaining
                lot.remaining = 0
                self.ledger.note("a lot expired")

    # ---- in and out ----

    def open_lot(self, account, source, amount, now, expires, position=None, index=0):
        """A credit: repays debt first; the lot, or None when nothing of it remains."""
        self.accounts[account.user] = account
        repaid = min(account.debt, amount)
        account.debt -= repaid
        if repaid:
            self.ledger.note("debt repaid")
        if repaid == amount:
            return None
        born = (self.ledger.position if position is None else position, index)
        lot = Lot(self.names, source, amount, amount - repaid, born, now, expires)
        account.lots.append(lot)
        return lot

    def take(self, account, amount):
        """[(lot, amount)...] in policy order. There is enough."""
        taken = []
        for lot in account.live():
            part = min(lot.remaining, amount)
            if not part:
                break
            lot.remaining -= part
            amount -= part
            taken.append((lot, part))
        assert not amount
        self.accounts[account.user] = account
        return taken

    def give_back(self, account, taken, skip, amount, now, position=None):
        """`amount` of what was taken, after the first `skip` of it, in the order in which it was taken."""
        index = 0
        for lot, part in taken:
            passed = min(skip, part)
            skip -= passed
            part = min(part - passed, amount)
            amount -= part
            if not part:
                continue
            if not lot.ended(now):
                repaid = min(account.debt, part)
                account.debt -= repaid
                lot.remaining += part - repaid
            elif self.policy.refundExpiredLot == "regrant":
                self.ledger.note("given back into an expired lot: regranted")
                lasts = min(lot.expires - lot.created, self.policy.regrantExpiresSeconds * 1000)
                self.open_lot(account, lot.source, part, now, now + lasts, position, index)
                index += 1
            else:
                self.ledger.note("given back into an expired lot: expires")
                repaid = min(account.debt, part)
                account.debt -= repaid
                self.totals["expired"] += part - repaid
        assert not amount

    def default_expiry(self, source, now):
        seconds = self.policy.bonusExpiresSeconds if source == "bonus" else self.policy.paidExpiresSeconds
        return now + seconds * 1000 if seconds else None

    def registered(self, user):
        if self.policy.registrationRequired and user not in self.ledger.users:
            raise Rejection(404, "USER_NOT_FOUND")

    def enough(self, account, amount):
        if account.available < amount:
            raise Refusal(402, "INSUFFICIENT_POINTS", balance=account.balance, available=account.available, required=amount)

    def in_future(self, now, expires):
        """A rejection tells no time: it came between the sending and the answer."""
        latest = self.ledger.answered if self.ledger.seen.get("outcome") == "rejected" else now
        if expires is not None and expires <= latest and (expires <= now or self.ledger.seen_code == "VALIDATION_ERROR"):
            raise Malformed("expiresAt")

    def within(self, total, amount):
        """A total stays within int64, and so does all that ever came in: charged, adjusted, and what is owed."""
        came_in = self.totals["charged"] + self.totals["adjusted"] + sum(one.debt for one in self.accounts.values())
        moved = [self.totals[total] + amount] + [came_in + amount] * (total != "used" and amount > 0)
        if any(not -TOTAL_MAX - 1 <= sum_ <= TOTAL_MAX for sum_ in moved):
            self.ledger.note("a total at its end")
            raise Refusal(422, "LEDGER_LIMIT")

    # ---- commands ----

    def charge(self, now, userId, amount, source="paid", expiresAt=None):
        self.in_future(now, expiresAt)
        self.registered(userId)
        account = self.account(userId)
        if amount > self.policy.chargeMax or (source == "paid" and amount < self.policy.chargeMin):
            raise Refusal(400, "INVALID_AMOUNT")
        most = min(self.policy.balanceMax or AMOUNT_MAX, AMOUNT_MAX)
        if account.balance + amount > most:
            raise Refusal(422, "BALANCE_LIMIT")
        self.within("charged", amount)
        self.totals["charged"] += amount
        lot = self.open_lot(account, source, amount, now, expiresAt or self.default_expiry(source, now))
        return 200, {
            "userId": userId,
            "balance": account.balance,
            "chargedAmount": amount,
            "lotId": lot.name if lot else None,
            "lastUpdated": text_of(now),
        }

    def use(self, now, userId, amount, reference=None):
        self.registered(userId)
        account = self.account(userId)
        self.enough(account, amount)
        self.within("used", amount)
        use = self.spend(account, amount)
        return 200, {
            "useId": use.name,
            "userId": userId,
            "balance": account.balance,
            "usedAmount": amount,
            "lots": [{"lotId": lot.name, "amount": part} for lot, part in use.taken],
            "lastUpdated": text_of(now),
        }

    def spend(self, account, amount, payment=None):
        self.totals["used"] += amount
        return Use(self.names, account, self.take(account, amount), payment)

    def refund(self, now, useId, amount=None):
        use = self.names.find("use", useId)
        if not use:
            raise Rejection(404, "USE_NOT_FOUND")
        if use.payment:
            raise Refusal(409, "USE_BELONGS_TO_PAYMENT")
        left = use.amount - use.refunded
        amount = left if amount is None else amount
        if not left or amount > left:
            raise Refusal(409, "REFUND_EXCEEDS_USE")
        if use.account.balance + amount > AMOUNT_MAX:
            raise Refusal(422, "BALANCE_LIMIT")
        self.refund_use(use, amount, now)
        return 200, {
            "userId": use.account.user,
            "balance": use.account.balance,
            "refundedAmount": amount,
            "remainingRefundable": left - amount,
        }

    def refund_use(self, use, amount, now, position=None):
        self.totals["refunded"] += amount
        if len(use.taken) > 1:
            self.ledger.note("a refund of a use of several lots")
        self.give_back(use.account, use.taken, use.refunded, amount, now, position)
        use.refunded += amount

    def hold(self, now, userId, amount, expiresInSeconds=None):
        self.registered(userId)
        account = self.account(userId)
        self.enough(account, amount)
        seconds = self.policy.pointHoldSeconds if expiresInSeconds is None else expiresInSeconds
        hold = Hold(self.names, account, self.take(account, amount), now + seconds * 1000)
        account.holds.append(hold)
        return 201, {
            "holdId": hold.name,
            "userId": userId,
            "amount": amount,
            "status": "HELD",
            "balance": account.balance,
            "available": account.available,
            "expiresAt": text_of(hold.expires),
        }

    def open_hold(self, holdId):
        hold = self.names.find("hold", holdId)
        if not hold:
            raise Rejection(404, "HOLD_NOT_FOUND")
        if hold.status == "EXPIRED":
            raise Refusal(410, "HOLD_EXPIRED")
        if hold.status != "HELD":
            raise Refusal(409, "HOLD_CLOSED")
        return hold

    def capture(self, now, holdId, amount=None):
        hold = self.open_hold(holdId)
        amount = hold.amount if amount is None else amount
        if amount > hold.amount:
            raise Refusal(409, "CAPTURE_EXCEEDS_HOLD")
        self.within("used", amount)
        account, rest, kept = hold.account, amount, []
        for lot, part in hold.taken:
            part = min(part, rest)
            rest -= part
            if part:
                kept.append((lot, part))
        use = Use(self.names, account, kept)
        self.totals["used"] += amount
        hold.status = "CAPTURED"
        if amount < hold.amount:
            self.ledger.note("a hold was captured in part")
        account.holds.remove(hold)
        self.give_back(account, hold.taken, amount, hold.amount - amount, now)
        return 200, {
            "holdId": holdId,
            "useId": use.name,
            "userId": account.user,
            "capturedAmount": amount,
            "releasedAmount": hold.amount - amount,
            "status": "CAPTURED",
            "balance": account.balance,
            "available": account.available,
        }

    def release(self, now, holdId):
        hold = self.open_hold(holdId)
        account = hold.account
        hold.status = "RELEASED"
        account.holds.remove(hold)
        self.give_back(account, hold.taken, 0, hold.amount, now)
        return 200, {
            "holdId": holdId,
            "userId": account.user,
            "releasedAmount": hold.amount,
            "status": "RELEASED",
            "balance": account.balance,
            "available": account.available,
        }

    def adjust(self, now, userId, amount, reason, approver, source="paid", expiresAt=None):
        self.in_future(now, expiresAt)
        self.registered(userId)
        account, lot = self.account(userId), None
        if account.balance + amount > AMOUNT_MAX or account.available + amount < -AMOUNT_MAX:
            raise Refusal(422, "BALANCE_LIMIT")
        self.within("adjusted", amount)
        self.totals["adjusted"] += amount
        if amount > 0:
            lot = self.open_lot(account, source, amount, now, expiresAt or self.default_expiry(source, now))
        else:
            here = min(-amount, sum(one.remaining for one in account.lots))
            self.take(account, here)
            account.debt += -amount - here
            if -amount > here:
                self.ledger.note("debt made")
        return 200, {
            "adjustmentId": Name(self.names, "adjustment", account),
            "userId": userId,
            "amount": amount,
            "balance": account.balance,
            "available": account.available,
            "debt": account.debt,
            "lotId": lot.name if lot else None,
        }

    # ---- reads ----

    def shown(self, user):
        account = self.accounts.get(user)
        if not account:
            return None
        return {
            "userId": user,
            "balance": account.balance,
            "held": account.held,
            "debt": account.debt,
            "available": account.available,
            "lots": [lot.shown() for lot in account.live()],
        }

    def sums(self):
        accounts = self.accounts.values()
        return {
            **self.totals,
            "held": sum(account.held for account in accounts),
            "debt": sum(account.debt for account in accounts),
            "balances": sum(account.balance for account in accounts),
        }
