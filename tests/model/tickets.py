"""Concerts, schedules, seats, reservations, payments, and the rankings over them (DESIGN.md 3.2 and 3.4)."""

from words import ANY_TIME, Name, Refusal, Rejection, Such, text_of


def fits_a_block(seats):
    """An entry that does not fit a block of 1 MiB is none. generate.py draws what is far from the limit, on either side."""
    if sum(8 + len(seat.get("section") or "") + len(seat.get("grade") or "") for seat in seats) > 1 << 20:
        raise Rejection(413, "ENTRY_TOO_LARGE")


class Seat:
    def __init__(self, seatNo, price, section=None, grade=None):
        self.number, self.price, self.section, self.grade = seatNo, price, section, grade
        self.reservation = None

    def status(self):
        if not self.reservation:
            return "AVAILABLE"
        return "HELD" if self.reservation.status == "HELD" else "RESERVED"

    def shown(self):
        return {
            "seatNo": self.number,
            "section": self.section,
            "grade": self.grade,
            "price": self.price,
            "status": self.status(),
        }


class Schedule:
    def __init__(self, name, concert, show, opens, closes, queue, created):
        self.name, self.concert, self.show, self.opens, self.closes = name, concert, show, opens, closes
        self.queue, self.created, self.status = queue, created, "OPEN"
        self.seats, self.reservations = {}, []
        self.first_confirmed = None
        self.sold_out = None  # (ms from opening, ms from the first confirmation, position)
        self.counts = {}  # day of confirmation -> [seats, position of the last change]

    def remaining(self):
        return sum(one.status in ("HELD", "CONFIRMED") for one in self.reservations)

    def money(self):
        """What was ever paid for its seats, and what of that was given back."""
        sold = [one for one in self.reservations if one.payment]
        back = [one.payment.cancelled[1] for one in sold if one.payment.cancelled]
        return {"paidAmount": sum(one.price for one in sold), "refundedAmount": sum(back)}


class Reservation:
    def __init__(self, names, user, schedule, seats, now, expires):
        self.name = Name(names, "reservation", self)
        self.user, self.schedule, self.seats, self.created, self.expires = user, schedule, seats, now, expires
        self.price = sum(seat.price for seat in seats)
        self.status, self.payment = "HELD", None

    def shown(self):
        return {
            "reservationId": self.name,
            "userId": self.user,
            "scheduleId": self.schedule.name,
            "concertId": self.schedule.concert,
            "seatNos": [seat.number for seat in self.seats],
            "price": self.price,
            "status": self.status,
            "createdAt": text_of(self.created),
            "expiresAt": text_of(self.expires),
        }

    def end(self, status):
        self.status = status
        for seat in self.seats:
            seat.reservation = None


class Payment:
    def __init__(self, names, reservation, paid, day):
        self.name = Name(names, "payment", self)
        self.reservation, self.paid, self.day = reservation, paid, day
        self.use, self.cancelled = None, None  # cancelled: (time, refund, fee)
        self.balance = None

    def shown(self):
        shown = {
            "paymentId": self.name,
            "reservationId": self.reservation.name,
            "userId": self.reservation.user,
            "amount": self.reservation.price,
            "status": "CANCELLED" if self.cancelled else "SUCCESS",
            "paidAt": text_of(self.paid),
            "remainingBalance": self.balance,
            "useId": self.use.name if self.use else None,
        }
        if self.cancelled:
            time, refund, fee = self.cancelled
            shown.update(cancelledAt=ANY_TIME if time is None else text_of(time), refundAmount=refund, fee=fee)
        return shown


class Tickets:
    def __init__(self, ledger):
        self.ledger, self.names, self.policy, self.points = ledger, ledger.names, ledger.policy, ledger.points
        self.concerts, self.schedules, self.reservations = {}, {}, []
        self.held = []

    # ---- time ----

    def advance(self, now):
        for one in self.held:
            if one.status == "HELD" and one.expires <= now:
                one.end("EXPIRED")
                self.ledger.note("a reservation expired")
        self.held = [one for one in self.held if one.status == "HELD"]

    # ---- finding ----

    def schedule(self, name):
        if name not in self.schedules:
            raise Rejection(404, "SCHEDULE_NOT_FOUND")
        return self.schedules[name]

    def change(self, name):
        schedule = self.schedule(name)
        if schedule.status != "OPEN":
            raise Refusal(409, "SCHEDULE_CANCELLED")
        return schedule

    def on_day(self, concertId, date):
        """The schedule that `concertId` and `date` stand for."""
        if concertId not in self.concerts:
            raise Rejection(404, "CONCERT_NOT_FOUND")
        found = [
            one
            for one in self.schedules.values()
            if one.concert == concertId and self.policy.day(one.show).isoformat() == date
        ]
        if not found:
            raise Rejection(404, "SCHEDULE_NOT_FOUND")
        living = [one.name for one in found if one.status == "OPEN"]
        if len(living) > 1:
            raise Rejection(409, "SCHEDULE_AMBIGUOUS")  # no name of one schedule, so no command
        return living[0] if living else max(one.name for one in found)

    # ---- concerts and schedules ----

    def create_concert(self, now, concertId, title):
        if concertId in self.concerts:
            raise Refusal(409, "CONCERT_EXISTS")
        self.concerts[concertId] = title
        return 201, {"concertId": concertId, "title": title}

    def create_schedule(self, now, scheduleId, concertId, concertDate, seats, bookingOpensAt=None, bookingClosesAt=None, queueId="default"):
        if concertId not in self.concerts:
            raise Rejection(404, "CONCERT_NOT_FOUND")
        if scheduleId in self.schedules:
            raise Refusal(409, "SCHEDULE_EXISTS")
        fits_a_block(seats)
        one = Schedule(scheduleId, concertId, concertDate, bookingOpensAt, bookingClosesAt, queueId, now)
        one.seats = {seat["seatNo"]: Seat(**seat) for seat in seats}
        self.schedules[scheduleId] = one
        return 201, {"scheduleId": scheduleId, "totalSeats": len(one.seats)}

    def add_seats(self, now, scheduleId, seats):
        one = self.change(scheduleId)
        if one.first_confirmed is not None:
            raise Refusal(409, "SALES_STARTED")
        taken = sorted(seat["seatNo"] for seat in seats if seat["seatNo"] in one.seats)
        if taken:
            raise Refusal(409, "SEAT_EXISTS", seatNos=taken)
        fits_a_block(seats)
        one.seats.update({seat["seatNo"]: Seat(**seat) for seat in seats})
        return 200, {"scheduleId": scheduleId, "addedSeats": len(seats), "totalSeats": len(one.seats)}

    def update_schedule(self, now, scheduleId, concertDate=None, bookingOpensAt=None, bookingClosesAt=None):
        one = self.change(scheduleId)
        one.show = one.show if concertDate is None else concertDate
        one.opens = one.opens if bookingOpensAt is None else bookingOpensAt
        one.closes = one.closes if bookingClosesAt is None else bookingClosesAt
        return 200, {
            "scheduleId": scheduleId,
            "concertDate": text_of(one.show),
            "bookingOpensAt": text_of(one.opens),
            "bookingClosesAt": text_of(one.closes),
        }

    def cancel_schedule(self, now, scheduleId, reason):
        """The doors close at once; what is held and sold goes back step by step, and how far it is nobody can know here."""
        one = self.schedule(scheduleId)
        if one.status == "OPEN":
            one.status = "CANCELLING"
            self.ledger.cancelling.append(one)
            return 202, {"scheduleId": scheduleId, "status": "CANCELLING", "remaining": one.remaining()}
        self.ledger.reading = True
        most = one.remaining()
        if one.status == "CANCELLED":
            return 200, {"scheduleId": scheduleId, "status": "CANCELLED", "remaining": 0}
        return 200, {
            "scheduleId": scheduleId,
            "status": Such("CANCELLING or CANCELLED", lambda value: value in ("CANCELLING", "CANCELLED")),
            "remaining": Such(f"0..{most}", lambda value: type(value) is int and 0 <= value <= most),
        }

    def finish_cancelling(self, schedule, now):
        """When all of it is done: every hold ended, every sale refunded in full, at the times that the histories tell."""
        sold = []
        for one in schedule.reservations:
            if one.status == "HELD":
                one.end("CANCELLED")
            elif one.status == "CONFIRMED":
                reference = one.payment.name.value
                at, place = self.ledger.when(one.user, reference) if one.price else (None, None)
                sold.append((place or (0, 0), at, one))
        if sold:
            self.ledger.note("a schedule with sold seats was cancelled")
        for place, at, one in sorted(sold, key=lambda entry: entry[0]):
            if at is not None:
                self.points.advance(self.points.account(one.user), at)
                self.points.refund_use(one.payment.use, one.price, at, place[0])
            one.payment.cancelled = (at, one.price, 0)
            one.end("CANCELLED")
        schedule.status = "CANCELLED"

    # ---- reservations ----

    def reserve(self, now, userId, seatNos, scheduleId, queueToken=None):
        queue = self.ledger.queue
        if self.policy.queueRequired and queueToken is None:
            raise Rejection(401, "TOKEN_REQUIRED")
        schedule = self.schedule(scheduleId)
        if any(number not in schedule.seats for number in seatNos):
            raise Rejection(404, "SEAT_NOT_FOUND")
        if self.policy.queueRequired:
            queue.admit(now, queueToken, userId, schedule.queue)
        if schedule.status != "OPEN":
            raise Refusal(409, "SCHEDULE_CANCELLED")
        if (schedule.opens is not None and now < schedule.opens) or (schedule.closes is not None and now >= schedule.closes):
            raise Refusal(409, "BOOKING_CLOSED")
        seats = [schedule.seats[number] for number in sorted(seatNos)]
        taken = [seat.number for seat in seats if seat.reservation]
        if taken:
            raise Refusal(409, "SEAT_ALREADY_RESERVED", seatNos=taken)
        if len(seats) > self.policy.seatsPerReservation:
            raise Refusal(409, "SEAT_LIMIT")
        own = sum(len(one.seats) for one in schedule.reservations if one.user == userId and one.status in ("HELD", "CONFIRMED"))
        most = self.policy.seatsPerUserPerSchedule
        if most and own + len(seats) > most:
            raise Refusal(409, "SEAT_LIMIT")
        one = Reservation(self.names, userId, schedule, seats, now, now + self.policy.holdSeconds * 1000)
        for seat in seats:
            seat.reservation = one
        for where in (schedule.reservations, self.reservations, self.held):
            where.append(one)
        return 201, one.shown()

    def reservation(self, reservationId):
        one = self.names.find("reservation", reservationId)
        if not one:
            raise Rejection(404, "RESERVATION_NOT_FOUND")
        return one

    def cancel(self, now, reservationId, userId=None):
        one = self.reservation(reservationId)
        if userId is not None and userId != one.user:
            raise Refusal(403, "NOT_YOUR_RESERVATION")
        refund, fee = self.give_up(one, now)
        return 200, {"reservationId": reservationId, "status": "CANCELLED", "refundAmount": refund, "fee": fee}

    def cancel_payment(self, now, paymentId):
        payment = self.names.find("payment", paymentId)
        if not payment:
            raise Rejection(404, "PAYMENT_NOT_FOUND")
        if payment.cancelled:
            raise Refusal(409, "PAYMENT_CANCELLED")
        refund, fee = self.give_up(payment.reservation, now)
        return 200, {
            "paymentId": paymentId,
            "reservationId": payment.reservation.name,
            "status": "CANCELLED",
            "refundAmount": refund,
            "fee": fee,
        }

    def give_up(self, one, now):
        if one.status not in ("HELD", "CONFIRMED"):
            raise Refusal(409, "RESERVATION_NOT_ACTIVE")
        if one.status == "HELD":
            one.end("CANCELLED")
            return 0, 0
        if now >= one.schedule.show:
            raise Refusal(409, "REFUND_CLOSED")
        payment = one.payment
        refund = self.policy.refund(one.price, one.schedule.show, payment.paid, now)
        if refund:
            self.points.refund_use(payment.use, refund, now)
        payment.cancelled = (now, refund, one.price - refund)
        self.ledger.note("a payment was cancelled: " + ("nothing back" if not refund else "a part back" if refund < one.price else "all back"))
        one.end("CANCELLED")
        self.count(one.schedule, payment.day, -len(one.seats))
        return refund, one.price - refund

    # ---- payments ----

    def pay(self, now, reservationId, userId, amount=None):
        one = self.reservation(reservationId)
        if one.user != userId:
            raise Refusal(403, "NOT_YOUR_RESERVATION")
        if one.schedule.status == "CANCELLING" and one.status == "HELD" and self.ledger.seen_code == "RESERVATION_NOT_ACTIVE":
            one.end("CANCELLED")  # the background was there before
        if one.status == "CANCELLED":
            raise Refusal(409, "RESERVATION_NOT_ACTIVE")
        if one.status == "CONFIRMED":
            raise Refusal(409, "PAYMENT_CONFLICT")
        if one.status == "EXPIRED":
            raise Refusal(410, "RESERVATION_EXPIRED")
        if one.schedule.status != "OPEN":
            raise Refusal(409, "SCHEDULE_CANCELLED")
        if amount is not None and amount != one.price:
            raise Refusal(409, "AMOUNT_MISMATCH")
        account = self.points.account(userId)
        payment = Payment(self.names, one, now, self.policy.day(now))
        if one.price:
            self.points.enough(account, one.price)
            self.points.within("used", one.price)
            payment.use = self.points.spend(account, one.price, payment)
        payment.balance = account.balance
        one.status, one.payment = "CONFIRMED", payment
        self.ledger.queue.paid(now, userId, one.schedule.queue)
        self.confirmed(one, now, payment.day)
        return 200, payment.shown()

    # ---- rankings ----

    def confirmed(self, one, now, day):
        schedule = one.schedule
        if schedule.first_confirmed is None:
            schedule.first_confirmed = now
        self.count(schedule, day, len(one.seats))
        if not schedule.sold_out and all(seat.status() == "RESERVED" for seat in schedule.seats.values()):
            opened = schedule.created if schedule.opens is None else schedule.opens
            self.ledger.note("a schedule sold out")
            schedule.sold_out = (max(0, now - opened), now - schedule.first_confirmed, self.ledger.position)

    def count(self, schedule, day, seats):
        entry = schedule.counts.setdefault(day, [0, 0])
        entry[0] += seats
        entry[1] = self.ledger.position

    def row(self, rank, schedule, **more):
        shown = {"rank": rank, "scheduleId": schedule.name, "concertTitle": self.concerts[schedule.concert]}
        return {**shown, "concertDate": text_of(schedule.show), **more}

    def popular(self, inside):
        """`inside(day)`: whether a confirmation of that day counts."""
        found = []
        for one in self.schedules.values():
            days = [entry for day, entry in one.counts.items() if inside(day)]
            count = sum(entry[0] for entry in days)
            if count > 0 and one.status == "OPEN":
                found.append((-count, max(entry[1] for entry in days), one.name, one))
        return [self.row(rank, one, reservationCount=-count) for rank, (count, _, _, one) in enumerate(sorted(found), 1)]

    def sold_out(self, origin):
        found = [
            (one.sold_out[("opening", "first").index(origin)], one.sold_out[2], one.name, one)
            for one in self.schedules.values()
            if one.sold_out and one.status == "OPEN"
        ]
        return [
            self.row(rank, one, soldOutDurationSec=Such(f"{took / 1000}", lambda value, took=took: round(value * 1000) == took))
            for rank, (took, _, _, one) in enumerate(sorted(found), 1)
        ]

    # ---- sums ----

    def sums(self):
        seats = dict.fromkeys(("total", "available", "held", "reserved"), 0)
        for schedule in self.schedules.values():
            if schedule.status == "OPEN":
                for seat in schedule.seats.values():
                    seats["total"] += 1
                    seats[seat.status().lower()] += 1
        statuses = [one.status for one in self.reservations]
        return seats, {status: statuses.count(status) for status in ("HELD", "CONFIRMED", "EXPIRED", "CANCELLED")}
