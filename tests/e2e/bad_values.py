"""What a field must not be: rows for every field of every command, from schemas/commands.toml; a new field has them by itself.

	rows(command)     [Row(label, body, field)]: bodies as JSON text, each with one thing wrong, and the field that is named
	edges(command)    [Row]: bodies that are just right
	by_hand           what no description says

The values here are written from API.md; of the description only names, types and bounds are taken.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
sys.path.insert(0, str(SCHEMAS))

from generator import model  # noqa: E402

described = model.read(SCHEMAS)
COMMANDS = {command.title: command for command in described.commands}
RECORDS = {record.name: record for record in described.records}
AMOUNT_MAX, U32_MAX, SEAT_NO_MAX = 2**53 - 1, 2**32 - 2, 10**6


class Json(str):
    """A value as text, where json.dumps would not write it so."""


@dataclass
class Row:
    label: str
    body: str  # the members of an object, without its braces
    field: str

    @property
    def object(self):
        return "{" + self.body + "}"

    def element(self, command, key):
        """As an element of /api/commands."""
        head = f'"id":"{key}","type":"{command}"'
        return "{" + head + ("," + self.body if self.body else "") + "}"


def text(value):
    if isinstance(value, Json):
        return value
    if isinstance(value, dict):
        return "{" + members(value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value)


def members(fields):
    return ",".join(f"{json.dumps(name)}:{text(value)}" for name, value in fields.items())


# ---- values by type: label -> value ----

TYPES = {
    "a number": 7,
    "a fraction": Json("1.5"),
    "a string": "x",
    "true": True,
    "an array": [],
    "an object": {},
    "an array of one": ["x"],
    "deep": Json("[" * 6 + "]" * 6),
}


def other_types(*fine):
    return {label: value for label, value in TYPES.items() if label not in fine}


IDS = {
    "empty": "",
    "too long": "x" * 65,
    "far too long": "x" * 5000,
    "a blank": "a b",
    "a blank before": " a",
    "a line's end": "a\n",
    "a zero": "a\0",
    "a slash": "a/b",
    "another script": "김",
    "an emoji": "😀",
    "per cent": "a%20b",
    "at": "a@b",
    **other_types("a string"),
}
TEXTS = {"empty": "", "too long": "x" * 129, "too long in another script": "김" * 129, "too long in emoji": "😀" * 129, **other_types("a string")}
BOOLEANS = {"0": 0, "1": 1, "yes": "yes", "the word": "true", **other_types("true")}
NO_TIMES = {
    "empty": "",
    "no date": "tomorrow",
    "year only": "2030",
    "no zone": "2030-03-01T09:00:00",
    "small t": "2030-03-01t09:00:00Z",
    "small z": "2030-03-01T09:00:00z",
    "a blank for T": "2030-03-01 09:00:00Z",
    "blank behind": "2030-03-01T09:00:00Z ",
    "no seconds": "2030-03-01T09:00Z",
    "short month": "2030-3-1T09:00:00Z",
    "29 February 2030": "2030-02-29T09:00:00Z",
    "29 February 2100": "2100-02-29T09:00:00Z",
    "30 February": "2030-02-30T09:00:00Z",
    "31 April": "2030-04-31T09:00:00Z",
    "month 13": "2030-13-01T09:00:00Z",
    "month 0": "2030-00-01T09:00:00Z",
    "day 0": "2030-03-00T09:00:00Z",
    "day 32": "2030-03-32T09:00:00Z",
    "hour 24": "2030-03-01T24:00:00Z",
    "minute 60": "2030-03-01T09:60:00Z",
    "a leap second": "2016-12-31T23:59:60Z",
    "a leap second elsewhere": "2017-01-01T08:59:60+09:00",
    "second 60": "2030-03-01T09:00:60Z",
    "second 61": "2030-03-01T09:00:61Z",
    "four digits": "2030-03-01T09:00:00.1234Z",
    "no digits": "2030-03-01T09:00:00.Z",
    "a comma": "2030-03-01T09:00:00,123Z",
    "offset 24": "2030-03-01T09:00:00+24:00",
    "offset minute 60": "2030-03-01T09:00:00+09:60",
    "offset without colon": "2030-03-01T09:00:00+0900",
    "offset of hours": "2030-03-01T09:00:00+09",
    "zone by name": "2030-03-01T09:00:00KST",
    "both Z and offset": "2030-03-01T09:00:00Z+09:00",
    "before 1970": "1969-12-31T23:59:59.999Z",
    "before 1970 by its offset": "1970-01-01T00:00:00+09:00",
    "year 0": "0000-01-01T00:00:00Z",
    "year 10000": "10000-01-01T00:00:00Z",
    "year 10000 by its offset": "9999-12-31T23:59:59-00:01",
    "signed": "+2030-03-01T09:00:00Z",
    "below zero": "-2030-03-01T09:00:00Z",
    "the beginning of time": "1970-01-01T00:00:00Z",
    "milliseconds": 1900000000000,
    "milliseconds as text": "1900000000000",
    "far too long": "2030-03-01T09:00:00Z" * 500,
    **other_types("a string"),
    "other words": "x",
}
NO_DAYS = {
    "30 February": "2030-02-30",
    "29 February 2030": "2030-02-29",
    "31 November": "2030-11-31",
    "day 0": "2030-03-00",
    "short": "2030-3-1",
    "slashes": "2030/03/01",
    "before 1970": "1969-12-31",
    "year 0": "0000-01-01",
    "blank": "2030-03-1 ",
    "day and blank": "2030-03-01 ",
    "a week": "2030-W09-5",
    "digits only": "20300301",
    "empty": "",
}
TIMES_GOOD = {
    "plain": "2099-03-01T09:00:00Z",
    "milliseconds": "2099-03-01T09:00:00.123Z",
    "one digit": "2099-03-01T09:00:00.1Z",
    "east": "2099-03-01T09:00:00+23:59",
    "west": "2099-03-01T09:00:00-23:59",
    "29 February": "2096-02-29T09:00:00Z",
    "the last": "9999-12-31T23:59:59.999Z",
}


def integers(low, high):
    """Around the bounds, at the edges of int64, of double and of what JSON can say."""
    odd = {str(value): Json(value) for value in ("1.0", "1e3", "1E3", "1000.5", "-0", "-0.0", "1e400", "-1e400", "0e0")}
    around = {low - 1, high + 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1000, -(2**63), -(2**63) - 1, -1, 10**30, 2**32, 2**31, 2**32 + 1000}
    far = {str(number): number for number in sorted(around) if not low <= number <= high}
    return {**odd, **far, "text": "1000", "empty": "", "digits of another script": "١", **other_types("a number")}


def bounds(f):
    low = f.options.get("min", 0)
    return low, f.options.get("max") or (U32_MAX if f.base == "u32" else AMOUNT_MAX)


def bad(f):
    """label -> (value, what stands behind the field's name in the answer)"""
    if f.base in ("u32", "u64", "amount", "i64"):
        values = integers(*bounds(f))
        if f.base == "i64":
            values["0"] = 0
    elif f.base == "id" or f.family == "ref":
        values = IDS
    elif f.base == "text":
        values = dict(TEXTS)
        if f.options.get("format") == "zone":
            values |= {"no zone": "Mars/Olympus", "a path": "../../etc/passwd", "blank": "Asia/Seoul ", "offset": "+09:00"}
    elif f.base == "bool":
        values = BOOLEANS
    elif f.base == "time":
        values = {**NO_TIMES, "a day": "2030-03-01"}
    elif f.base == "when":
        values = {**{k: v for k, v in NO_TIMES.items()}, **{f"as a day: {k}": v for k, v in NO_DAYS.items()}}
    elif f.base == "day":
        values = {**NO_DAYS, "a time": "2030-03-01T09:00:00Z", **other_types("a string"), "words": "x"}
    elif f.family == "enum":
        words = list(described.enums[f.argument]["values"])
        values = {"empty": "", "no value": "gift", "capitals": words[0].swapcase(), "blank": words[0] + " ", "its number": 1, **other_types("a string"), "x": "x"}
    else:
        return lists(f)
    return {label: (value, "") for label, value in values.items()}


def lists(f):
    if f.argument == "u32":
        inner = integers(1, SEAT_NO_MAX)
        found = {f"element {label}": ([3, value], "[1]") for label, value in inner.items()}
        found |= {"element null": ([None], "[0]"), "twice": ([5, 4, 5], ""), "too many": (list(range(1, f.options["max"] + 2)), "")}
    elif f.argument == "refund_step":
        return refund_tables()
    else:
        found = {}
        for inner in RECORDS[f.argument].fields:
            for label, (value, place) in bad(inner).items():
                found[f"{inner.json} {label}"] = ([sample(f)[0], {**sample(f)[0], "seatNo": 2, inner.json: value}], f"[1].{inner.json}{place}")
            if not inner.optional:
                without = {k: v for k, v in sample(f)[0].items() if k != inner.json}
                found[f"{inner.json} missing"] = ([without], f"[0].{inner.json}")
                found[f"{inner.json} null"] = ([{**without, inner.json: None}], f"[0].{inner.json}")
        for label, value in {**other_types("an object"), "null": None}.items():
            found[f"element {label}"] = ([value], "[0]")
        found["unknown"] = ([{**sample(f)[0], "colour": None}], "[0].colour")
        found["twice"] = ([sample(f)[0]] * 2, "")
        found["too many"] = ([{**sample(f)[0], "seatNo": n} for n in range(1, f.options["max"] + 2)], "")
    return {**found, "empty": ([], ""), **{label: (value, "") for label, value in other_types("an array", "an array of one", "deep").items()}}


def refund_tables():
    found = {}
    for index, (name, most) in enumerate((("days", 3650), ("percent", 100))):
        for label, value in {**integers(0, most), "null": None}.items():
            row = [1, 1]
            row[index] = value
            found[f"{name} {label}"] = ([[3651 - 1, 100], row], f"[1].{name}")
    for label, value in {**other_types("an array of one", "deep"), "null": None, "one": [1], "three": [1, 2, 3]}.items():
        found[f"row {label}"] = ([value], "[0]")
    found |= {"days twice": ([[5, 1], [5, 2]], ""), "days rising": ([[1, 1], [2, 2]], ""), "empty": ([], "")}
    found["too many"] = ([[200 - n, 1] for n in range(101)], "")
    return {**found, **{label: (value, "") for label, value in other_types("an array", "an array of one", "deep").items()}}


# ---- values that are right ----


def sample(f):
    if f.base in ("u32", "u64", "amount", "i64"):
        return max(bounds(f)[0], 1)
    if f.base == "id" or f.family == "ref":
        return "nobody"
    if f.base == "text":
        return "Asia/Seoul" if f.options.get("format") == "zone" else "x"
    if f.base == "bool":
        return False
    if f.base == "time":
        return "2099-03-01T09:00:00Z"
    if f.base in ("when", "day"):
        return "2099-03-01"
    if f.family == "enum":
        return next(iter(described.enums[f.argument]["values"]))
    if f.argument == "u32":
        return [1]
    if f.argument == "refund_step":
        return [[1, 50]]
    return [{inner.json: sample(inner) for inner in RECORDS[f.argument].fields}]


def right(f):
    """label -> a value at the edge of what is taken"""
    if f.base in ("u32", "u64", "amount", "i64"):
        return {"least": bounds(f)[0], "most": bounds(f)[1]}
    if f.base == "id" or f.family == "ref":
        return {"one": "x", "longest": "x" * 64, "all characters": "Az09._:-"}
    if f.base == "text" and not f.options.get("format"):
        return {"one": "x", "longest": "x" * 128, "longest in emoji": "😀" * 128, "escaped": Json('"\\uD83D\\uDE00"')}
    if f.base in ("time", "when"):
        return TIMES_GOOD
    if f.family == "enum":
        return {word: word for word in described.enums[f.argument]["values"]}
    if f.base == "bool":
        return {"true": True, "false": False}
    if f.argument == "refund_step":
        return {"all": [[3650 - n, 100] for n in range(100)], "nothing": [[0, 0]]}
    if f.argument == "u32":
        return {"most": list(range(1, f.options["max"] + 1)), "not in order": [3, 1, 2], "largest": [SEAT_NO_MAX]}
    return {}


def fields_of(command, without=()):
    """The fields of a command's JSON: those of a flat record stand among them."""
    found = []
    for f in COMMANDS[command].fields:
        found += RECORDS[f.argument].fields if f.options.get("flat") else [f]
    return [f for f in found if f.json not in without]


def is_needed(f):
    return not f.optional and "default" not in f.options


# Commands that must change something.
AT_LEAST = {"schedule.update": {"concertDate": "2099-03-01"}, "policy.set": {"holdSeconds": 1}}


def whole(command, without=()):
    """A body with all that must be there."""
    fields = {f.json: sample(f) for f in fields_of(command, without) if is_needed(f)}
    return fields | AT_LEAST.get(command, {})


def rows(command, without=()):
    good = whole(command, without)
    found = []
    for f in fields_of(command, without):
        for label, (value, place) in bad(f).items():
            found.append(Row(f"{f.json}: {label}", members({**good, f.json: value}), f.json + place))
        if is_needed(f):
            found.append(Row(f"{f.json}: missing", members({k: v for k, v in good.items() if k != f.json}), f.json))
            found.append(Row(f"{f.json}: null", members({**good, f.json: None}), f.json))
    for label, value in (("null", None), ("a value", 1)):
        found.append(Row(f"unknown: {label}", members({**good, "colour": value}), "colour"))
    found.append(Row("unknown: capitals", members({**good, "UserId": "x"}), "UserId"))
    found.append(Row("unknown: empty name", members({**good, "": "x"}), ""))
    return found


def doubles(command, without=()):
    """Bodies in which one name stands twice, also when both are the same, or one is written otherwise."""
    good = whole(command, without)
    found = []
    for f in fields_of(command, without):
        value = text(good.get(f.json, sample(f)))
        rest = members({k: v for k, v in good.items() if k != f.json})
        escaped = f"\\u{ord(f.json[0]):04x}{f.json[1:]}"
        for label, second in (("twice", f.json), ("twice, once escaped", escaped)):
            twice = f'"{f.json}":{value},"{second}":{value}'
            found.append(Row(f"{f.json}: {label}", f"{rest},{twice}" if rest else twice, "body"))
    return found


def edges(command, without=()):
    good = whole(command, without)
    found = []
    for f in fields_of(command, without):
        values = dict(right(f))
        if not is_needed(f):
            values["null"] = None
        for label, value in values.items():
            found.append(Row(f"{f.json}: {label}", members({**good, f.json: value}), f.json))
    return found


# ---- the other ways of naming a seat and its schedule ----


def other_ways():
    command, also = "reservation.create", described.requests["also"]["reservation.create"]
    fields = {f.json: f for f in (model.Field(*row) for row in also["fields"])}
    seat, day = {"userId": "nobody", "scheduleId": "nobody"}, {"userId": "nobody", "seatNos": [1], "concertId": "nobody", "date": "2099-03-01"}
    found = []
    for name, good in (("seatNo", seat), ("seatNumber", seat), ("concertId", day), ("date", day)):
        for label, (value, place) in bad(fields[name]).items():
            found.append(Row(f"{name}: {label}", members({**good, name: value}), name + place))
        for label, second in (("twice", name), ("twice, once escaped", f"\\u{ord(name[0]):04x}{name[1:]}")):
            rest = members({k: v for k, v in good.items() if k != name})
            value = text(good.get(name, 1))
            found.append(Row(f"{name}: {label}", f'{rest},"{name}":{value},"{second}":{value}', "body"))
    both = {**seat, "seatNo": 1}
    for label, body, field in (
        ("seatNo: null", {**seat, "seatNo": None}, "seatNos"),
        ("seatNo beside seatNos", {**both, "seatNos": [1]}, "seatNo"),
        ("seatNumber beside seatNos", {**seat, "seatNumber": 1, "seatNos": [1]}, "seatNumber"),
        ("seatNo beside seatNumber", {**both, "seatNumber": 1}, "seatNo"),
        ("concertId beside scheduleId", {**both, "concertId": "x", "date": "2099-03-01"}, "concertId"),
        ("date beside scheduleId", {**both, "date": "2099-03-01"}, "date"),
        ("concertId without date", {k: v for k, v in day.items() if k != "date"}, "date"),
        ("date without concertId", {k: v for k, v in day.items() if k != "concertId"}, "concertId"),
        ("date null", {**day, "date": None}, "date"),
        ("concertId null", {**day, "concertId": None}, "concertId"),
        ("by day, no seat", {k: v for k, v in day.items() if k != "seatNos"}, "seatNos"),
        ("by day, nobody", {k: v for k, v in day.items() if k != "userId"}, "userId"),
        ("as another writes it", {**seat, "seat_no": 1}, "seat_no"),
    ):
        found.append(Row(label, members(body), field))
    return {command: found}


# ---- what stands in URLs and headers ----

PATHS = {  # segment -> the field that is named; None: no such path
    "a%20b": "", "%C3%A9": "", "a%2Fb": "", "a%00": "", "%00": "", "a%0Ab": "", "a%25": "", "%20": "", "x" * 65: "", "x" * 4000: "", "a+b": "", "a@b": "",
    "a%3Fb": "", "a;b": "", "a,b": "", "%EA%B9%80": "", "~": "", "a'b": "", "$": "",
    "%ff": "path", "%zz": "path", "%": "path", "a%2": "path", "%c0%80": "path", "%ed%a0%80": "path", "%f4%90%80%80": "path",
    "": None, "a/b": None, "/": None,
}
QUERIES = {
    "id": ["", "a%20b", "%00", "x" * 65, "%EA%B9%80", "a%2Fb", "a+b", "%20a"],
    "position": ["", "7", "1:7", "0:", "0:-1", "0:07", "0:+7", "0:x", "0:7x", "0:1.0", "0:1e3", "0:9223372036854775808", "0:99999999999999999999", "%200:7", "start", "latest", "0:0x10"],
    "integer": ["", "0", "-1", "+1", "1.0", "1e1", "01", "x", "1x", "0x10", "%201", "1%20", "2147483648", "4294967297", "9223372036854775808", "18446744073709551617", "9" * 40, "1,0"],
    "day": ["", "2099-02-29", "2099-2-1", "2099-13-01", "1969-12-31", "2099-03-01T00:00:00Z", "today", "20990301", "2099-03-01%20", "0000-00-00"],
    "text": ["", "x" * 513],
    "cut": ["", "7", "x", "0:", "0:-1", "0:07", "1:7", "0:9223372036854775808", "yesterday", "2099-02-29T00:00:00Z", "Latest"],
    "word": ["", "x", "ALL", "all%20", "1", "%00", "Day", "all,day"],
}
NOT_UTF8 = ["%ff", "%zz", "%", "%c0%80", "%ed%a0%80"]
HEADERS = {
    "Idempotency-Key": ["", " ", "a b", "x" * 65, "x" * 5000, "a/b", "\u00e9", "a,b", '"a"', "a\tb"],
    "Ledger-Min-Position": ["", "7", "1:7", "0:", "0:-1", "0:07", "0:x", "0:9223372036854775808", "0:99999999999999999999", "latest", "Start", "0:1, 0:2"],
    "Ledger-Wait-Seconds": ["", "-1", "61", "1.5", "x", "01", "1s", "4294967297", "99999999999999999999", "+1"],
}
