"""What expectations are made of: ids that the engine chooses, values that are only bounded, and the comparison.

	Name("lot", thing)   an id that the ledger makes. The first answer that shows it binds it; from then on it must stay the
	                     same, and nothing else may have it.
	Such(what, test)     any value that passes the test
	Some({...})          an object that has at least these fields
	differences(expected, actual)   the first difference as a sentence, or None
"""

import re
from datetime import datetime, timezone

ID = re.compile(r"^[A-Za-z0-9._:-]{1,64}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def text_of(time_ms):
    """A time as the ledger writes it; None stays None."""
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ms % 1000:03d}Z"


def ms_of(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Names:
    """All ids that the ledger made, so that none is given twice."""

    def __init__(self):
        self.things = {}

    def find(self, kind, value):
        return self.things.get((kind, value))


class Name:
    def __init__(self, names, kind, thing):
        self.names, self.kind, self.thing, self.value = names, kind, thing, None

    def bind(self, value):
        """None, or why the value cannot be this thing's id."""
        if self.value is None:
            if not isinstance(value, str) or not ID.match(value):
                return f"{value!r} is no id"
            if (self.kind, value) in self.names.things:
                return f"{value!r} is the id of an older {self.kind}"
            self.value = value
            self.names.things[self.kind, value] = self.thing
        return None if self.value == value else f"expected {self.kind} {self.value!r}, the engine says {value!r}"

    def __repr__(self):
        return f"<{self.kind} {self.value or 'not named yet'}>"


class Such:
    def __init__(self, what, test):
        self.what, self.test = what, test

    def __repr__(self):
        return f"<{self.what}>"


class Some(dict):
    pass


MESSAGE = Such("a message", lambda value: isinstance(value, str) and value != "")
ANY_TIME = Such("a time", lambda value: isinstance(value, str) and TIME.match(value))
SECONDS = Such("seconds", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)


def differences(expected, actual, path=""):
    if isinstance(expected, Name):
        why = expected.bind(actual)
        return f"{path}: {why}" if why else None
    if isinstance(expected, Such):
        return None if expected.test(actual) else f"{path}: expected {expected.what}, the engine says {actual!r}"
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return f"{path}: expected an object, the engine says {actual!r}"
        missing = [name for name in expected if name not in actual]
        extra = [] if isinstance(expected, Some) else [name for name in actual if name not in expected]
        if missing or extra:
            return f"{path}: missing {missing}, not expected {extra}: {actual!r}"
        return next((d for name in expected if (d := differences(expected[name], actual[name], f"{path}.{name}"))), None)
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"{path}: expected {expected!r}, the engine says {actual!r}"
        pairs = enumerate(zip(expected, actual))
        return next((d for at, (e, a) in pairs if (d := differences(e, a, f"{path}[{at}]"))), None)
    if type(expected) is not type(actual) or expected != actual:
        return f"{path}: expected {expected!r}, the engine says {actual!r}"
    return None


class Refusal(Exception):
    """The rules say no: an entry."""

    outcome = "refused"

    def __init__(self, status, code, **details):
        super().__init__(code)
        self.status, self.code, self.details = status, code, details

    def body(self):
        return {"code": self.code, "message": MESSAGE, "details": Some(self.details)}


class Rejection(Refusal):
    """It cannot be a command, or names what is not there: no entry."""

    outcome = "rejected"
