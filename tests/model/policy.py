"""The policies of API.md section 5, as plain values."""

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

FIRST = {
    "holdSeconds": 300,
    "chargeMin": 1000,
    "chargeMax": 1000000,
    "balanceMax": 0,
    "seatsPerReservation": 4,
    "bonusExpiresSeconds": 31536000,
    "paidExpiresSeconds": 0,
    "lotOrder": "expiry-bonus-oldest",
    "refundExpiredLot": "regrant",
    "regrantExpiresSeconds": 2592000,
    "seatsPerUserPerSchedule": 0,
    "timeZone": "Asia/Seoul",
    "pointHoldSeconds": 600,
    "queueRequired": False,
    "queueActiveMax": 50,
    "queueWaitSeconds": 600,
    "queueActiveSeconds": 600,
    "refundTable": [[10, 100], [7, 90], [3, 80], [1, 70], [0, 10]],
    "refundFullWithinSeconds": 86400,
    "registrationRequired": False,
}


class Policy:
    def __init__(self):
        self.version, self.values = 1, dict(FIRST)

    def __getattr__(self, name):
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def set(self, values):
        self.values.update(values)
        self.version += 1
        return {"version": self.version, **self.values}

    def day(self, time_ms):
        """The calendar day, in the policy's time zone, that a time lies in."""
        return datetime.fromtimestamp(time_ms // 1000, timezone.utc).astimezone(ZoneInfo(self.timeZone)).date()

    def start_of_day(self, text):
        start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZoneInfo(self.timeZone))
        return round(start.timestamp() * 1000)

    def refund(self, price, show, paid, now):
        """What a buyer gets back who cancels `now`: the table by calendar days, or all soon after booking."""
        days = (self.day(show) - self.day(now)).days
        within = self.refundFullWithinSeconds
        if within and days >= 3 and now - paid <= within * 1000:
            return price
        for least, percent in sorted(self.refundTable, reverse=True):
            if days >= least:
                return price * percent // 100
        return 0
